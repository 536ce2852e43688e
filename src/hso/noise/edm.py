r"""Variance exploding, and EDM's preconditioning of it.

.. math::
    \alpha = 1, \qquad \sigma = e^{-\lambda}, \qquad
    \log\sigma(t) = \log\sigma_{max} - \frac{1 - t}{1 - t_0} \log\frac{\sigma_{max}}{\sigma_{min}}, \qquad t_0 = 10^{-3}

The clock is that of Song et al.: :math:`\log\sigma` is linear in t. Their N noise levels sit at :math:`t_n = (n + 1) / N`
for N = 1000, so that :math:`\sigma_{min}` is at :math:`t_0` as in the other families, and t = 0 is left to the clean
sample. Both ends are finite.

EDM's network sees :math:`c_{in} x` with :math:`c_{in} = (\sigma^2 + \sigma_{data}^2)^{-1/2}`, so that its input has unit
variance, and is told :math:`c_{noise} = \frac14 \log\sigma`. The noise in its input is

.. math::
    \hat\sigma = c_{in} \sigma = \left(1 + \sigma_{data}^2 e^{2 \lambda}\right)^{-1/2},

the variance-preserving :math:`\sigma` at :math:`\lambda + \log\sigma_{data}`. It stands for :math:`\sigma` in Eq. 8: with
the bare :math:`e^{-\lambda}` and p = 2 the objective would telescope to
:math:`\sigma_{max} - \sigma_{min}`, the same for all knots.

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021), Eq. 30-31
    | https://arxiv.org/abs/2011.13456
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Table 1
    | https://arxiv.org/abs/2206.00364
    | Stable Audio Open (Evans et al., 2024), for the arc tangent
    | https://arxiv.org/abs/2407.14358
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hso.errors import ArgumentError, check_real
from hso.noise.base import Array, NoiseSchedule
from hso.noise.vp import vp_log_sigma, vp_log_sigma_derivatives

T_START = 1e-3
# Of any sigma; far beyond what a model is trained on, and exp(lambda) stays far from overflow.
LEAST, MOST = 1e-8, 1e8


class VarianceExploding(NoiseSchedule):
    r"""A noise schedule with :math:`\alpha = 1`; subclasses give the clock."""

    train_steps = None

    def log_alpha(self, lambda_: Any) -> Any:
        return 0.0 * lambda_

    def log_sigma(self, lambda_: Any) -> Any:
        return -lambda_

    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        return -np.ones_like(lambda_), np.zeros_like(lambda_)

    def network_log_sigma(self, lambda_: Any) -> Any:
        return vp_log_sigma(lambda_ + math.log(self.sigma_data))

    def network_log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        return vp_log_sigma_derivatives(lambda_ + math.log(self.sigma_data))

    def timestep_of_time(self, t: ArrayLike) -> Array:
        return -self.lambda_(t) / 4

    def time_of_timestep(self, timestep: ArrayLike) -> Array:
        return self.time(-4 * np.asarray(timestep, dtype=np.float64))


class EDM(VarianceExploding):
    r"""Variance exploding between two noise levels; the network is told :math:`\frac14 \log\sigma`.

    Args:
        sigma_min: Cleanest noise level.
        sigma_max: Noisiest noise level, above ``sigma_min``.
        sigma_data: Standard deviation of the data.
        name: What to call it.
    """

    def __init__(
        self, sigma_min: float = 0.002, sigma_max: float = 80.0, sigma_data: float = 0.5, name: str | None = None
    ) -> None:
        low = check_real("sigma_min", sigma_min, LEAST, MOST)
        high = check_real("sigma_max", sigma_max, LEAST, MOST)
        if high <= low:
            raise ArgumentError("sigma_max", f"a number above sigma_min = {low:g}", sigma_max)
        self.sigma_data = check_real("sigma_data", sigma_data, LEAST, MOST)
        self._first, self._span = math.log(high), math.log(high / low) / (1 - T_START)
        self._constants = low, high
        self.name = name or f"edm({low:g}, {high:g})"

    @property
    def t_range(self) -> tuple[float, float]:
        return T_START, 1.0

    def _lambda(self, t: Array) -> Array:
        return (1 - t) * self._span - self._first

    def _time(self, lambda_: Array) -> Array:
        return np.clip(1 - (lambda_ + self._first) / self._span, 0.0, 1.0)

    def _definition(self) -> bytes:
        return ",".join(f"{x:.12g}" for x in (*self._constants, self.sigma_data)).encode()


class ArctanEDM(EDM):
    r"""The same for a network that is told :math:`\frac{2}{\pi} \arctan\sigma`, as Stable Audio's is."""

    def timestep_of_time(self, t: ArrayLike) -> Array:
        return np.asarray(2 / np.pi * np.arctan(self.sigmas(t)))

    def time_of_timestep(self, timestep: ArrayLike) -> Array:
        with np.errstate(divide="ignore"):
            return self.time(-np.log(np.tan(np.asarray(timestep, dtype=np.float64) * np.pi / 2)))
