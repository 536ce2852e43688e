"""The schedules that a search by rollouts begins with.

The *safe* ones know nothing of the model: closed-form rules, tables that were published, and the default of
:func:`hso.optimize`. The others are the best that a calibration finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from hso.errors import HSOError
from hso.optimize import Request, optimize
from hso.rules import RULES, rule_schedule
from hso.schedule import SamplingSchedule
from hso.search import Free, Problem
from hso.search.free import known_schedules
from hso.search.windows import ROUNDING

HOST, OWN, CALIBRATED = "trailing", "hso", "calibrated"
# How many of a calibration's optima are candidates.
MINIMA = 2


class Candidate(NamedTuple):
    """A schedule with a name.

    Attributes:
        name: What it is called.
        schedule: The schedule.
        is_safe: Whether it knows nothing of the model.
        loss: Its true loss on the tuning images; NaN where it was given up after the first of them.
    """

    name: str
    schedule: SamplingSchedule
    is_safe: bool
    loss: float = float("nan")


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
            yield Candidate(rule, rule_schedule(rule, noise, nodes, request.terminal), True)
        except HSOError:
            # Tables serve some models and numbers of nodes only.
            if rules is not None:
                raise
    own = optimize(
        noise, request.nfe, solver=request.solver, constraints=request.constraints, terminal=request.terminal
    )
    yield Candidate(OWN, own.schedule, True)


def calibrated_candidates(request: Request) -> Iterator[Candidate]:
    """The optima of a request whose objective is a calibration's."""
    problem = request.problem()
    found = Free().minima(problem, np.stack(list(known_schedules(problem))), request.seed)
    for index, knots in enumerate(found.knots[:MINIMA]):
        name = CALIBRATED if index == 0 else f"{CALIBRATED} {index + 1}"
        yield Candidate(name, SamplingSchedule.from_knots(request.noise, knots, request.terminal), False)


def distinct(found: Iterable[Candidate], problem: Problem) -> list[Candidate]:
    """Those that keep what is asked of the knots, each schedule once."""
    kept: list[Candidate] = []
    for one in found:
        times = one.schedule.knot_times
        keeps = problem.windows.hold(times) and np.all(-np.diff(times) >= problem.d_min - 2 * ROUNDING)
        if keeps and all(one.schedule != other.schedule for other in kept):
            kept.append(one)
    return kept
