r"""From :math:`\lambda` to the noise levels that diffusers' schedulers keep.

.. math::
    \tilde\sigma = e^{-\lambda}, \qquad
    \bar\alpha = \alpha^2 = \frac{1}{1 + e^{-2 \lambda}} \;\text{(variance preserving)}, \qquad
    \sigma_{flow} = \frac{1}{1 + e^{\lambda}} \;\text{(flow: } \alpha = 1 - \sigma \text{)}

The clean sample, :math:`\lambda = \infty`, maps to 0, 1 and 0.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from hso.noise.base import Array
from hso.schedule import SamplingSchedule


def knots(schedule: SamplingSchedule) -> Array:
    r""":math:`\lambda` of the N nodes and of the terminal, which is infinite if clean. Shape (N + 1,)."""
    return np.append(schedule.lambdas, schedule.terminal)


def sigmas(lambdas: Array) -> Array:
    r""":math:`\tilde\sigma`, which k-diffusion, EDM and diffusers' variance-preserving schedulers call sigmas."""
    with np.errstate(over="ignore"):  # an infinite level is refused later, with a reason
        return np.exp(-lambdas)


def alphas_cumprod(lambdas: Array) -> Array:
    r""":math:`\bar\alpha` of a variance-preserving model."""
    return np.asarray(expit(2 * lambdas))


def flow_sigmas(lambdas: Array) -> Array:
    r""":math:`\sigma` of a flow model, :math:`x = (1 - \sigma) x_0 + \sigma \epsilon`."""
    return np.asarray(expit(-lambdas))
