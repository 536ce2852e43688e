r"""Sub-VP path: :math:`\sigma = 1 - \alpha^2`.

With :math:`r = (1 + 4 e^{2\lambda})^{1/2}`,

.. math::
    \sigma = \frac{2}{1 + r}, \qquad \alpha = \sigma e^\lambda, \qquad
    \frac{d \log\sigma}{d\lambda} = \frac1r - 1, \qquad \frac{d^2 \log\sigma}{d\lambda^2} = \frac{1 - r^2}{r^3}

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021), Eq. 28-29
    | https://arxiv.org/abs/2011.13456
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hso.noise.base import Array, NoiseSchedule
from hso.noise.linear import LinearBeta


class SubVariancePreserving(NoiseSchedule):
    r"""A noise schedule with :math:`\sigma = 1 - \alpha^2`; subclasses give the clock."""

    def log_alpha(self, lambda_: Any) -> Any:
        # The logarithm of 2 e^lambda / (1 + r) without cancellation near alpha = 1.
        return -np.arcsinh(np.exp(-lambda_) / 2)

    def log_sigma(self, lambda_: Any) -> Any:
        return self.log_alpha(lambda_) - lambda_

    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        r = np.sqrt(1 + 4 * np.exp(2 * lambda_))
        return 1 / r - 1, (1 - r * r) / r**3


class SubVP(LinearBeta, SubVariancePreserving):
    r"""Sub-VP schedule with :math:`\beta` linear in t; arguments as for :class:`LinearBeta`."""

    kind = "sub_vp"

    def _lambda_of_log_alpha(self, log_alpha: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(log_alpha - np.log(-np.expm1(2 * log_alpha)))
