"""Shortest paths in the windows of a problem: the common part of all grids of strategy ``exact``."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from hso.noise.base import Array
from hso.objectives import EdgeSum
from hso.search.problem import Problem
from hso.search.shortest_path import shortest_path

Mask = NDArray[np.bool_]


class Paths(ABC):
    """A search among the paths of a grid; it counts the edge costs that it evaluates.

    Attributes:
        problem: The problem.
        windows: Where each knot may lie.
        least_gap: Least length of an edge in t.
        evaluations: Number of edge costs that were evaluated.
        message: How the search ended.
    """

    message: str

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.windows = problem.windows
        self.least_gap = problem.d_min
        self.evaluations = 0

    @abstractmethod
    def solve(self) -> Array:
        """Times of the best knots, decreasing, shape (K + 1,)."""

    def give_up_spacing(self) -> None:
        """Allow short edges from now on. They are no longer forbidden, but pay the penalty of Eq. 10."""
        self.message = "no schedule with these nodes on each side keeps d_min; this one has the best fitness of Eq. 9"
        self.least_gap = 0.0

    def shortfalls(self, gaps: Array) -> Array | float:
        """The penalty of short edges; 0 as long as they are forbidden."""
        if self.least_gap >= self.problem.d_min:
            return 0.0
        return np.asarray(self.problem.gamma * np.maximum(self.problem.d_min - gaps, 0.0) ** 2)

    def best_on(self, times: Array, costs: Array, stride: int = 1, growth: float = 1.0) -> Array | None:
        """The best path on a grid of decreasing times, with each knot in its window. None if there is no such path.

        Args:
            times: The grid, shape (G,).
            costs: ``costs[j, i]`` of the edge from i to j, shape (G, G), infinite where forbidden.
            stride: Every allowed edge goes at least this many points ahead.
            growth: The cost of the k-th edge, counted from 0, is multiplied by ``growth**k``.
        """
        starts, stops = self.windows.ranges(times)
        skipped = stride * np.arange(len(starts))
        starts, stops = np.maximum(starts, skipped), np.minimum(stops, len(times) - skipped[::-1])
        if np.any(starts >= stops):
            return None
        path = shortest_path(costs, starts, stops, growth)
        return times[path] if math.isfinite(costs[path[1:], path[:-1]].sum()) else None


class FunctionPaths(Paths):
    """A search among the paths of a grid. A function gives the edge costs.

    Args:
        problem: The problem.
        function: Its function.
    """

    def __init__(self, problem: Problem, function: EdgeSum) -> None:
        super().__init__(problem)
        self.function = function

    def edge_costs(self, before: Array, after: Array, allowed: Mask) -> Array:
        """Costs of the allowed edges between broadcast times; the others are infinite."""
        noise = self.problem.noise
        a, b = np.broadcast_arrays(noise.lambda_(before), noise.lambda_(after))
        costs = np.full(a.shape, np.inf)
        costs[allowed] = self.function.cost(a[allowed], b[allowed])
        self.evaluations += int(allowed.sum())
        return np.asarray(costs + self.shortfalls(before - after))
