r"""Euler's method in :math:`\tilde\sigma = \sigma / \alpha`.

.. math::
    z' = z + (\tilde\sigma' - \tilde\sigma) \frac{z - D}{\tilde\sigma}, \qquad z = x / \alpha

It has the same coefficients as DDIM with :math:`\eta = 0`. k-diffusion and flow models know it by this name.

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Algorithm 1
    | https://arxiv.org/abs/2206.00364
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hso.solvers.base import Level, Solver, StepPlan, first_order


@dataclass(frozen=True)
class Euler(Solver):
    """Euler's method, as diffusers' EulerDiscreteScheduler and FlowMatchEulerDiscreteScheduler. Measured order: 1."""

    name = "euler"
    order = 1

    def steps(self, levels: Sequence[Level]) -> Iterable[StepPlan]:
        for index in range(len(levels) - 1):
            yield StepPlan(index, None, first_order(levels[index], levels[index + 1]))
