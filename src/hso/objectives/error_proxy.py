r"""The error proxy, which MEP and the bound of DM-NonUniform share, and its default settings.

Both weigh an interval by a proxy of the network's error, :math:`\tilde\epsilon = \sigma^p / \alpha`. The paper's settings
were fitted to Stable Diffusion, a guided latent model with a variance-preserving path. They are the defaults for such
models and for models of which nothing is known. For other models:

- **p** is 1 for pixel models, as in DM-NonUniform, and for models that are known not to be guided. It is 2 for all
  others.
- **The ends** are ranges of t, but the same t is another noise level on another path. If a path does not preserve
  variance, the last knot has the published range of Stable Diffusion as a noise level, in units of the data:

  .. math::
      \tilde\sigma_K \in [0.0936, 0.1673]\, \sigma_{data}

- **The jump** from the last node to the clean sample has no cost in Eq. 8. But a solver that carries outputs
  extrapolates across the jump, which makes large errors with guidance. For such a solver and a guided model, the jump
  costs as much as an interval that ends at t_min.

``docs/families.md`` has measurements of the gain of each default.

References:
    | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026)
    | https://arxiv.org/abs/2511.11688
    | Accelerating Diffusion Sampling with Optimized Time Steps (Xue et al., 2024), for p
    | https://arxiv.org/abs/2402.17376
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from hso.errors import ArgumentError, check_choice, check_real
from hso.noise import NoiseSchedule
from hso.objectives.base import Ends, KnotFunction, Objective
from hso.objectives.spacing import d_min
from hso.schedule import CLEAN
from hso.solvers import Solver

# The ranges of t_min and t_max in the authors' program; the paper's appendix does not print them.
PUBLISHED = Ends(t_min=(0.01, 0.03), t_max=(0.96, 1.0))
# The published range of t_min as sigma / alpha of Stable Diffusion.
LAST_SIGMAS = (0.0936, 0.1673)
FREE, COSTED = "free", "costed"
JUMPS = (FREE, COSTED)


@dataclass(frozen=True)
class ErrorProxy(Objective):
    """An objective that weighs intervals by the error proxy.

    Attributes:
        p: Exponent of the error proxy. None means 1 for pixel models and models without guidance, and 2 for others.
        jump: "free" if the jump to the clean sample has no cost, as published; "costed" if it costs as much as an
            interval that ends at t_min. None means "costed" for a guided model with a solver that carries outputs, and
            "free" otherwise.

    Raises:
        ArgumentError: If a setting is unusable.
    """

    p: float | None = None
    jump: str | None = None

    def __post_init__(self) -> None:
        if self.p is not None:
            object.__setattr__(self, "p", check_real("p", self.p, 0.0, 16.0))
        if self.jump is not None:
            check_choice("jump", self.jump, JUMPS)

    def exponent(self, noise: NoiseSchedule) -> float:
        """The exponent p for a model.

        Example:
            >>> from hso.objectives import MEP
            >>> sd, pixels = NoiseSchedule.preset("sd2.1"), NoiseSchedule.preset("ddpm-cifar10")
            >>> MEP().exponent(sd), MEP().exponent(pixels), MEP(p=3).exponent(sd)
            (2.0, 1.0, 3.0)
        """
        if self.p is not None:
            return self.p
        return 1.0 if noise.traits.space == "pixel" or noise.traits.is_guided is False else 2.0

    def costs_jump(self, noise: NoiseSchedule, solver: Solver, terminal: str) -> bool:
        """Whether the jump to the clean sample has a cost.

        Raises:
            ArgumentError: If ``jump`` is "costed" and the run does not end at the clean sample.

        Example:
            >>> from hso.objectives import MEP
            >>> from hso.solvers import DDIM, UniPC
            >>> sd = NoiseSchedule.preset("sd2.1")
            >>> MEP().costs_jump(sd, DDIM(), "clean"), MEP().costs_jump(sd, UniPC(), "clean")
            (False, True)
        """
        if self.jump is None:
            return terminal == CLEAN and solver.carries_outputs and bool(noise.traits.is_guided)
        if self.jump == COSTED and terminal != CLEAN:
            raise ArgumentError("jump", "free with a terminal that is not clean, where there is no jump", self.jump)
        return self.jump == COSTED

    def ends(self, noise: NoiseSchedule, start: float | None = None) -> Ends:
        """The published ranges, or the same noise levels on a path that does not preserve variance.

        Some noise schedules do not reach these levels, and some runs begin below them. They get the published ranges of
        t too.

        Example:
            >>> from hso.objectives import MEP
            >>> edm = NoiseSchedule.edm(sigma_data=0.5)
            >>> edm.sigmas(MEP().ends(edm).t_min).round(4).tolist()
            [0.0468, 0.0836]
        """
        if _preserves_variance(noise):
            return PUBLISHED
        levels = np.clip(np.array(LAST_SIGMAS) * noise.sigma_data, *noise.sigmas(noise.t_range))
        first, last = map(noise.time_of_sigma, levels.tolist())
        begin = PUBLISHED.t_max[0] if start is None else start
        return PUBLISHED._replace(t_min=(first, last)) if last < begin else PUBLISHED

    def distance(self, nodes: int) -> float:
        """The published rule for d_min."""
        return d_min(nodes)


def _preserves_variance(noise: NoiseSchedule) -> bool:
    return bool(np.isclose(np.exp(2 * noise.log_alpha(0.0)) + np.exp(2 * noise.log_sigma(0.0)), 1.0, rtol=0, atol=1e-9))


class ProxyFunction(KnotFunction):
    """A function of the knots that weighs them by the error proxy.

    Args:
        noise: The noise schedule.
        p: The exponent.
        costs_jump: See :class:`hso.objectives.KnotFunction`.
        jump: What was asked of the jump; None if the default decided.
    """

    def __init__(self, noise: NoiseSchedule, p: float = 2.0, costs_jump: bool = False, jump: str | None = None) -> None:
        self.noise, self.p, self.costs_jump, self.jump = noise, p, costs_jump, jump

    def with_jump(self, costs_jump: bool) -> ProxyFunction:
        """The same function with or without a cost of the jump."""
        other = copy.copy(self)
        other.costs_jump = costs_jump
        return other
