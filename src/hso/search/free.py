"""Strategy "free": the best of many descents, for objectives that give a value and a gradient.

The starts are schedules that are known to be good somewhere: closed-form rules, published tables and the optimum of Eq.
8. They and random changes of them are judged together; the best that differ are descended from together
(:mod:`hso.search.descent`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from hso.errors import ArgumentError, HSOError, check_integer, check_real
from hso.noise.base import Array
from hso.objectives import MEP, KnotFunction, SmoothFunction
from hso.rules import RULES, Span, rule_schedule
from hso.schedule import CLEAN
from hso.search.descent import Sticks, descend
from hso.search.exact import Exact
from hso.search.problem import Found, Problem, Psi, Strategy
from hso.search.windows import CLOSEST
from hso.solvers import DDIM

# Two schedules whose times all differ by less are one.
SAME = 0.01


@runtime_checkable
class Resampled(Protocol):
    """A function that was measured on images, and knows its value without each group of them."""

    def left_out(self, knots: Array) -> Array:
        """J without each group of images, shape (groups, ...), of knots of shape (..., K)."""


class Minima(NamedTuple):
    """What a free search found.

    Attributes:
        knots: Local minima, the best first, shape (M, K).
        values: J of them, shape (M,).
        evaluations: Schedules that were judged.
    """

    knots: Array
    values: Array
    evaluations: int


@dataclass(frozen=True)
class Free(Strategy):
    """Descents from many starts.

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
        found = self.minima(problem, np.stack(list(known_schedules(problem))), seed)
        times = problem.noise.time(found.knots[0])
        psi = Psi(None, float(times[-1]), float(times[0]))
        return Found(found.knots[0], psi, found.evaluations, _message(problem.function, found.knots))

    def minima(self, problem: Problem, starts: Array, seed: int = 0) -> Minima:
        """The local minima that are found.

        Args:
            problem: What is asked.
            starts: Knots, shape (S, K); those outside of the windows are moved inside.
            seed: Seed of the random changes.

        Raises:
            ArgumentError: If the objective has no gradient, or no knots fit in the windows with the least distance.
        """
        function, distance = problem.function, max(problem.d_min, CLOSEST)
        if not isinstance(function, SmoothFunction):
            expected = f"one with a gradient for strategy {self.name}"
            raise ArgumentError("objective", expected, type(function).__name__, "use bilevel or exact")
        if not problem.windows.keep(distance):
            raise ArgumentError("d_min", "a distance that the windows have room for", distance)
        sticks = Sticks(problem.noise, problem.windows, distance)
        known = sticks.free(starts)
        normal = np.random.default_rng(seed).standard_normal((self.changes, *known.shape))
        tried = np.concatenate((known, (known + self.spread * normal).reshape(-1, known.shape[1])))
        chosen = _different(sticks.times(tried), function.value(sticks.knots(tried)), self.descents)
        found = descend(function, sticks, tried[chosen], self.iterations)
        apart = _different(sticks.times(found.free), found.values, self.descents)
        return Minima(sticks.knots(found.free[apart]), found.values[apart], len(tried) + found.evaluations)


def known_schedules(problem: Problem) -> Iterator[Array]:
    """Knots of the schedules that are known for a problem; what has none for it is left out."""
    count, start = problem.intervals + 1, problem.constraints.start
    span = None if start is None else Span(t_max=start)
    for rule in RULES:
        try:
            schedule = rule_schedule(rule, problem.noise, problem.nodes, problem.terminal, span)
        except HSOError:
            continue
        if len(schedule.knots) == count:
            yield schedule.knots
    objective = MEP()
    function = objective.on(problem.noise, DDIM(), CLEAN if count == problem.nodes else problem.terminal)
    try:
        yield Exact().search(replace(problem, function=function), 0).knots
    except HSOError:
        return


def _message(function: KnotFunction, minima: Array) -> str:
    """How many minima there are, and how many cannot be told from the best by the images that were measured."""
    found = f"the best of {len(minima)} local minima"
    if len(minima) == 1 or not isinstance(function, Resampled):
        return found
    values = function.left_out(minima)
    differences = values[:, 1:] - values[:, :1]
    # The jackknife's standard error of each difference over groups of images.
    errors = np.sqrt((len(values) - 1) * differences.var(axis=0))
    rivals = int((differences.mean(axis=0) < 2 * errors).sum())
    return (
        f"{found}; {rivals} of them cannot be told apart from it by the images of the calibration" if rivals else found
    )


def _different(times: Array, values: Array, count: int) -> list[int]:
    """Indices of the best schedules that are not near a better one, the best first."""
    chosen: list[int] = []
    for index in np.argsort(values).tolist():
        if len(chosen) == count:
            break
        if all(np.abs(times[index] - times[other]).max() > SAME for other in chosen):
            chosen.append(index)
    return chosen
