"""Strategy "free": the best of many descents, for objectives that give a value and a gradient.

The starts are schedules that are known to be good somewhere, and random changes of them. All are judged together, and the
best that differ are descended from together (:mod:`hso.search.descent`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from hso.errors import ArgumentError, check_integer, check_real
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives import SmoothFunction
from hso.objectives.mep import MidpointSum
from hso.rules import RULES, Span, rule_schedule
from hso.search.descent import Differentiable, Sticks, descend
from hso.search.exact import Exact
from hso.search.problem import Found, Problem, Psi, Strategy
from hso.search.windows import CLOSEST, Windows

# Two schedules whose times are all nearer than this share of the range are one start.
SAME = 0.01


@runtime_checkable
class Resampled(Protocol):
    """A function that was measured on images, and knows its value without each group of them."""

    def left_out(self, knots: Array) -> Array:
        """J without each group of images, shape (groups, ...), of knots of shape (..., K)."""


class Minimum(NamedTuple):
    """What a free search found.

    Attributes:
        knots: The best, shape (K,).
        value: J there.
        others: Other local minima, shape (M, K), the better first.
        values: J of the others, shape (M,).
        evaluations: Schedules that were judged.
    """

    knots: Array
    value: float
    others: Array
    values: Array
    evaluations: int


@dataclass(frozen=True)
class Free(Strategy):
    """The best of many descents.

    Attributes:
        changes: Random changes of each start that are judged.
        spread: Standard deviation of a change of a free variable.
        descents: Starts that are descended from.
        iterations: Limit of the iterations of a descent.

    Raises:
        ArgumentError: If a setting is unusable.
    """

    changes: int = 30
    spread: float = 0.7
    descents: int = 6
    iterations: int = 120

    name = "free"
    keeps_boundary = True

    def __post_init__(self) -> None:
        check_integer("changes", self.changes, 0, 100_000)
        check_real("spread", self.spread, 0.0, 100.0)
        check_integer("descents", self.descents, 1, 10_000)
        check_integer("iterations", self.iterations, 1, 100_000)

    def search(self, problem: Problem, seed: int) -> Found:
        function = problem.function
        if not isinstance(function, SmoothFunction):
            received = type(function).__name__
            raise ArgumentError(
                "objective", f"one with a gradient for strategy {self.name}", received, "use exact or bilevel"
            )
        found = self.minimum(function, problem.noise, problem.windows, problem.d_min, starts(problem), seed)
        times = problem.noise.time(found.knots)
        psi = Psi(None, float(times[-1]), float(times[0]))
        return Found(found.knots, psi, found.evaluations, _message(function, found))

    def minimum(
        self,
        function: Differentiable,
        noise: NoiseSchedule,
        windows: Windows,
        distance: float,
        starts: Array,
        seed: int = 0,
    ) -> Minimum:
        """The least value that is found.

        Args:
            function: What is to be small.
            noise: The noise schedule.
            windows: Where each knot may lie, in t.
            distance: Least distance of knots in t.
            starts: Knots, shape (S, K); those outside of the windows are moved inside.
            seed: Seed of the random changes.

        Raises:
            ArgumentError: If no knots fit in the windows with this distance.
        """
        distance = max(distance, CLOSEST)
        if not windows.keep(distance):
            raise ArgumentError("d_min", "a distance that the windows have room for", distance)
        sticks = Sticks(noise, windows, distance)
        known = sticks.free(np.asarray(starts, dtype=np.float64))
        normal = np.random.default_rng(seed).standard_normal((self.changes, *known.shape))
        tried = np.concatenate((known, (known + self.spread * normal).reshape(-1, known.shape[1])))
        values = function.value(sticks.knots(tried))
        chosen = _different(sticks.times(tried), values, self.descents)
        found = descend(function, sticks, tried[chosen], self.iterations)
        order = np.argsort(found.values)
        knots, reached = sticks.knots(found.free[order]), found.values[order]
        apart = np.array(_different(sticks.times(found.free[order]), reached, len(reached))[1:], dtype=int)
        return Minimum(knots[0], float(reached[0]), knots[apart], reached[apart], len(tried) + found.evaluations)


def starts(problem: Problem) -> Array:
    """Knots of all rules and tables that serve the problem, and of the error proxy's optimum, shape (S, K + 1)."""
    found = [_with_error_proxy(problem)]
    for rule in RULES:
        span = None if problem.constraints.start is None else Span(t_max=problem.constraints.start)
        try:
            schedule = rule_schedule(rule, problem.noise, problem.nodes, problem.terminal, span)
        except ArgumentError:
            # A table for another model or another number of nodes; a rule that says itself where it begins.
            continue
        if len(schedule.knots) == problem.intervals + 1:
            found.append(schedule.knots)
    return np.stack(found)


def _with_error_proxy(problem: Problem) -> Array:
    """The optimum of MEP with p = 2 under the same constraints."""
    proxy = replace(problem, function=MidpointSum(problem.noise))
    return Exact().search(proxy, 0).knots


def _message(function: SmoothFunction, found: Minimum) -> str:
    """How the search ended, and whether another minimum is as good as far as the images tell."""
    rivals = sum(not _told_apart(function, found.knots, other) for other in found.others)
    if not isinstance(function, Resampled) or rivals == 0:
        return "best of several descents"
    return (
        f"best of several descents; {rivals} other minima cannot be told apart from it by the images of the calibration"
    )


def _told_apart(function: SmoothFunction, best: Array, other: Array) -> bool:
    """Whether the difference of two schedules is more than twice its jackknife error over groups of images."""
    if not isinstance(function, Resampled):
        return True
    values = function.left_out(np.stack((best, other)))
    differences = values[:, 1] - values[:, 0]
    count = len(differences)
    error = np.sqrt((count - 1) * differences.var())
    return bool(differences.mean() > 2 * error)


def _different(times: Array, values: Array, count: int) -> list[int]:
    """Indices of the best schedules that are not near a better one, the best first."""
    chosen: list[int] = []
    for index in np.argsort(values).tolist():
        if len(chosen) == count:
            break
        if all(np.abs(times[index] - times[other]).max() > SAME for other in chosen):
            chosen.append(index)
    return chosen
