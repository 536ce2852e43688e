r"""The clock of a table of :math:`\lambda_i` at :math:`t_i`, which was measured or learned or comes from another program.

Between the entries :math:`\lambda(t)` is the monotone cubic of Fritsch and Butland (PCHIP), which decreases strictly like
the table. At both ends its slope is at least a tenth of the first or last secant, so that the inverse has no singularity
there. The inverse is found by Newton's method, which bisection keeps inside its bracket. Beyond its ends the table is
constant; nodes must lie between the ends.

References:
    | A Method for Constructing Local Monotone Piecewise Cubic Interpolants (Fritsch and Butland, 1984)
    | https://doi.org/10.1137/0905021
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hso.errors import ArgumentError
from hso.noise.base import MOST_LAMBDA, Array, check_train_steps, vector
from hso.noise.clock import TRAINING_INDEX, Clock, Told

LEAST_END_SLOPE = 0.1
MAX_ITERATIONS = 100


class TableClock(Clock):
    r"""The clock of a table, for any path.

    Args:
        times: t, shape (M,), strictly increasing within [0, 1].
        lambdas: :math:`\lambda`, shape (M,), strictly decreasing.
        train_steps: Number of training timesteps; None if there are none.
        told: What the network is told.
    """

    def __init__(
        self, times: ArrayLike, lambdas: ArrayLike, train_steps: int | None = None, told: Told = TRAINING_INDEX
    ) -> None:
        self._times, self._lambdas = vector("times", times), vector("lambdas", lambdas)
        if not (np.all(np.diff(self._times) > 0) and self._times[0] >= 0 and self._times[-1] <= 1):
            raise ArgumentError("times", "strictly increasing values in [0, 1]", times)
        if len(self._lambdas) != len(self._times):
            raise ArgumentError("lambdas", f"{len(self._times)} values, one for each time", lambdas)
        if not (np.all(np.diff(self._lambdas) < 0) and np.abs(self._lambdas).max() <= MOST_LAMBDA):
            expected = f"strictly decreasing values within {MOST_LAMBDA:g} of 0"
            raise ArgumentError("lambdas", expected, lambdas, "t = 1 is noise")
        self.train_steps = None if train_steps is None else check_train_steps(train_steps)
        self.told = told
        self._curve = _monotone_cubic(self._times, self._lambdas)
        self._slope = self._curve.derivative()

    @property
    def t_range(self) -> tuple[float, float]:
        return float(self._times[0]), float(self._times[-1])

    def _lambda(self, t: Array) -> Array:
        return np.asarray(self._curve(np.clip(t, self._times[0], self._times[-1])))

    def _time(self, lambda_: Array) -> Array:
        target = np.clip(lambda_, self._lambdas[-1], self._lambdas[0])
        after = np.clip(np.searchsorted(-self._lambdas, -target), 1, len(self._times) - 1)
        low, high = self._times[after - 1], self._times[after]
        t = (low + high) / 2
        for _ in range(MAX_ITERATIONS):
            excess = self._curve(t) - target
            low, high = np.where(excess > 0, t, low), np.where(excess > 0, high, t)
            with np.errstate(divide="ignore", invalid="ignore"):
                newton = t - excess / self._slope(t)
            inside = (newton >= low) & (newton <= high)
            moved = np.where(inside, newton, (low + high) / 2)
            settled = np.abs(moved - t) <= 1e-15 * moved
            t = moved
            if np.all(settled):
                break
        return np.asarray(t)

    def definition(self) -> bytes:
        numbers = (*self._times, *self._lambdas)
        return (",".join(f"{x:.12g}" for x in numbers) + f",{self.train_steps}").encode()


def _monotone_cubic(times: Array, lambdas: Array) -> Any:
    from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

    slopes = np.asarray(PchipInterpolator(times, lambdas).derivative()(times))
    secants = np.diff(lambdas) / np.diff(times)
    slopes[[0, -1]] = np.minimum(slopes[[0, -1]], LEAST_END_SLOPE * secants[[0, -1]])
    return CubicHermiteSpline(times, lambdas, slopes)
