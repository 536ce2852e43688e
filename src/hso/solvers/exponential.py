r"""Exponential integrals of interpolated data.

The exact solution is a weighted integral of the data along the path. With :math:`h = \lambda' - \lambda` and
:math:`u = (\cdot - \lambda) / h`,

.. math::
    x' = \frac{\sigma'}{\sigma} x + \alpha' h \int_0^1 e^{(u - 1) h} D(u) \, du

A solver replaces D by the polynomial through its values at the points :math:`u_n`. The integral is then
:math:`\sum_n w_n D_n`, and the moments :math:`m_k = \int_0^1 e^{(u-1) h} u^k du` determine the weights:

.. math::
    \sum_n w_n u_n^k = m_k, \qquad k = 0, 1, \dots

The coordinate u is in units of h, so the system stays well conditioned for small steps.

References:
    | DPM-Solver: A Fast ODE Solver for Diffusion Probabilistic Model Sampling in Around 10 Steps (Lu et al., 2022)
    | https://arxiv.org/abs/2206.00927
    | UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models (Zhao et al., 2023)
    | https://arxiv.org/abs/2302.04867
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hso.solvers.base import Level
from hso.solvers.elementary import exp, expm1

# Below SMALL a Taylor series is used; with this many terms its error is below rounding.
SMALL, TERMS = 0.5, 16


def growing_moments(h: Any, count: int) -> list[Any]:
    r""":math:`\int_0^1 e^{(u-1) h} u^k du` for k below ``count``; h is finite and positive, or an array of such numbers.

    Example:
        >>> [round(moment, 9) for moment in growing_moments(1e-12, 3)]  # 1 / (k + 1), without cancellation
        [1.0, 0.5, 0.333333333]
    """
    scale = exp(-h)
    return [scale * moment for moment in falling_moments(-h, count)]


def falling_moments(h: Any, count: int) -> list[Any]:
    r""":math:`\int_0^1 e^{-u h} u^k du` for k below ``count``; h is finite, or an array of finite numbers.

    Example:
        >>> [round(moment, 6) for moment in falling_moments(1.0, 2)]  # 1 - 1/e and 1 - 2/e
        [0.632121, 0.264241]
    """
    if isinstance(h, float):
        return _moments_near_zero(h, count) if abs(h) < SMALL else _moments_far(h, count)
    small = np.abs(h) < SMALL
    if small.all():
        return _moments_near_zero(h, count)
    far = _moments_far(np.where(small, 1.0, h), count)
    if not small.any():
        return far
    near = _moments_near_zero(np.where(small, h, 0.0), count)
    return [np.where(small, *both) for both in zip(near, far, strict=True)]


def _moments_near_zero(h: Any, count: int) -> list[Any]:
    # A series gives the highest moment. Integration by parts then gives moment k - 1 from moment k. This multiplies by
    # h, so rounding errors shrink where h is small. The other direction divides by h, and errors would grow.
    last = 0.0
    for j in reversed(range(TERMS)):
        last = last * -h + 1 / (math.factorial(j) * (j + count))
    moments, edge = [last], exp(-h)
    for k in range(count - 1, 0, -1):
        moments.append((h * moments[-1] + edge) / k)
    return moments[::-1]


def _moments_far(h: Any, count: int) -> list[Any]:
    # The same recurrence in the other direction: it divides by h, which is safe where h is not small.
    moments, edge = [-expm1(-h) / h], exp(-h)
    for k in range(1, count):
        moments.append((k * moments[-1] - edge) / h)
    return moments


def interpolation_weights(start: Level, end: Level, points: Sequence[Level], moments: Sequence[Any]) -> list[Any]:
    r"""Weights of the values at ``points``, in the same order, that have the given moments; one moment for each point.

    The weights solve a Vandermonde system by the method of Björck and Pereyra (1970). It needs no matrix, so it works
    with arrays as well as with numbers, and it loses less accuracy to rounding than elimination does.

    Args:
        start: Where u = 0.
        end: Where u = 1.
        points: Distinct levels.
        moments: The weighted sums that 1, u, u^2, ... must have.

    Example:
        >>> a, b, c = (Level(x, 1.0, 1.0) for x in (0.0, 1.0, 2.0))
        >>> interpolation_weights(b, c, [b, a], [1.0, 0.5])  # Adams-Bashforth
        [1.5, -0.5]
    """
    h = end.lambda_ - start.lambda_
    u = [(point.lambda_ - start.lambda_) / h for point in points]
    weights, last = list(moments), len(points) - 1
    # First pass: from moments of u^k to moments of Newton's polynomials (u - u_0) ... (u - u_{k-1}). In this basis the
    # coefficients of the interpolating polynomial are divided differences of the values.
    for k in range(last):
        for i in range(last, k, -1):
            weights[i] = weights[i] - u[k] * weights[i - 1]
    # Second pass: a divided difference is (upper - lower) / width, with two divided differences of the order below.
    # Each one hands its weight on to these two; at order 0 these are the values themselves.
    for k in reversed(range(last)):
        for i in range(k + 1, last + 1):
            weights[i] = weights[i] / (u[i] - u[i - k - 1])
        for i in range(k, last):
            weights[i] = weights[i] - weights[i + 1]
    return weights


def half_slope_weights(start: Level, other: Level, end: Level, scale: Any) -> tuple[Any, Any]:
    r"""Weights of the data at ``start`` and at ``other``, if the slope of the data acts over half of the step:

    .. math::
        \int_0^1 h e^{(u-1) h} D(u) \, du \approx
        (1 - e^{-h}) D_{start} + \frac{B}{2} \frac{D_{other} - D_{start}}{u_{other}}

    Args:
        start: Where the step starts.
        other: The other level at which the data is known.
        end: Where the step ends.
        scale: B, which is h up to a factor 1 + O(h).
    """
    h = end.lambda_ - start.lambda_
    slope = 0.5 * scale * h / (other.lambda_ - start.lambda_)
    return -expm1(-h) - slope, slope


def phi(k: int, h: Any) -> Any:
    r""":math:`\frac{1}{k!}\int_0^1 s^k e^{s h} ds`, so that :math:`\int_0^h x^k e^x dx = k!\, h^{k+1} \phi_k(h)`."""
    series = sum(h**j / (math.factorial(j) * (j + k + 1)) for j in range(TERMS)) / math.factorial(k)
    safe = np.where(np.abs(h) < SMALL, 1.0, h)
    closed = np.expm1(safe) / safe
    for j in range(1, k + 1):
        closed = (np.exp(safe) / math.factorial(j) - closed) / safe
    return np.where(np.abs(h) < SMALL, series, closed)
