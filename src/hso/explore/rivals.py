"""The schedules that the page compares with: the host's default, published tables, a rule, and the published search.

A table of numbers was made for one noise schedule, and it is shown for models that have the same one. What does not apply
is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import NamedTuple

from hso.errors import ArgumentError, HSOError
from hso.noise import NoiseSchedule, presets
from hso.objectives import MEP
from hso.objectives.error_proxy import FREE
from hso.optimize import optimize
from hso.rules import TABLES, Span, rule_schedule
from hso.schedule import SamplingSchedule
from hso.search import Box, Constraints
from hso.solvers import Solver


class Question(NamedTuple):
    """What a rival gives a schedule for.

    Attributes:
        noise: The noise schedule.
        nodes: Number of nodes.
        start: Time of the first node, for a run that begins part-way.
    """

    noise: NoiseSchedule
    nodes: int
    start: float | None


class Rival(NamedTuple):
    """A schedule to compare with, or the reason why there is none.

    Attributes:
        name: Its name in links.
        title: What the page calls it.
        schedule: The schedule; None if it does not apply.
        reason: Why it does not apply; empty if it does.
    """

    name: str
    title: str
    schedule: SamplingSchedule | None
    reason: str


def rivals(noise: NoiseSchedule, nfe: int, solver: Solver, start: float | None = None) -> list[Rival]:
    """Every rival for a question, in the order of the page.

    Raises:
        ArgumentError: If the solver cannot make so many calls.

    Example:
        >>> from hso.solvers import DDIM
        >>> found = rivals(NoiseSchedule.preset("sd3"), 4, DDIM())
        >>> [rival.name for rival in found if rival.schedule]
        ['host_default', 'edm', 'hso_published']
    """
    question, found = Question(noise, solver.nodes(nfe), start), []
    for name, (title, make) in RIVALS.items():
        try:
            found.append(Rival(name, title, make(question), ""))
        except HSOError as error:
            found.append(Rival(name, title, None, str(error)))
    return found


def _host_default(question: Question) -> SamplingSchedule:
    rule = question.noise.traits.default_rule
    if rule is None:
        raise ArgumentError("host", "a model of which the pipeline is known", question.noise.name)
    return _fixed(rule, question)


def _table(name: str, question: Question) -> SamplingSchedule:
    table = TABLES[name]
    if question.noise.fingerprint != _fingerprint(table.title):
        raise ArgumentError("noise", f"the noise schedule of {table.title}", question.noise.name)
    return _fixed(name, question)


def _fixed(rule: str, question: Question) -> SamplingSchedule:
    if question.start is not None:
        raise ArgumentError("start", f"none for {rule}, which has a fixed first node", question.start)
    return rule_schedule(rule, question.noise, question.nodes)


def _edm(question: Question) -> SamplingSchedule:
    return rule_schedule("edm", question.noise, question.nodes, span=Span(t_max=question.start))


def _published(question: Question) -> SamplingSchedule:
    # Strategy "bilevel" finds what the published search finds, in milliseconds instead of a minute. DDIM has one node for
    # each call, and with these settings the solver decides nothing else.
    constraints = Constraints(box=Box(), start=question.start)
    goal = MEP(p=2.0, jump=FREE)
    return optimize(
        question.noise, question.nodes, solver="ddim", strategy="bilevel", objective=goal, constraints=constraints
    ).schedule


@cache
def _fingerprint(title: str) -> str:
    """The fingerprint of the preset with this title."""
    return next(NoiseSchedule.preset(name).fingerprint for name, one in presets().items() if one.title == title)


# A new rival is one function and one line here.
RIVALS: Mapping[str, tuple[str, Callable[[Question], SamplingSchedule]]] = {
    "host_default": ("Host's default", _host_default),
    **{
        name: (f"{name.partition('_')[0].upper()}, {table.title}", partial(_table, name))
        for name, table in TABLES.items()
    },
    "edm": ("EDM, rho 7", _edm),
    "hso_published": ("HSO as published", _published),
}
