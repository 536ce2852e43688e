r"""Strategy "learned": the knots and the coefficients of the solver, in turns.

It begins with what strategy "free" finds for the base solver. Then the offsets o of :mod:`hso.solvers.learned` are learned
for the knots, the knots are improved for the solver so learned, and so on. Offsets minimize

.. math::
    J(o) + c \, J_0 \sum_{kn} o_{kn}^2,

where :math:`J_0` is J of the base solver at its own knots. J contains the Frechet distance of each band beside the error of
paired images, so that offsets cannot lower the error by blur alone. The second term keeps the solver near the base: images
of a calibration are few, and the model of the student is linear. The derivatives of J are exact, so SciPy's L-BFGS-B needs
some hundred evaluations of a millisecond. This takes the place of the alternating least squares that the student's linear
form would also allow: J is no sum of squares.

References:
    | S4S: Solving for a Diffusion Model Solver (Frankel et al., 2025)
    | https://arxiv.org/abs/2502.17423
    | A Limited Memory Algorithm for Bound Constrained Optimization (Byrd et al., 1995)
    | https://doi.org/10.1137/0916069
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from hso.errors import ArgumentError, check_integer, check_real
from hso.noise.base import Array
from hso.objectives import SmoothFunction
from hso.objectives.base import COMPLEX_STEP
from hso.search.free import Free
from hso.search.problem import Found, Problem, Strategy
from hso.solvers import Solver, label_of
from hso.solvers.learned import Learned

# The turns end when one lowers J by less than this share.
ENOUGH = 0.01


@runtime_checkable
class Learnable(Protocol):
    """A function of knots that knows how it changes with the coefficients of the solver."""

    @property
    def solver(self) -> Solver:
        """The solver."""

    def with_solver(self, solver: Solver) -> SmoothFunction:
        """The same function for another solver."""

    def by_coefficients(self, knots: Array, moved: Solver) -> tuple[float, Array]:
        """J of one schedule, and its derivatives along P complex steps of coefficients."""


class Lesson(NamedTuple):
    """A solver that was learned, and the number of evaluations that it took."""

    solver: Learned
    evaluations: int


@dataclass(frozen=True)
class Learn(Strategy):
    """Knots and coefficients in turns.

    Attributes:
        caution: c, the weight of the offsets.
        turns: Limit of the turns.

    Raises:
        ArgumentError: If a setting is unusable.
    """

    caution: float = 0.03
    turns: int = 6

    name = "learned"
    keeps_boundary = True

    def __post_init__(self) -> None:
        check_real("caution", self.caution, 0.0, 1e6)
        check_integer("turns", self.turns, 1, 1000)

    def search(self, problem: Problem, seed: int) -> Found:
        function = problem.function
        if not isinstance(function, Learnable):
            cause = "pass calibration= (--calibration FILE)"
            raise ArgumentError("objective", "replay for strategy learned", type(function).__name__, cause)
        base, found = label_of(function.solver), Free().search(problem, seed)
        solver = nothing = as_learned(function.solver, function.solver.nfe(problem.nodes))
        before = value = float(problem.function.value(found.knots))
        knots, evaluations = found.knots, found.evaluations
        for _ in range(self.turns):
            solver, tried = taught(function, knots, solver, nothing, self.caution * before)
            there = replace(problem, function=function.with_solver(solver))
            moved = Free(changes=0).minima(there, knots[None], seed)
            knots, last, value = moved.knots[0], value, float(moved.values[0])
            evaluations += tried + moved.evaluations
            if value > (1 - ENOUGH) * last:
                break
        message = f"coefficients were learned: J is {value / before:.3g} times that of {base}"
        return found._replace(knots=knots, evaluations=evaluations, message=message, solver=solver)


def taught(function: Learnable, knots: Array, start: Learned, centre: Learned, weight: float) -> Lesson:
    """The offsets that minimize J plus ``weight`` times the square of their distance to a centre.

    Args:
        function: J, for any solver.
        knots: The knots.
        start: Where the search begins.
        centre: The offsets near which the result is to be. It has the same base.
        weight: How near.
    """
    from scipy.optimize import minimize

    base, middle = start.base, _row(centre)

    def judged(row: Array) -> tuple[float, Array]:
        steps = row + COMPLEX_STEP * 1j * np.eye(len(row))
        moved = Learned(base, rows(list(steps.T.reshape(len(row), -1, 1, 1, 1))))
        there: Any = function.with_solver(Learned(base, rows(row)))
        value, slopes = there.by_coefficients(knots, moved)
        away = row - middle
        return value + weight * away @ away, slopes + 2 * weight * away

    if not len(middle):
        return Lesson(start, 0)
    found = minimize(judged, _row(start), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return Lesson(Learned(base, rows(found.x)), int(found.nfev))


def as_learned(solver: Solver, calls: int) -> Learned:
    """A learned solver as it is, and a published one as a learned solver without offsets, for so many network calls."""
    if isinstance(solver, Learned):
        return solver
    return Learned(label_of(solver), rows(np.zeros(calls * (calls - 1) // 2)))


def _row(solver: Learned) -> Array:
    return np.concatenate([(), *solver.offsets])


def rows(offsets: Any) -> tuple[tuple[Any, ...], ...]:
    """Offsets in one row as the rows of a learned solver: the first has 1 number, the second 2, and so on."""
    count = int(np.sqrt(2 * len(offsets) + 0.25))
    return tuple(tuple(offsets[k * (k - 1) // 2 : k * (k + 1) // 2]) for k in range(1, count + 1))
