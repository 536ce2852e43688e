r"""Continuous variance-preserving schedule with linear :math:`\beta(t) = \beta_0 + t (\beta_1 - \beta_0)`.

.. math::
    \log\alpha_t = -\frac{t^2}{4} (\beta_1 - \beta_0) - \frac{t}{2} \beta_0

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021), Eq. 32-33
    | https://arxiv.org/abs/2011.13456
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from hso.errors import ArgumentError, check_integer, check_real
from hso.noise.base import Array, NoiseSchedule
from hso.noise.vp import VariancePreserving, lambda_of_log_alpha


class LinearBeta(NoiseSchedule):
    r"""The clock of schedules with :math:`\beta` linear in t; subclasses give the path.

    Args:
        beta_0: :math:`\beta(0)`, at least 0.
        beta_1: :math:`\beta(1)`, above ``beta_0``.
        train_steps: N of the model's timestep input t N - 1; None if it takes t itself.
    """

    kind: str

    def __init__(self, beta_0: float = 0.1, beta_1: float = 20.0, train_steps: int | None = 1000) -> None:
        self._beta_0 = check_real("beta_0", beta_0, 0.0)
        self._beta_1 = check_real("beta_1", beta_1, 0.0)
        if self._beta_1 <= self._beta_0:
            raise ArgumentError("beta_1", f"a number above beta_0 = {beta_0:g}", beta_1)
        self.train_steps = None if train_steps is None else check_integer("train_steps", train_steps, 2, 100_000)
        self.name = f"{self.kind}({beta_0:g}, {beta_1:g})"

    @property
    def t_range(self) -> tuple[float, float]:
        return 1e-3, 1.0

    @abstractmethod
    def _lambda_of_log_alpha(self, log_alpha: Array) -> Array: ...

    def _lambda(self, t: Array) -> Array:
        return self._lambda_of_log_alpha(-0.25 * t**2 * (self._beta_1 - self._beta_0) - 0.5 * t * self._beta_0)

    def _time(self, lambda_: Array) -> Array:
        # The root of the quadratic in the form that does not cancel for small t.
        slope = self._beta_1 - self._beta_0
        twice = -2 * self.log_alpha(lambda_)
        with np.errstate(invalid="ignore"):
            t = 2 * twice / (self._beta_0 + np.sqrt(self._beta_0**2 + 2 * slope * twice))
        return np.clip(np.where(twice > 0, t, 0.0), 0.0, 1.0)

    def _definition(self) -> bytes:
        return f"{self._beta_0:.12g},{self._beta_1:.12g},{self.train_steps}".encode()


class LinearVP(LinearBeta, VariancePreserving):
    r"""Variance-preserving schedule with :math:`\beta` linear in t; arguments as for :class:`LinearBeta`."""

    kind = "linear_vp"

    def _lambda_of_log_alpha(self, log_alpha: Array) -> Array:
        return lambda_of_log_alpha(log_alpha)
