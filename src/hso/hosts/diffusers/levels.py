r"""From :math:`\lambda` to the noise levels that diffusers' schedulers keep.

.. math::
    \tilde\sigma = e^{-\lambda}, \qquad
    \bar\alpha = \alpha^2 = \frac{1}{1 + e^{-2 \lambda}} \;\text{(variance preserving)}

The clean sample, :math:`\lambda = \infty`, maps to 0 and 1. For the flow's sigma see :mod:`hso.noise.levels`.
"""

from __future__ import annotations

import numpy as np

from hso.noise.base import Array
from hso.noise.levels import sigma_of_lambda


def sigmas(lambdas: Array) -> Array:
    r""":math:`\tilde\sigma`, which k-diffusion, EDM and diffusers' variance-preserving schedulers call sigmas."""
    with np.errstate(over="ignore"):  # an infinite level is refused later, with a reason
        return sigma_of_lambda(lambdas)


def alphas_cumprod(lambdas: Array) -> Array:
    r""":math:`\bar\alpha` of a variance-preserving model."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-2 * np.asarray(lambdas))))
