r"""DDIM.

.. math::
    x' = \alpha' D + \sqrt{\sigma'^2 - s^2} \, \frac{x - \alpha D}{\sigma} + s z, \qquad
    s = \eta \, \sigma' \sqrt{1 - e^{-2h}}, \quad h = \lambda' - \lambda

s is :math:`\eta` times the standard deviation of :math:`x'` given x and D, on any path. With :math:`\eta = 0` this is
Euler's method in :math:`\tilde\sigma`, and DPM-Solver++ of order 1; with :math:`\eta = 1` it is ancestral sampling.

References:
    | Denoising Diffusion Implicit Models (Song et al., 2021), Eq. 12 and 16
    | https://arxiv.org/abs/2010.02502
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hso.errors import check_real
from hso.solvers.base import Combination, Level, Solver, StepPlan, first_order
from hso.solvers.elementary import exp, expm1, log1p, sqrt


@dataclass(frozen=True)
class DDIM(Solver):
    r"""DDIM (Song et al., 2021). Measured order: 1.

    Attributes:
        eta: 0 is deterministic, 1 is ancestral sampling; between 0 and 1.

    Raises:
        ArgumentError: If ``eta`` is not in [0, 1].

    Example:
        >>> from hso.noise import NoiseSchedule
        >>> from hso.schedule import SamplingSchedule
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> plan = DDIM().plan(noise, SamplingSchedule.from_timesteps(noise, [999, 499]))
        >>> plan[-1].update  # lands on the clean sample: the data itself
        Combination(state=0.0, outputs=(1.0,), noise=0.0)
    """

    eta: float = 0.0

    name = "ddim"
    order = 1

    def __post_init__(self) -> None:
        check_real("eta", self.eta, 0.0, 1.0)

    def steps(self, levels: Sequence[Level]) -> Iterable[StepPlan]:
        for index in range(len(levels) - 1):
            yield StepPlan(index, None, self._update(levels[index], levels[index + 1]))

    def _update(self, start: Level, end: Level) -> Combination:
        if self.eta == 0 or end.is_clean:
            return first_order(start, end)
        h = end.lambda_ - start.lambda_
        # The part of the noise in x that remains. As a logarithm it keeps the weight of D accurate for small h.
        kept = 0.5 * log1p(self.eta**2 * expm1(-2 * h))
        return Combination(
            state=end.sigma / start.sigma * exp(kept),
            outputs=(-end.alpha * expm1(kept - h),),
            noise=self.eta * end.sigma * sqrt(-expm1(-2 * h)),
        )
