r"""The clock with linear :math:`\beta(t) = \beta_0 + t (\beta_1 - \beta_0)`.

.. math::
    \log\alpha_t = -\frac{t^2}{4} (\beta_1 - \beta_0) - \frac{t}{2} \beta_0

holds on the variance-preserving path and on the sub-VP path; :math:`\lambda` follows from :math:`\alpha` by the path.

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021), Eq. 29 and 32-33
    | https://arxiv.org/abs/2011.13456
"""

from __future__ import annotations

import numpy as np

from hso.errors import ArgumentError, check_real
from hso.noise.base import Array, check_train_steps
from hso.noise.clock import Clock
from hso.noise.path import VP, SubVariancePreserving, VariancePreserving


class LinearClock(Clock):
    r"""The clock of models with :math:`\beta` linear in t.

    Args:
        beta_0: :math:`\beta(0)`, at least 0.
        beta_1: :math:`\beta(1)`, above ``beta_0``.
        train_steps: N of the model's timestep input t N - 1; None if the model takes t itself.
        path: The path that gives :math:`\lambda` from :math:`\alpha`.
    """

    def __init__(
        self,
        beta_0: float = 0.1,
        beta_1: float = 20.0,
        train_steps: int | None = 1000,
        path: VariancePreserving | SubVariancePreserving = VP,
    ) -> None:
        self._beta_0 = check_real("beta_0", beta_0, 0.0)
        self._beta_1 = check_real("beta_1", beta_1, 0.0)
        if self._beta_1 <= self._beta_0:
            raise ArgumentError("beta_1", f"a number above beta_0 = {beta_0:g}", beta_1)
        self.train_steps = None if train_steps is None else check_train_steps(train_steps)
        self._path = path

    @property
    def t_range(self) -> tuple[float, float]:
        return 1e-3, 1.0

    def _lambda(self, t: Array) -> Array:
        log_alpha = -0.25 * t**2 * (self._beta_1 - self._beta_0) - 0.5 * t * self._beta_0
        return self._path.lambda_of_log_alpha(log_alpha)

    def _time(self, lambda_: Array) -> Array:
        # The root of the quadratic, in the form that does not cancel for small t.
        slope = self._beta_1 - self._beta_0
        twice = -2 * self._path.log_alpha(lambda_)
        with np.errstate(invalid="ignore"):
            t = 2 * twice / (self._beta_0 + np.sqrt(self._beta_0**2 + 2 * slope * twice))
        return np.clip(np.where(twice > 0, t, 0.0), 0.0, 1.0)

    def definition(self) -> bytes:
        return f"{self._beta_0:.12g},{self._beta_1:.12g},{self.train_steps}".encode()
