r"""DEIS, log-rho multistep.

In :math:`\rho = \sigma / \alpha = e^{-\lambda}` the exact solution is an integral of the noise. DEIS replaces the noise by
a polynomial in :math:`\log\rho = -\lambda` that passes through the last values of the noise. With
:math:`h = \lambda_{i+1} - \lambda_i`,

.. math::
    \frac{x_{i+1}}{\alpha_{i+1}} = \frac{x_i}{\alpha_i} + \sum_n C_n \epsilon_n, \qquad
    C_n = \int_{\rho_i}^{\rho_{i+1}} \ell_n(\log\rho) \, d\rho
    = -\rho_i h \int_0^1 e^{-u h} \ell_n(u) \, du

The terms :math:`\epsilon_n = (x_n - \alpha_n D_n) / \sigma_n` are linear in the states and the data.

References:
    | Fast Sampling of Diffusion Models with Exponential Integrator (Zhang and Chen, 2023)
    | https://arxiv.org/abs/2204.13902
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hso.errors import check_flag, check_integer
from hso.solvers.base import Combination, Level, Solver, StepPlan, data_weight
from hso.solvers.exponential import falling_moments, interpolation_weights
from hso.solvers.orders import lowered_at_short_end, lowered_at_start
from hso.solvers.prediction import to_noise


@dataclass(frozen=True)
class DEIS(Solver):
    r"""DEIS in log-rho (Zhang and Chen, 2023), as diffusers' DEISMultistepScheduler.

    The first two steps have order 1 and 2, because there are not enough outputs yet. With fewer than 15 nodes the last
    step has order 1 and the step before it has at most order 2 (``lower_order_final``). diffusers always ends at a
    finite noise level. Here a run may also end at the clean sample, which it reaches by a step of order 1.

    Measured: a step in the middle has a local error of order p + 1. A whole run has order 1 if p = 1, and at most order
    2 otherwise, because its first step has order 1.

    Attributes:
        order: 1, 2 or 3.
        lower_order_final: Whether the last steps have a lower order, as in diffusers. A step to the clean sample has
            order 1 in any case.

    Raises:
        ArgumentError: If the order is not one of these.

    Example:
        >>> from hso.noise import NoiseSchedule
        >>> from hso.schedule import SamplingSchedule
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> schedule = SamplingSchedule.from_timesteps(noise, [999, 749, 499, 249])
        >>> [len(step.update.outputs) for step in DEIS().plan(noise, schedule)]
        [1, 2, 2, 1]
    """

    order: int = 2
    lower_order_final: bool = True

    name = "deis"
    carries_outputs = True

    def __post_init__(self) -> None:
        check_integer("order", self.order, 1, 3)
        check_flag("lower_order_final", self.lower_order_final)

    def term(self, data: Any, x: Any, level: Level) -> Any:
        """The noise."""
        return to_noise(data, x, level.alpha, level.sigma)

    def steps(self, levels: Sequence[Level]) -> Iterable[StepPlan]:
        rule = lowered_at_short_end if self.lower_order_final else lowered_at_start
        for index, order in enumerate(rule(self.order, levels)):
            yield StepPlan(index, None, _update(levels, index, order))


def _update(levels: Sequence[Level], index: int, order: int) -> Combination:
    start, end = levels[index], levels[index + 1]
    scale = -end.alpha * start.sigma / start.alpha
    if order == 1:
        return Combination(end.alpha / start.alpha, (scale * data_weight(start, end),))
    h = end.lambda_ - start.lambda_
    points = [levels[index - k] for k in range(order)]
    weights = interpolation_weights(start, end, points, falling_moments(h, order))
    return Combination(end.alpha / start.alpha, tuple(scale * h * weight for weight in weights))
