"""The gain of the best linear denoiser."""

from __future__ import annotations

import numpy as np

from hso.noise.base import Array


def wiener(variances: Array, lambdas: Array) -> Array:
    r""":math:`P_b / (P_b + e^{-2\lambda})`, shape (..., bands). Accepts complex :math:`\lambda`.

    References:
        | Extrapolation, Interpolation, and Smoothing of Stationary Time Series (Wiener, 1949)
    """
    return np.asarray(variances / (variances + np.exp(-2 * lambdas)[..., None]))
