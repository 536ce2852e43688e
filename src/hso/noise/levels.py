r"""One noise level under three names.

.. math::
    \tilde\sigma = \frac{\sigma}{\alpha} = e^{-\lambda}, \qquad
    \sigma_{flow} = \frac{\tilde\sigma}{1 + \tilde\sigma} = \frac{1}{1 + e^\lambda}

These formulas hold on every path. The clean sample is :math:`\lambda = \infty`, where both sigmas are 0. On the path of
rectified flow :math:`\sigma_{flow}` is :math:`\sigma` itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hso.noise.base import Array


def sigma_of_lambda(lambda_: ArrayLike) -> Array:
    r""":math:`\tilde\sigma` of :math:`\lambda`."""
    return np.exp(-np.asarray(lambda_, dtype=np.float64))


def lambda_of_sigma(sigma: ArrayLike) -> Array:
    r""":math:`\lambda` of :math:`\tilde\sigma`; infinite for 0."""
    with np.errstate(divide="ignore"):
        return -np.log(np.asarray(sigma, dtype=np.float64))


def flow_sigma_of_lambda(lambda_: ArrayLike) -> Array:
    r"""Flow sigma of :math:`\lambda`, without cancellation at either end."""
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(np.asarray(lambda_, dtype=np.float64))))


def lambda_of_flow_sigma(flow_sigma: ArrayLike) -> Array:
    r""":math:`\lambda` of a flow sigma in [0, 1]; infinite for 0.

    Example:
        >>> lambda_of_flow_sigma([0.5, 0.0]).tolist()
        [0.0, inf]
    """
    # Adding 0 turns the negative zero of flow sigma 0.5 into a plain zero.
    sigma = np.asarray(flow_sigma, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log1p(-sigma) - np.log(sigma))
