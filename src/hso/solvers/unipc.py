r"""UniPC: a predictor, and a corrector that costs no network call.

The predictor of order p replaces the data by the polynomial through its last p values; see
:mod:`hso.solvers.exponential`. The network is then called at the predicted state. The corrector repeats the step with
this new value as well, which raises the order of the step by one:

.. math::
    x_i^c = \frac{\sigma_i}{\sigma_{i-1}} x_{i-1}^c + \alpha_i h \sum_{n = i - p}^{i} w_n D_n

The paper has a function B(h), :math:`B_1 = h` or :math:`B_2 = e^h - 1`, with -h instead of h for data prediction. It
cancels, except where the paper sets a weight to 1/2: in the predictor of order 2 and in the corrector of order 1.

References:
    | UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models (Zhao et al., 2023)
    | https://arxiv.org/abs/2302.04867
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hso.errors import check_choice, check_flag, check_integer
from hso.solvers.base import Combination, Level, Solver, StepPlan, first_order
from hso.solvers.elementary import expm1
from hso.solvers.exponential import growing_moments, half_slope_weights, interpolation_weights
from hso.solvers.orders import lowered_at_both_ends, lowered_at_start


def _bh1(h: Any) -> Any:
    return h


def _bh2(h: Any) -> Any:
    return -expm1(-h)


VARIANTS: Mapping[str, Callable[[Any], Any]] = {"bh1": _bh1, "bh2": _bh2}


@dataclass(frozen=True)
class UniPC(Solver):
    r"""UniPC in data prediction (Zhao et al., 2023), as diffusers' UniPCMultistepScheduler.

    The order of step i is min(order, i + 1, N - i), also for a finite terminal. The last step therefore has order 1. It
    is not corrected, because the network is not called at the terminal.

    Measured: a step in the middle has a local error of order p + 1 before and p + 2 after the correction, as the paper
    proves. A whole run has order 2 for every p, because the first and the last step have order 1. Without the
    corrector, p = 1 has order 1.

    Attributes:
        order: 1, 2 or 3.
        variant: "bh2" or "bh1".
        corrector: Whether the state is corrected at every node but the first.
        lower_order_final: Whether the last steps have a lower order, as in diffusers. A step to the clean sample has
            order 1 in any case.

    Raises:
        ArgumentError: If the order or the variant is not one of these.

    Example:
        >>> from hso.noise import NoiseSchedule
        >>> from hso.schedule import SamplingSchedule
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> schedule = SamplingSchedule.from_timesteps(noise, [999, 799, 599, 399, 199])
        >>> [len(step.update.outputs) for step in UniPC().plan(noise, schedule)]
        [1, 2, 3, 2, 1]
    """

    order: int = 3
    variant: str = "bh2"
    corrector: bool = True
    lower_order_final: bool = True

    name = "unipc"
    carries_outputs = True

    def __post_init__(self) -> None:
        check_integer("order", self.order, 1, 3)
        check_choice("variant", self.variant, VARIANTS)
        check_flag("corrector", self.corrector)
        check_flag("lower_order_final", self.lower_order_final)

    def steps(self, levels: Sequence[Level]) -> Iterable[StepPlan]:
        rule = lowered_at_both_ends if self.lower_order_final else lowered_at_start
        orders = rule(self.order, levels)
        for index, order in enumerate(orders):
            corrects = self.corrector and index > 0
            anchor = self._correct(levels, index, orders[index - 1]) if corrects else None
            yield StepPlan(index, anchor, self._predict(levels, index, order))

    def _predict(self, levels: Sequence[Level], index: int, order: int) -> Combination:
        start, end = levels[index], levels[index + 1]
        if order == 1:
            return first_order(start, end)
        if order == 2:
            scale = VARIANTS[self.variant](end.lambda_ - start.lambda_)
            here, before = half_slope_weights(start, levels[index - 1], end, scale)
            return Combination(end.sigma / start.sigma, (end.alpha * here, end.alpha * before))
        return _interpolated(start, end, [levels[index - k] for k in range(order)])

    def _correct(self, levels: Sequence[Level], index: int, order: int) -> Combination:
        start, end = levels[index - 1], levels[index]
        if order == 1:
            scale = VARIANTS[self.variant](end.lambda_ - start.lambda_)
            there, here = half_slope_weights(start, end, end, scale)
            return Combination(end.sigma / start.sigma, (end.alpha * here, end.alpha * there))
        return _interpolated(start, end, [levels[index - k] for k in range(order + 1)])


def _interpolated(start: Level, end: Level, points: Sequence[Level]) -> Combination:
    h = end.lambda_ - start.lambda_
    weights = interpolation_weights(start, end, points, growing_moments(h, len(points)))
    return Combination(end.sigma / start.sigma, tuple(end.alpha * h * weight for weight in weights))
