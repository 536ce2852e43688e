r"""DPM-Solver++(2S), singlestep: two network calls for each step.

A step of order 1 goes from node i to an intermediate state at node i + 1. The outputs at both nodes then give the state
at node i + 2. With :math:`h = \lambda_{i+2} - \lambda_i` and :math:`r = (\lambda_{i+1} - \lambda_i) / h`,

.. math::
    x_{i+2} = \frac{\sigma_{i+2}}{\sigma_i} x_i
    + \alpha_{i+2} (1 - e^{-h}) \left( D_i + \frac{D_{i+1} - D_i}{2 r} \right)

The intermediate point is the schedule's own node, so r need not be 1/2.

References:
    | DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models (Lu et al., 2022), Algorithm 1
    | https://arxiv.org/abs/2211.01095
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hso.solvers.base import HOLD, Combination, Level, Solver, StepPlan, data_weight, first_order
from hso.solvers.exponential import half_slope_weights


@dataclass(frozen=True)
class DPMSolverPP2S(Solver):
    r"""Singlestep DPM-Solver++ of order 2, as diffusers' DPMSolverSinglestepScheduler with its default settings.

    Nodes 0, 2, 4, ... start a step and nodes 1, 3, 5, ... are the intermediate points. If the number of nodes is odd,
    the last step has order 1. A two-stage step has no limit at the clean sample. If the number of nodes is even, a run
    to the clean sample therefore ends with two steps of order 1. Measured order: 2.

    Example:
        >>> from hso.noise import NoiseSchedule
        >>> from hso.schedule import SamplingSchedule
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> schedule = SamplingSchedule.from_timesteps(noise, [999, 799, 599, 399, 199])
        >>> [len(step.update.outputs) for step in DPMSolverPP2S().plan(noise, schedule)]
        [1, 2, 1, 2, 1]
    """

    name = "dpmpp_2s"
    order = 2

    def steps(self, levels: Sequence[Level]) -> Iterable[StepPlan]:
        for index in range(len(levels) - 1):
            end = levels[index + 1]
            if index % 2 == 1 and not end.is_clean:
                yield StepPlan(index, HOLD, _second_stage(levels[index - 1], levels[index], end))
            else:
                yield StepPlan(index, None, first_order(levels[index], end))


def _second_stage(start: Level, middle: Level, end: Level) -> Combination:
    at_start, at_middle = half_slope_weights(start, middle, end, data_weight(start, end))
    return Combination(end.sigma / start.sigma, (end.alpha * at_middle, end.alpha * at_start))
