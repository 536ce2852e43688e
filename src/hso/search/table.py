r"""The optimum among the points of a table, for objectives that are known at these points only.

A window may contain no point, for example in a run that begins part-way. Such a window gets the nearest point for the
search. In the result the knot is moved back into its window.
"""

from __future__ import annotations

import numpy as np

from hso.errors import ArgumentError
from hso.noise.base import Array
from hso.objectives import TabulatedSum
from hso.search.paths import Paths
from hso.search.problem import Problem
from hso.search.windows import ROUNDING, Windows


class Table(Paths):
    """The optimum among the points of a table.

    Args:
        problem: The problem.
        function: Its function.
    """

    def __init__(self, problem: Problem, function: TabulatedSum) -> None:
        super().__init__(problem)
        self.function = function
        self.times = problem.noise.time(function.points)

    def solve(self) -> Array:
        asked, self.windows = self.windows, self._with_points()
        self.message = "optimal among the points of the table"
        best = self._best()
        if best is None and self.least_gap > 0:
            self.give_up_spacing()
            best = self._best()
        if best is None:
            count = len(self.times)
            expected = f"fewer nodes than the table's {count} points, as many as lie in the windows"
            raise ArgumentError("nfe", expected, self.problem.nodes, "give the teacher more points")
        return np.clip(best, asked.low, asked.high)

    def _best(self) -> Array | None:
        gaps = self.times[None, :] - self.times[:, None]
        costs = np.where(gaps >= self.least_gap - ROUNDING, self.function.costs.T, np.inf) + self.shortfalls(gaps)
        self.evaluations += int(np.isfinite(costs).sum())
        return self.best_on(self.times, costs, growth=self.function.gamma)

    def _with_points(self) -> Windows:
        """The windows; a window without a point is replaced by the point nearest to its middle."""
        low, high = self.windows.low.copy(), self.windows.high.copy()
        starts, stops = self.windows.ranges(self.times)
        for knot in np.flatnonzero(starts >= stops):
            middle = (low[knot] + high[knot]) / 2
            nearest = self.times[np.argmin(np.abs(self.times - middle))]
            low[knot] = high[knot] = nearest
        return Windows(low, high)
