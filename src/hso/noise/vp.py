r"""Variance-preserving path: :math:`\alpha^2 + \sigma^2 = 1`.

.. math::
    \alpha = (1 + e^{-2\lambda})^{-1/2}, \qquad \sigma = (1 + e^{2\lambda})^{-1/2}, \qquad
    \frac{d \log\sigma}{d\lambda} = -\alpha^2, \qquad \frac{d^2 \log\sigma}{d\lambda^2} = -2 \alpha^2 \sigma^2
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hso.noise.base import Array, NoiseSchedule


class VariancePreserving(NoiseSchedule):
    r"""A noise schedule with :math:`\alpha^2 + \sigma^2 = 1`; subclasses give the clock."""

    def log_alpha(self, lambda_: Any) -> Any:
        return -0.5 * np.log1p(np.exp(-2 * lambda_))

    def log_sigma(self, lambda_: Any) -> Any:
        return vp_log_sigma(lambda_)

    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        return vp_log_sigma_derivatives(lambda_)


def vp_log_sigma(lambda_: Any) -> Any:
    r""":math:`\log\sigma = -\frac12 \log(1 + e^{2\lambda})`. Accepts complex input."""
    return -0.5 * np.log1p(np.exp(2 * lambda_))


def vp_log_sigma_derivatives(lambda_: Array) -> tuple[Array, Array]:
    r"""First and second derivative of :math:`\log\sigma` with respect to :math:`\lambda`."""
    alpha_squared = 1 / (1 + np.exp(-2 * lambda_))
    return -alpha_squared, 2 * alpha_squared * (alpha_squared - 1)


def lambda_of_log_alpha(log_alpha: Array) -> Array:
    r""":math:`\lambda = \log\alpha - \frac12 \log(1 - \alpha^2)`, without cancellation near :math:`\alpha = 1`."""
    with np.errstate(divide="ignore"):
        return np.asarray(log_alpha - 0.5 * np.log(-np.expm1(2 * log_alpha)))
