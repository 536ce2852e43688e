r"""The problem that every strategy solves.

Choose K + 1 knots with :math:`t_0` in the box's t_max range and :math:`t_K` in its t_min range so that

.. math::
    F = J(\lambda_0, \dots, \lambda_K) + \gamma \sum_i \max(0, d_{min} - (t_i - t_{i+1}))^2

is least. With N nodes and a finite terminal, K is N. With the clean terminal, K is N - 1 if the jump to the clean
sample has no cost. If the objective gives the jump a cost, K is N again: the last knot stands for the clean sample, and
the network is not called there. A run that begins part-way, at :math:`t_0 = s`, is the same problem with
:math:`t_{max} = s`. A boundary between two networks is one more constraint (:mod:`hso.search.windows`).

References:
    | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026), Eq. 4-5, 9-10
    | https://arxiv.org/abs/2511.11688
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives import GAMMA, KnotFunction, Objective, TabulatedSum, spacing_penalty
from hso.objectives.base import Range
from hso.rules import edm_lambdas
from hso.schedule import T_MIN
from hso.search.constraints import Box, Constraints
from hso.search.windows import CLOSEST, Boundary, Windows
from hso.solvers import DDIM, Solver


class Psi(NamedTuple):
    """The vector of the upper level: the exponent of Eq. 2 and the ends. If a strategy has no exponent, rho is None."""

    rho: float | None
    t_min: float
    t_max: float


class Found(NamedTuple):
    """What a strategy returns.

    Attributes:
        knots: The knots, shape (K + 1,).
        psi: Their ends, and the exponent if the strategy has one.
        evaluations: Number of evaluations.
        message: How the search ended.
        solver: The solver that the knots are for, if the strategy made one.
        told: Lambda that the network is told at the nodes, shape (N,), if that is not the nodes' own.
    """

    knots: Array
    psi: Psi
    evaluations: int
    message: str
    solver: Solver | None = None
    told: Array | None = None


@dataclass(frozen=True)
class Problem:
    """What a search gets: the function that it minimizes, the noise schedule, and the constraints of the knots.

    Attributes:
        function: The function to minimize.
        nodes: Number of nodes, N.
        terminal: "clean" or "t_min".
        constraints: Where the knots may lie, with all choices filled in.
        solver: The solver of the run.
        gamma: Weight of the spacing penalty.
    """

    function: KnotFunction
    nodes: int
    terminal: str
    constraints: Constraints
    solver: Solver = field(default_factory=DDIM)
    gamma: float = GAMMA

    @property
    def noise(self) -> NoiseSchedule:
        return self.function.noise

    @property
    def box(self) -> Box:
        """Where the ends may lie."""
        return self.constraints.box or Box()

    @property
    def d_min(self) -> float:
        """Least distance of neighbouring knots in t."""
        return self.constraints.d_min or 0.0

    @property
    def boundary(self) -> Boundary | None:
        """Where the model changes networks, if each network must have nodes."""
        given = self.constraints.boundary
        return given if given is None or isinstance(given, Boundary) else Boundary(given)

    @property
    def intervals(self) -> int:
        """K, the number of edges."""
        return self.nodes if self.terminal == T_MIN or self.function.costs_jump else self.nodes - 1

    @property
    def widest(self) -> Range:
        """The widest range the box allows, as (t_min, t_max)."""
        return self.box.t_min[0], self.box.t_max[1]

    @property
    def windows(self) -> Windows:
        """Where each knot may lie; the box and the boundary decide it."""
        low, high = self.widest
        lows, highs = np.full(self.intervals + 1, low), np.full(self.intervals + 1, high)
        lows[0], highs[-1] = self.box.t_max[0], self.box.t_min[1]
        return self.sides(lows, highs)

    def sides(self, lows: Array, highs: Array) -> Windows:
        """Windows with these ends. With a boundary, the first nodes must stay above it, and the last nodes below it."""
        lows, highs = lows.copy(), highs.copy()
        if self.boundary is not None:
            first, second = slice(self.boundary.nodes), slice(self.nodes - self.boundary.nodes, self.nodes)
            lows[first] = np.maximum(lows[first], self.boundary.t)
            highs[second] = np.minimum(highs[second], self.boundary.below(self.noise))
        return Windows(lows, highs)

    @property
    def is_feasible(self) -> bool:
        """Whether any schedule in the windows keeps the distance."""
        return self.windows.keep(self.d_min)

    def objection(self) -> str:
        """A possible boundary, in words, if this one is impossible; empty if it is possible."""
        nodes = self.boundary.nodes if self.boundary else 0
        if nodes == 0:
            return ""
        if 2 * nodes > self.nodes:
            return f"at most {self.nodes // 2} nodes on each side, for {self.nodes} nodes in all"
        if not self.windows.keep(CLOSEST):
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
        return self.function.value(knots) + self.gamma * self.penalty(knots)

    def function_everywhere(self, strategy: str) -> KnotFunction:
        """The function, for a strategy that needs its value at any knots.

        Raises:
            ArgumentError: If the function has values at the points of a table only.
        """
        if not isinstance(self.function, TabulatedSum):
            return self.function
        expected = f"one with a value at any knots for strategy {strategy}"
        raise ArgumentError("objective", expected, type(self.function).__name__, "strategy exact needs a table only")


class Strategy(ABC):
    """How to solve a problem: frozen settings and a search.

    Attributes:
        name: Its name in ``--strategy`` and :func:`hso.optimize`.
        uses_box: Whether it uses the box. If not, ``optimize`` refuses a box with this strategy.
        uses_rho: Whether it uses the box's range of the exponent.
        keeps_boundary: Whether it keeps a boundary between two networks. If not, ``optimize`` refuses a boundary.
    """

    name: str
    uses_box: bool = True
    uses_rho: bool = False
    keeps_boundary: bool = False

    def terminal(self, solver: Solver) -> str:
        """Where a run with this solver lands by default."""
        return solver.terminal

    def distance(self, objective: Objective, nodes: int) -> float:
        """The default least distance of knots in t, for a run over the whole range."""
        return objective.distance(nodes)

    @abstractmethod
    def search(self, problem: Problem, seed: int) -> Found:
        """Solve the problem. The same seed gives the same knots and the same number of evaluations."""
