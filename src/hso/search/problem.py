r"""The problem that every strategy solves.

Choose K + 1 knots with :math:`t_0` in the box's t_max range and :math:`t_K` in its t_min range so that

.. math::
    F = J(\lambda_0, \dots, \lambda_K) + \gamma \sum_i \max(0, d_{min} - (t_i - t_{i+1}))^2

is least. K is N with a finite terminal and N - 1 with the clean one, since the jump to the clean sample has no edge cost.
The jump may be *costed*: the problem is then that of the terminal t_min, and its last knot, at which no network is asked,
stands for the clean sample.
A run that begins part-way, at :math:`t_0 = s`, is the same problem with :math:`t_{max} = s`; a boundary between two
networks is one more constraint (:mod:`hso.search.windows`).

References:
    | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026), Eq. 4-5, 9-10
    | https://arxiv.org/abs/2511.11688
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError, check_real
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives import GAMMA, AdditiveObjective, Objective, spacing_penalty
from hso.rules import edm_lambdas
from hso.schedule import T_MIN
from hso.search.windows import LEAST_GAP, Boundary, Windows

Range = tuple[float, float]
FREE, COSTED = "free", "costed"
JUMPS = (FREE, COSTED)


@dataclass(frozen=True)
class Box:
    """The upper level's search box; the values given here are the authors' program's: the paper's appendix is not printed.

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

    def beginning_at(self, start: Any, noise: NoiseSchedule) -> Box:
        """This box for a run whose first node is at time ``start``.

        Raises:
            ArgumentError: If ``start`` is not between the range of t_min and the noisiest time of the noise schedule, or
                this box has a range of t_max of its own.
        """
        if self.t_max != Box.t_max:
            raise ArgumentError("start", "none with a range of t_max, for it is one", start)
        whole = self.inside(noise)
        low, high = whole.t_min[1], noise.t_range[1]
        expected = (
            f"a time above {low:g}, where the range of t_min ends, and up to {high:g}, the noisiest of {noise.name}"
        )
        try:
            time = check_real("start", start, low, high)
        except ArgumentError:
            raise ArgumentError("start", expected, start) from None
        if time == low:
            raise ArgumentError("start", expected, start)
        return Box(self.rho, whole.t_min, (time, time))


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
        jump: Whether a jump to the clean sample is "free" or "costed".
        start_time: Time of the first node, where a run begins part-way; the box says the same.
        boundary: Where the model changes networks, if each is to have nodes.
    """

    objective: Objective
    nfe: int
    terminal: str
    box: Box
    d_min: float
    gamma: float = GAMMA
    jump: str = FREE
    start_time: float | None = None
    boundary: Boundary | None = None

    @property
    def noise(self) -> NoiseSchedule:
        return self.objective.noise

    @property
    def intervals(self) -> int:
        """K, the number of edges."""
        return self.nfe if self.terminal == T_MIN or self.jump == COSTED else self.nfe - 1

    @property
    def widest(self) -> Range:
        """The widest range the box allows, as (t_min, t_max)."""
        return self.box.t_min[0], self.box.t_max[1]

    @property
    def windows(self) -> Windows:
        """Where each knot may lie, by the box and the boundary."""
        low, high = self.widest
        lows, highs = np.full(self.intervals + 1, low), np.full(self.intervals + 1, high)
        lows[0], highs[-1] = self.box.t_max[0], self.box.t_min[1]
        if self.boundary is not None:
            first, second = slice(self.boundary.nodes), slice(self.nfe - self.boundary.nodes, self.nfe)
            lows[first] = np.maximum(lows[first], self.boundary.t)
            highs[second] = np.minimum(highs[second], self.boundary.below(self.noise))
        return Windows(lows, highs)

    @property
    def is_feasible(self) -> bool:
        """Whether any schedule in the windows keeps the distance."""
        return self.windows.keep(self.d_min)

    def objection(self) -> str:
        """What would have been a boundary that this problem can have, empty if it can have its own."""
        nodes = self.boundary.nodes if self.boundary else 0
        if nodes == 0:
            return ""
        if 2 * nodes > self.nfe:
            return f"at most {self.nfe // 2} nodes on each side, for nfe = {self.nfe}"
        if not self.windows.keep(LEAST_GAP):
            low, high = self.widest
            return f"a time between {low:.6g} and {high:.6g} with room for the nodes on either side"
        return ""

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
        keeps_boundary: Whether it gives each network its nodes; those that do not refuse a boundary.
    """

    name: str
    uses_box: bool = True
    keeps_boundary: bool = False

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
