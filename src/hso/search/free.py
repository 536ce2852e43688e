"""Strategy "free": the best of many descents, for objectives that give a value and a gradient.

The starts are schedules that are good for some models: closed-form rules, published tables and the optimum of Eq. 8.
The search evaluates these starts and random changes of them. It takes the best ones that differ from each other, and
descends from all of them at once (:mod:`hso.search.descent`).
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
from hso.schedule import CLEAN, T_MIN
from hso.search.descent import Sticks, descend
from hso.search.exact import Exact
from hso.search.problem import Found, Problem, Psi, Strategy
from hso.search.windows import CLOSEST
from hso.solvers import DDIM

# Two schedules count as the same if all their times differ by less than this.
SAME = 0.01


@runtime_checkable
class Resampled(Protocol):
    """A function that was measured on groups of images and can leave out each group."""

    def left_out(self, knots: Array) -> Array:
        """J without each group of images, shape (groups, ...), of knots of shape (..., K)."""


class Minima(NamedTuple):
    """What a free search found.

    Attributes:
        knots: Local minima, the best first, shape (M, K).
        values: J of the minima, shape (M,).
        evaluations: Number of schedules that were evaluated.
    """

    knots: Array
    values: Array
    evaluations: int


@dataclass(frozen=True)
class Free(Strategy):
    """Descents from many starts.

    Attributes:
        changes: Number of random changes of each start.
        spread: Standard deviation of a change of a free variable.
        descents: Number of descents.
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
        """Find local minima.

        Args:
            problem: The problem.
            starts: Knots, shape (S, K). Knots outside their windows are moved inside.
            seed: Seed of the random changes.

        Raises:
            ArgumentError: If the objective has no gradient, or no knots in the windows keep the least distance.
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
    """Knots of the known schedules. A rule or table that has no schedule for this problem is left out."""
    count, start = problem.intervals + 1, problem.constraints.start
    # If the jump has a cost, the last knot stands for the clean sample, and the problem is that of the terminal t_min.
    terminal = CLEAN if count == problem.nodes else T_MIN
    span = None if start is None else Span(t_max=start)
    for rule in RULES:
        try:
            schedule = rule_schedule(rule, problem.noise, problem.nodes, terminal, span)
        except HSOError:
            continue
        if len(schedule.knots) == count:
            yield schedule.knots
    objective = MEP()
    function = objective.on(problem.noise, DDIM(), terminal)
    try:
        yield Exact().search(replace(problem, function=function, terminal=terminal), 0).knots
    except HSOError:
        return


def _message(function: KnotFunction, minima: Array) -> str:
    """How many minima there are, and how many of them the measured images cannot distinguish from the best."""
    found = f"the best of {len(minima)} local minima"
    if len(minima) == 1 or not isinstance(function, Resampled):
        return found
    values = function.left_out(minima)
    if len(values) < 2:
        # A calibration may come without the groups of images, which make its file large.
        return found
    differences = values[:, 1:] - values[:, :1]
    # The jackknife gives the standard error of each difference over groups of images.
    errors = np.sqrt((len(values) - 1) * differences.var(axis=0))
    rivals = int((differences.mean(axis=0) < 2 * errors).sum())
    return (
        f"{found}; {rivals} of them cannot be told apart from it by the images of the calibration" if rivals else found
    )


def _different(times: Array, values: Array, count: int) -> list[int]:
    """Indices of the best schedules, the best first. A schedule near a better one is left out."""
    chosen: list[int] = []
    for index in np.argsort(values).tolist():
        if len(chosen) == count:
            break
        if all(np.abs(times[index] - times[other]).max() > SAME for other in chosen):
            chosen.append(index)
    return chosen
