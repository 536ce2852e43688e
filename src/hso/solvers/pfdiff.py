r"""PFDiff: DDIM that calls the network at every second knot only, at a state that the last noise predicts.

Knots are taken in pairs. From knot i the noise of the last call leads to the *springboard* at knot i + 1, the network is
called there, and its noise leads from knot i, not from the springboard, to knot i + 2. With :math:`z = x / \alpha` and
:math:`\tilde\sigma = \sigma / \alpha`,

.. math::
    z_{i+1} = z_i + (\tilde\sigma_{i+1} - \tilde\sigma_i) \, \epsilon_{i-1}, \qquad
    z_{i+2} = z_i + (\tilde\sigma_{i+2} - \tilde\sigma_i) \, \epsilon(z_{i+1}, \tilde\sigma_{i+1})

The first call is at knot 0, and its noise leads to knot 1. So the second equation is the midpoint rule, whose first stage
costs no call.

References:
    | PFDiff: Training-Free Acceleration of Diffusion Models Combining Past and Future Scores (Wang et al., 2025)
    | https://arxiv.org/abs/2408.08822
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hso.solvers.base import Combination, Level, Solver, StepPlan, data_weight
from hso.solvers.prediction import to_noise


@dataclass(frozen=True)
class PFDiff(Solver):
    r"""PFDiff-1 on DDIM (Wang et al., 2025).

    The network is called at nodes 0, 2, 4, ... only. Nodes 1, 3, 5, ... are levels from which a step starts. So N calls
    take 2 N - 1 nodes. With an even number of nodes the last node is called as well, at its own state, as in the authors'
    program. Measured order: 2.

    Example:
        >>> PFDiff().nfe(nodes=7), PFDiff().nodes(nfe=4)
        (4, 7)
    """

    name = "pfdiff"
    order = 2
    carries_outputs = True

    def nfe(self, nodes: int) -> int:
        """Number of network calls: half of the nodes, and one more."""
        return nodes // 2 + 1

    def nodes(self, nfe: int) -> int:
        """Number of nodes, 2 NFE - 1."""
        return 2 * nfe - 1

    def term(self, data: Any, x: Any, level: Level) -> Any:
        """The noise."""
        return to_noise(data, x, level.alpha, level.sigma)

    def steps(self, levels: Sequence[Level]) -> Iterable[StepPlan]:
        last = len(levels) - 1
        start = node = 0
        while node < last:
            end = node + 1
            call = end + 1 if end + 1 < last else end
            onward = Combination(1.0) if call == end else _step(levels[end], levels[call])
            yield StepPlan(node, _step(levels[start], levels[end]), onward)
            start, node = end, call


def _step(start: Level, end: Level) -> Combination:
    """DDIM's step with the last noise."""
    return Combination(end.alpha / start.alpha, (-end.alpha * start.sigma / start.alpha * data_weight(start, end),))
