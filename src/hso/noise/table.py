r"""A schedule known as a table: :math:`\lambda_i` at :math:`t_i`, by measurement, by learning or from another program.

Between the entries :math:`\lambda(t)` is the monotone cubic of Fritsch and Butland (PCHIP), strictly decreasing like the
table. Its slope at either end is kept at a tenth of the first or last secant at least, so that the inverse has no
singularity there. The inverse is Newton's, kept inside the bracket by bisection. Beyond its ends the table is constant:
they are the ends of the range in which nodes may lie.

References:
    | A Method for Constructing Local Monotone Piecewise Cubic Interpolants (Fritsch and Butland, 1984)
    | https://doi.org/10.1137/0905021
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

from hso.errors import ArgumentError, check_choice, check_integer
from hso.noise.base import Array, NoiseSchedule
from hso.noise.discrete import vector
from hso.noise.edm import VarianceExploding
from hso.noise.flow import StraightPath
from hso.noise.sub_vp import SubVariancePreserving
from hso.noise.vp import VariancePreserving

LEAST_END_SLOPE = 0.1
MAX_ITERATIONS = 100
# exp(2 lambda) must stay finite on every path.
MOST_LAMBDA = 300.0


class Table(NoiseSchedule):
    r"""The clock of a table; subclasses give the path.

    Args:
        times: t, shape (M,), strictly increasing within [0, 1].
        lambdas: :math:`\lambda`, shape (M,), strictly decreasing.
        name: What to call it.
        train_steps: Number of training timesteps; None if there are none.
    """

    def __init__(self, times: ArrayLike, lambdas: ArrayLike, name: str, train_steps: int | None) -> None:
        self._times, self._lambdas = vector("times", times), vector("lambdas", lambdas)
        if not (np.all(np.diff(self._times) > 0) and self._times[0] >= 0 and self._times[-1] <= 1):
            raise ArgumentError("times", "strictly increasing values in [0, 1]", times)
        if len(self._lambdas) != len(self._times):
            raise ArgumentError("lambdas", f"{len(self._times)} values, one for each time", lambdas)
        if not (np.all(np.diff(self._lambdas) < 0) and np.abs(self._lambdas).max() <= MOST_LAMBDA):
            expected = f"strictly decreasing values within {MOST_LAMBDA:g} of 0"
            raise ArgumentError("lambdas", expected, lambdas, "t = 1 is noise")
        self.name = name
        self.train_steps = None if train_steps is None else check_integer("train_steps", train_steps, 2, 100_000)
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

    def _definition(self) -> bytes:
        numbers = (*self._times, *self._lambdas)
        return (",".join(f"{x:.12g}" for x in numbers) + f",{self.train_steps}").encode()


class TableVP(Table, VariancePreserving):
    """A table on the variance-preserving path."""


class TableSubVP(Table, SubVariancePreserving):
    """A table on the sub-VP path."""


class TableVE(Table, VarianceExploding):
    r"""A table on the variance-exploding path, with :math:`\sigma_{data} = 1`."""


class TableFlow(Table, StraightPath):
    """A table on the path of rectified flow."""


PATHS: Mapping[str, type[Table]] = {"vp": TableVP, "sub_vp": TableSubVP, "ve": TableVE, "flow": TableFlow}


def table(times: ArrayLike, lambdas: ArrayLike, path: str, name: str, train_steps: int | None) -> NoiseSchedule:
    """See :meth:`hso.NoiseSchedule.from_table`."""
    return PATHS[check_choice("path", path, PATHS)](times, lambdas, name, train_steps)


def _monotone_cubic(times: Array, lambdas: Array) -> CubicHermiteSpline:
    slopes = np.asarray(PchipInterpolator(times, lambdas).derivative()(times))
    secants = np.diff(lambdas) / np.diff(times)
    slopes[[0, -1]] = np.minimum(slopes[[0, -1]], LEAST_END_SLOPE * secants[[0, -1]])
    return CubicHermiteSpline(times, lambdas, slopes)
