r"""The Midpoint Error Proxy, Eq. 8.

.. math::
    J_{MEP} = \sum_i \tilde\epsilon(m_i) \, (e^{\lambda_{i+1}} - e^{\lambda_i}), \qquad
    \tilde\epsilon = \frac{\sigma^p}{\alpha}, \qquad m_i = \frac{\lambda_i + \lambda_{i+1}}{2}

Since :math:`\alpha / \sigma = e^\lambda`, one edge with :math:`h = \lambda_{i+1} - \lambda_i` costs

.. math::
    c = 2 \sinh(h / 2) \, \sigma(m)^{p - 1},

for every noise schedule. :math:`\sigma` belongs to the network's input. It differs from the :math:`\sigma` of the
sample only for models that scale their input first (:meth:`hso.NoiseSchedule.network_log_sigma`). This form has no
overflow and no cancellation. For p = 1, uniform :math:`\lambda` minimizes it.

References:
    | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026), Eq. 6-8
    | https://arxiv.org/abs/2511.11688
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives.base import Edge, SmoothEdgeSum
from hso.objectives.error_proxy import ErrorProxy, ProxyFunction
from hso.solvers import Solver


@dataclass(frozen=True)
class MEP(ErrorProxy):
    """Midpoint Error Proxy (Eq. 8), for any p and any noise schedule.

    Example:
        >>> from hso.solvers import UniPC
        >>> noise = NoiseSchedule.preset("ddpm")
        >>> knots = noise.lambda_([0.96, 0.71629, 0.37023, 0.03])
        >>> round(float(MEP().on(noise, UniPC(), "t_min").value(knots)), 3)
        6.316
    """

    name = "mep"

    def on(self, noise: NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> MidpointSum:
        return MidpointSum(noise, self.exponent(noise), self.costs_jump(noise, solver, terminal), self.jump)


class MidpointSum(ProxyFunction, SmoothEdgeSum):
    """MEP on a noise schedule, with an exponent p."""

    def cost(self, a: Array, b: Array) -> Array:
        weight = np.exp((self.p - 1) * self.noise.network_log_sigma((a + b) / 2))
        return np.asarray(2 * np.sinh((b - a) / 2) * weight)

    def edge(self, a: Array, b: Array) -> Edge:
        middle, half = (a + b) / 2, (b - a) / 2
        first, second = self.noise.network_log_sigma_derivatives(middle)
        q = self.p - 1
        weight = np.exp(q * self.noise.network_log_sigma(middle))
        # c is 2 sinh(half) times the weight, and the logarithm of the weight has the derivative slope in the midpoint.
        # So the derivatives in a and b are combinations of sinh, cosh, slope and bend.
        growth, decay = np.exp(half), np.exp(-half)
        sinh, cosh = (growth - decay) * (weight / 2), (growth + decay) * (weight / 2)
        slope = q * first
        bend = q * second + slope * slope
        cross = cosh * slope
        same = 0.5 * sinh * (1 + bend)
        return Edge(
            value=2 * sinh,
            a=sinh * slope - cosh,
            b=sinh * slope + cosh,
            aa=same - cross,
            ab=0.5 * sinh * (bend - 1),
            bb=same + cross,
        )
