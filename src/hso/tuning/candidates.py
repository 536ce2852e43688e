"""The schedules that a search by rollouts begins with, each with its solver.

The *safe* ones know nothing of the model: closed-form rules, tables that were published, and the default of
:func:`hso.optimize`. The others are the best that a calibration finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from hso.errors import HSOError
from hso.models.recording import Trial
from hso.noise.base import Array
from hso.optimize import Request, optimize
from hso.rules import RULES, rule_schedule
from hso.schedule import SamplingSchedule
from hso.search import Free, Learn, Problem
from hso.search.free import known_schedules
from hso.search.windows import ROUNDING
from hso.solvers import Solver, label_of

HOST, OWN, CALIBRATED, LEARNED = "trailing", "hso", "calibrated", "learned"
# How many of a calibration's optima are candidates.
MINIMA = 2
# How many solvers of several are run.
FINALISTS = 3


class Candidate(NamedTuple):
    """A schedule with a name.

    Attributes:
        name: What it is called.
        trial: The solver and the schedule.
        is_safe: Whether it knows nothing of the model.
        loss: Its true loss on the tuning images; NaN where it was given up after the first of them.
    """

    name: str
    trial: Trial
    is_safe: bool
    loss: float = float("nan")

    @property
    def schedule(self) -> SamplingSchedule:
        """The schedule."""
        return self.trial.schedule


def safe_candidates(request: Request, rules: Sequence[str] | None) -> Iterator[Candidate]:
    """The safe ones: the host's default, rules, and the default of :func:`hso.optimize`.

    Args:
        request: What is asked.
        rules: Rules besides the host's default; None for all that have a schedule.

    Raises:
        ArgumentError: If a rule that is named has no schedule for this noise schedule and number of nodes.
    """
    noise, nodes = request.noise, request.solver.nodes(request.nfe)
    for rule in dict.fromkeys((HOST, *(RULES if rules is None else rules))):
        try:
            yield Candidate(rule, Trial(request.solver, rule_schedule(rule, noise, nodes, request.terminal)), True)
        except HSOError:
            # Tables serve some models and numbers of nodes only.
            if rules is not None:
                raise
    own = optimize(
        noise, request.nfe, solver=request.solver, constraints=request.constraints, terminal=request.terminal
    )
    yield Candidate(OWN, Trial(request.solver, own.schedule), True)


def calibrated_candidates(requests: Sequence[Request], learn: Learn | None) -> Iterator[Candidate]:
    """The optima of requests whose objective is a calibration's, for the best few of their solvers.

    Args:
        requests: The same request for each solver.
        learn: How coefficients are learned, if they are.
    """
    found = []
    for request in requests:
        problem = request.problem()
        minima = Free().minima(problem, np.stack(list(known_schedules(problem))), request.seed)
        found.append((float(minima.values[0]), request, problem, minima.knots[:MINIMA]))
    for _, request, problem, several in sorted(found, key=lambda one: one[0])[:FINALISTS]:
        made = _made(request, problem, several, learn)
        yield from (
            one._replace(name=f"{one.name}, {label_of(request.solver)}") if len(found) > 1 else one for one in made
        )


def _made(request: Request, problem: Problem, knots: Array, learn: Learn | None) -> Iterator[Candidate]:
    """The candidates of one solver."""
    for index, row in enumerate(knots):
        name = CALIBRATED if index == 0 else f"{CALIBRATED} {index + 1}"
        yield Candidate(name, _trial(request, request.solver, row), False)
    if learn is not None:
        found = learn.search(problem, request.seed)
        yield Candidate(LEARNED, _trial(request, found.solver or request.solver, found.knots), False)


def _trial(request: Request, solver: Solver, knots: Array) -> Trial:
    return Trial(solver, SamplingSchedule.from_knots(request.noise, knots, request.terminal))


def distinct(found: Iterable[Candidate], problem: Callable[[Solver], Problem]) -> list[Candidate]:
    """Those that keep what is asked of the knots, each solver and schedule once."""
    kept: list[Candidate] = []
    for one in found:
        times, asked = one.schedule.knot_times, problem(one.trial.solver)
        keeps = asked.windows.hold(times) and np.all(-np.diff(times) >= asked.d_min - 2 * ROUNDING)
        if keeps and all(one.trial != other.trial for other in kept):
            kept.append(one)
    return kept
