r"""Heun's method in :math:`\tilde\sigma = \sigma / \alpha`.

The probability-flow ODE of :math:`z = x / \alpha` is :math:`dz / d\tilde\sigma = (z - D) / \tilde\sigma`. A step takes the
mean of the slopes at both of its ends. Euler's method predicts the state at the second end, and the second slope is
taken at this state. With :math:`q = \tilde\sigma' / \tilde\sigma = e^{-h}` the step is

.. math::
    x' = \frac{\sigma'}{\sigma} x + \alpha' \, \frac{1 - q}{2 q} \left( (2 q - 1) D + D' \right)

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Algorithm 1
    | https://arxiv.org/abs/2206.00364
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hso.errors import ArgumentError
from hso.solvers.base import HOLD, Combination, Level, Solver, StepPlan, first_order
from hso.solvers.elementary import exp, expm1


@dataclass(frozen=True)
class Heun(Solver):
    r"""Heun's method (Karras et al., 2022), as diffusers' HeunDiscreteScheduler.

    Steps start at nodes. The solver visits every node except the first twice: at the predicted state and at the final
    state. It does not call the network at the terminal, so the last step is a step of Euler's method. N nodes cost 2 N
    - 1 network calls. Measured order: 2.

    Example:
        >>> Heun().nfe(nodes=4), Heun().nodes(nfe=7)
        (7, 4)
    """

    name = "heun"
    order = 2

    def nfe(self, nodes: int) -> int:
        """Number of network calls, 2 N - 1."""
        return 2 * nodes - 1

    def nodes(self, nfe: int) -> int:
        """Number of nodes, (NFE + 1) / 2; the NFE must be odd."""
        if nfe % 2 == 0:
            expected = f"an odd number of network calls with heun, such as {nfe - 1} or {nfe + 1}"
            raise ArgumentError("nfe", expected, nfe, "N nodes cost 2 N - 1 calls")
        return (nfe + 1) // 2

    def steps(self, levels: Sequence[Level]) -> Iterable[StepPlan]:
        last = len(levels) - 2
        for index in range(last):
            start, end = levels[index], levels[index + 1]
            yield StepPlan(index, None, first_order(start, end))
            yield StepPlan(index + 1, HOLD, _second_stage(start, end))
        yield StepPlan(last, None, first_order(levels[last], levels[last + 1]))


def _second_stage(start: Level, end: Level) -> Combination:
    h = end.lambda_ - start.lambda_
    half = -0.5 * end.alpha * expm1(-h)
    return Combination(end.sigma / start.sigma, (half * exp(h), half * (2 - exp(h))))
