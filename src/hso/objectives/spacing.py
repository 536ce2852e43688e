r"""The spacing penalty, Eq. 10, and its least distance.

.. math::
    L_{penalty} = \sum_i \max(0,\; d_{min}(N) - |t(\lambda_{i+1}) - t(\lambda_i)|)^2

The fitness of Eq. 9 is :math:`J + \gamma L_{penalty}`. In the paper :math:`d_{min}` falls linearly "from 0.15 at N = 4
down to 0.01 at N = 20". The paper does not print :math:`\gamma`; the authors' program has :math:`\gamma = 10^9`.

References:
    | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026), Eq. 9-10
    | https://arxiv.org/abs/2511.11688
"""

from __future__ import annotations

import numpy as np

from hso.noise.base import Array

GAMMA = 1e9


def d_min(nfe: int) -> float:
    r"""Least distance of neighbouring knots in t: :math:`0.15 - 0.00875 (N - 4)`, kept within [0.01, 0.15].

    Example:
        >>> d_min(4), round(d_min(12), 9), d_min(50)
        (0.15, 0.08, 0.01)
    """
    return min(max(0.15 - 0.00875 * (nfe - 4), 0.01), 0.15)


def spacing_penalty(times: Array, distance: float) -> Array:
    """L_penalty of Eq. 10, shape (...,), for times of shape (..., K + 1); K may be 0."""
    shortfall = np.maximum(0.0, distance - np.abs(np.diff(times, axis=-1)))
    return np.asarray((shortfall**2).sum(axis=-1))


def spacing_penalty_gradient(times: Array, distance: float) -> Array:
    """dL_penalty / dt, shape (..., K + 1), for decreasing times of that shape."""
    pull = 2 * np.maximum(0.0, distance + np.diff(times, axis=-1))
    gradient = np.zeros(times.shape)
    gradient[..., :-1] -= pull
    gradient[..., 1:] += pull
    return gradient
