r"""The error bound of DM-NonUniform, the baseline of the paper.

A multistep solver replaces the network's output on an interval by a polynomial through its last outputs. If
:math:`\tilde\epsilon_n = \sigma_n^p / \alpha_n` bounds the error of output n, step s contributes
:math:`w_{s,n} \tilde\epsilon_n`, where

.. math::
    w_{s,n} = \int_{\lambda_s}^{\lambda_{s+1}} e^\lambda \ell_n(\lambda) \, d\lambda

and :math:`\ell_n` is the Lagrange basis through the last ``order`` nodes. The order is 1 in the first and the last
step, 2 in the second and the second to last step, and 3 elsewhere. The bound is a sum of three parts:

- a step of order 1 adds :math:`|w \tilde\epsilon|`;
- another step before step ``trunc`` adds :math:`(\sum_n (w_{s,n} \tilde\epsilon_n)^2)^{1/2}`;
- all other steps s together add :math:`\sum_n |\sum_s w_{s,n} \tilde\epsilon_n|`.

``trunc`` is 3 for at most 7 intervals, and 0 for more. The bound is not a sum over the intervals, and because of the
absolute values it is smooth only piecewise.

References:
    | Accelerating Diffusion Sampling with Optimized Time Steps (Xue et al., 2024), Eq. 11-16
    | https://arxiv.org/abs/2402.17376
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives.base import COMPLEX_STEP, SmoothFunction
from hso.objectives.error_proxy import ErrorProxy, ProxyFunction
from hso.solvers import Solver
from hso.solvers.exponential import phi

MAX_ORDER = 3


@dataclass(frozen=True)
class DMNonUniform(ErrorProxy):
    """Error bound of a multistep solver of order 3 (Xue et al., 2024).

    Example:
        >>> from hso.solvers import UniPC
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> bound = DMNonUniform().on(noise, UniPC(), "t_min")
        >>> uniform = noise.lambda_([1.0, 0.75, 0.5, 0.25, 0.001])
        >>> tuned = noise.lambda_([1.0, 0.577, 0.314, 0.099, 0.001])
        >>> bool(bound.value(tuned) < bound.value(uniform))
        True
    """

    name = "dm_nonuniform"

    def on(self, noise: NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> ErrorBound:
        return ErrorBound(noise, self.exponent(noise), self.costs_jump(noise, solver, terminal), self.jump)


class ErrorBound(ProxyFunction, SmoothFunction):
    """DM-NonUniform's bound on a noise schedule, with an exponent p."""

    def value(self, knots: Array) -> Array:
        return np.asarray(self._value(knots))

    def gradient(self, knots: Array) -> Array:
        """dJ / d lambda by the complex step. Where a sum changes sign, it is one of the two one-sided derivatives."""
        count = knots.shape[-1]
        steps = knots[..., None, :] + 1j * COMPLEX_STEP * np.eye(count)
        return np.asarray(self._value(steps).imag / COMPLEX_STEP)

    def _value(self, knots: Any) -> Any:
        intervals = knots.shape[-1] - 1
        # sigma^p / alpha; sigma is that of the network's input.
        proxy = np.exp((self.p - 1) * self.noise.network_log_sigma(knots) - knots)
        truncation = 3 if intervals <= 7 else 0
        total: Any = 0.0
        collected = np.zeros_like(knots)
        for step in range(intervals):
            order = min(step + 1, intervals - step, MAX_ORDER)
            used = slice(step - order + 1, step + 1)
            terms = proxy[..., used] * lagrange_weights(knots[..., used], knots[..., step + 1])
            if order == 1:
                total = total + _absolute(terms[..., 0])
            elif step < truncation:
                total = total + np.sqrt((terms**2).sum(axis=-1))
            else:
                collected[..., used] += terms
        return total + _absolute(collected).sum(axis=-1)


def lagrange_weights(nodes: Any, end: Any) -> Any:
    r""":math:`\int e^\lambda \ell_n(\lambda) d\lambda` from the last of the nodes to ``end``, for each node n.

    Args:
        nodes: Shape (..., order), increasing, order 1 to 3.
        end: Shape (...,).

    Returns:
        Shape (..., order), in the order of the nodes.
    """
    order = nodes.shape[-1]
    start = nodes[..., -1]
    h = end - start
    moments = [math.factorial(k) * h ** (k + 1) * phi(k, h) for k in range(order)]
    if order == 1:
        weights = [moments[0]]
    elif order == 2:
        gap = start - nodes[..., 0]
        weights = [-moments[1] / gap, moments[0] + moments[1] / gap]
    else:
        a, b = nodes[..., 1] - nodes[..., 0], start - nodes[..., 1]
        weights = [
            (moments[2] + b * moments[1]) / (a * (a + b)),
            -(moments[2] + (a + b) * moments[1]) / (a * b),
            moments[0] + (moments[2] + (2 * b + a) * moments[1]) / (b * (a + b)),
        ]
    return np.exp(start)[..., None] * np.stack(weights, axis=-1)


def _absolute(x: Any) -> Any:
    """|x| for real x; for complex x a smooth continuation, because the complex step needs one."""
    return np.where(np.real(x) < 0, -x, x)
