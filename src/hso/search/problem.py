r"""The problem that every strategy solves.

Choose K + 1 knots with :math:`t_0` in the box's t_max range and :math:`t_K` in its t_min range so that

.. math::
    F = J(\lambda_0, \dots, \lambda_K) + \gamma \sum_i \max(0, d_{min} - (t_i - t_{i+1}))^2

is least. K is N with a finite terminal and N - 1 with the clean one, since the jump to the clean sample has no edge cost.

References:
    | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026), Eq. 4-5, 9-10
    | https://arxiv.org/abs/2511.11688
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

from hso.errors import ArgumentError, check_real
from hso.noise.base import Array, NoiseSchedule
from hso.objectives import GAMMA, AdditiveObjective, Objective, spacing_penalty
from hso.rules import edm_lambdas
from hso.schedule import T_MIN

# Times that miss a distance by less than this meet it: the rounding of t itself.
ROUNDING = 1e-12
Range = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """The upper level's search box; the defaults are the authors' program's, since the paper's appendix is not printed.

    Attributes:
        rho: Range of the exponent of Eq. 2.
        t_min: Range of the last knot's time.
        t_max: Range of the first node's time.

    Raises:
        ArgumentError: If a range is reversed or does not lie in (0, 1], or t_min's reaches up to t_max's.
    """

    rho: Range = (3.0, 16.0)
    t_min: Range = (0.01, 0.03)
    t_max: Range = (0.96, 1.0)

    def __post_init__(self) -> None:
        for name, low, high in (("rho", 0.1, 1000.0), ("t_min", 0.0, 1.0), ("t_max", 0.0, 1.0)):
            object.__setattr__(self, name, _check_range(name, getattr(self, name), low, high))
        if self.t_min[1] >= self.t_max[0]:
            raise ArgumentError("t_min", f"a range below that of t_max, {self.t_max}", self.t_min)

    def inside(self, noise: NoiseSchedule) -> Box:
        """The part of this box in which the noise schedule has nodes.

        Raises:
            ArgumentError: If there is none.
        """
        low, high = noise.t_range
        for name, (start, end) in (("t_min", self.t_min), ("t_max", self.t_max)):
            if end < low or start > high:
                expected = f"a range that meets [{low:g}, {high:g}], where {noise.name} has nodes"
                raise ArgumentError(name, expected, (start, end))
        t_min = (max(self.t_min[0], low), max(self.t_min[1], low))
        t_max = (min(self.t_max[0], high), min(self.t_max[1], high))
        return Box(self.rho, t_min, t_max)


class Psi(NamedTuple):
    """The upper level's vector: exponent of Eq. 2 and the ends. Strategies without an exponent leave it None."""

    rho: float | None
    t_min: float
    t_max: float


class Found(NamedTuple):
    """What a strategy returns: knots, shape (K + 1,), where they came from, what it took, and how it ended."""

    knots: Array
    psi: Psi
    evaluations: int
    message: str


@dataclass(frozen=True)
class Problem:
    """A noise schedule, an objective, and what is asked of the knots.

    Attributes:
        objective: What is to be small; it carries the noise schedule.
        nfe: Number of nodes.
        terminal: "clean" or "t_min".
        box: Where the ends may lie.
        d_min: Least distance of neighbouring knots in t.
        gamma: Weight of the spacing penalty.
    """

    objective: Objective
    nfe: int
    terminal: str
    box: Box
    d_min: float
    gamma: float = GAMMA

    @property
    def noise(self) -> NoiseSchedule:
        return self.objective.noise

    @property
    def intervals(self) -> int:
        """K, the number of edges."""
        return self.nfe if self.terminal == T_MIN else self.nfe - 1

    @property
    def widest(self) -> Range:
        """The widest range the box allows, as (t_min, t_max)."""
        return self.box.t_min[0], self.box.t_max[1]

    @property
    def is_feasible(self) -> bool:
        """Whether any schedule in the box keeps the distance."""
        low, high = self.widest
        return self.intervals * self.d_min <= high - low + ROUNDING

    def start(self, rho: Any, t_min: Any, t_max: Any) -> Array:
        r""":math:`\Lambda(\psi)`, Eq. 2, shape (..., K + 1)."""
        ends = self.noise.lambda_(t_max), self.noise.lambda_(t_min)
        return edm_lambdas(*ends, rho, self.intervals + 1)

    def penalty(self, knots: Array) -> Array:
        """L_penalty, Eq. 10, shape (...,)."""
        return spacing_penalty(self.noise.time(knots), self.d_min)

    def fitness(self, knots: Array) -> Array:
        """F_SPF, Eq. 9, shape (...,)."""
        return self.objective.value(knots) + self.gamma * self.penalty(knots)

    def additive_objective(self, strategy: str) -> AdditiveObjective:
        """The objective, for strategies that need a sum of edge costs.

        Raises:
            ArgumentError: If it is not one.
        """
        if isinstance(self.objective, AdditiveObjective):
            return self.objective
        expected = f"an objective that is a sum over intervals for strategy {strategy}"
        raise ArgumentError("objective", expected, type(self.objective).__name__, "use bilevel, published or local")


class Strategy(ABC):
    """How a problem is solved: frozen settings and a search.

    Attributes:
        name: What ``--strategy`` and :func:`hso.optimize` call it.
        uses_box: Whether it looks at the box; those that do not refuse one.
    """

    name: str
    uses_box: bool = True

    @abstractmethod
    def search(self, problem: Problem, seed: int) -> Found:
        """Solve the problem. The same seed gives the same knots and the same count of evaluations."""


def _check_range(name: str, value: Any, low: float, high: float) -> Range:
    expected = f"two numbers low <= high in [{low:g}, {high:g}]"
    try:
        start, end = value
    except (TypeError, ValueError):
        raise ArgumentError(name, expected, value) from None
    start, end = check_real(name, start, low, high), check_real(name, end, low, high)
    if start > end or not math.isfinite(start + end):
        raise ArgumentError(name, expected, value, "reversed?")
    return start, end
