r"""The optimum by shortest path, with spacing as a hard constraint.

If the objective is a sum of edge costs, the best knots on a grid of times are a shortest path with K edges. An edge
shorter than d_min is forbidden, and knot k may be at every point of its window (:mod:`hso.search.windows`). Dynamic
programming finds the global optimum.

- ``grid="training"``: the grid is the training timesteps (:mod:`hso.search.training_grid`).
- ``grid="continuous"``: the search starts on a grid and then allows any time (:mod:`hso.search.continuous`).

If an objective is known on a table only, the points of the table are the grid (:mod:`hso.search.table`).

References:
    | On the Routing Problem (Bellman, 1958)
    | https://doi.org/10.1090/qam/102435
"""

from __future__ import annotations

from dataclasses import dataclass

from hso.errors import ArgumentError, check_choice
from hso.objectives import EdgeSum, TabulatedSum
from hso.search.continuous import Continuous
from hso.search.paths import Paths
from hso.search.problem import Found, Problem, Psi, Strategy
from hso.search.table import Table
from hso.search.training_grid import TrainingGrid

CONTINUOUS, TRAINING = "continuous", "training"


@dataclass(frozen=True)
class Exact(Strategy):
    """Shortest path over times.

    Attributes:
        grid: "continuous", or "training" for the optimum among distinct integer timesteps.
    """

    name = "exact"
    keeps_boundary = True
    grid: str = CONTINUOUS

    def __post_init__(self) -> None:
        check_choice("grid", self.grid, (CONTINUOUS, TRAINING))

    def search(self, problem: Problem, seed: int) -> Found:
        search = self._paths(problem)
        times = search.solve()
        knots = problem.noise.lambda_(times)
        return Found(knots, Psi(None, float(times[-1]), float(times[0])), search.evaluations, search.message)

    def _paths(self, problem: Problem) -> Paths:
        function, kind = problem.function, type(problem.function).__name__
        if isinstance(function, TabulatedSum):
            if self.grid == TRAINING:
                raise ArgumentError("grid", f"continuous for {kind}, which is known on a table only", self.grid)
            return Table(problem, function)
        if not isinstance(function, EdgeSum):
            expected = f"one with an edge cost for strategy {self.name}"
            raise ArgumentError("objective", expected, kind, "use bilevel, published or local")
        return TrainingGrid(problem, function) if self.grid == TRAINING else Continuous(problem, function)
