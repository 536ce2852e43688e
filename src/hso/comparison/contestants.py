"""Every schedule that a comparison knows, behind one registry.

- rules and published tables of :mod:`hso.rules`, under their names;
- ``hso``: what :func:`hso.optimize` gives when it is asked for nothing but this model, solver and budget;
- ``hso_STRATEGY``: the same as published (p = 2); ``hso_exact_p1`` with the exponent of pixel models,
  ``hso_exact_t1`` with the first node at the noisiest end rather than at the box's 0.96, and ``..._jump`` with the jump to
  the clean sample costed;
- ``dm_nonuniform_t`` and ``dm_nonuniform_lambda``: DM-NonUniform as its authors set it for latent models (p = 2, start
  uniform in t) and for pixel models (p = 1, start uniform in lambda); ``dm_nonuniform_bilevel`` is its objective inside
  the bi-level search (configuration B of the paper's Table 7), with a population of 6 for each variable, 8 generations
  and 30 local iterations, since its lower level has no fast solution. It and ``hso_published`` take up to a minute;
- ``gits``, ``score_optimal``, ``klub``: computed from the subject's own network;
- a path that ends in ``.json``: the schedule that :meth:`hso.SamplingSchedule.save` wrote there, for cases with as many
  nodes and the same noise schedule and kind of terminal; it goes by the file's name.

All land on the clean sample unless asked otherwise, whatever the solver's own terminal is, so that only the nodes differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError, HSOError, check_choice
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.objectives import GITS, KLUB, MEP, DMNonUniform, Objective, ScoreOptimal
from hso.objectives.error_proxy import COSTED, FREE
from hso.optimize import optimize
from hso.rules import RULES, TABLES, rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.search import Bilevel, Box, Constraints, Local

# Objectives that are measured on the subject's own network.
PEERS: Mapping[str, Callable[[Teacher], Objective]] = {"gits": GITS, "score_optimal": ScoreOptimal, "klub": KLUB}
ALL, FILE = "all", ".json"
# Times that agree to this are the same schedule: a hundredth of a training timestep.
SAME = 1e-5
# What was fitted to Stable Diffusion and published, whatever the model.
FITTED = Constraints(box=Box())
PUBLISHED_MEP, PIXEL_MEP = MEP(p=2.0, jump=FREE), MEP(p=1.0, jump=FREE)
PUBLISHED_BOUND, PIXEL_BOUND = DMNonUniform(p=2.0, jump=FREE), DMNonUniform(p=1.0, jump=FREE)
REDUCED = Bilevel(population=6, generations=8, lower_iterations=30)


@dataclass(frozen=True)
class Case:
    """What a schedule is asked for.

    Attributes:
        noise: The model's noise schedule.
        nfe: Number of nodes.
        terminal: "clean" or "t_min".
        teacher: What peers are computed from, if the subject has it.
        solver: What samples with the schedule.
    """

    noise: NoiseSchedule
    nfe: int
    terminal: str = CLEAN
    teacher: Teacher | None = None
    solver: str = "ddim"


Contestant = Callable[[Case], SamplingSchedule]


class NotServedError(HSOError):
    """A contestant that has no schedule for this subject."""


def _rule(name: str, case: Case) -> SamplingSchedule:
    return rule_schedule(name, case.noise, case.nfe, case.terminal)


def _default(case: Case) -> SamplingSchedule:
    return optimize(case.noise, case.nfe, solver=case.solver, terminal=case.terminal).schedule


def _optimized(name: str, case: Case) -> SamplingSchedule:
    key = (name, case.noise.fingerprint, case.nfe, case.terminal)
    if key not in _FOUND:
        # With these settings the solver only decides the terminal, which is given.
        found = optimize(case.noise, case.nfe, solver="ddim", terminal=case.terminal, **OPTIMIZED[name])
        _FOUND[key] = found.schedule
    return _FOUND[key]


def _file(path: str, case: Case) -> SamplingSchedule:
    schedule = SamplingSchedule.load(path)
    if schedule.noise_fingerprint != case.noise.fingerprint:
        made = f"{schedule.noise_name}, {schedule.noise_fingerprint}"
        raise NotServedError(
            f"made for another noise schedule: {made}, not {case.noise.name}, {case.noise.fingerprint}"
        )
    if schedule.nfe != case.nfe:
        raise NotServedError(f"it has {schedule.nfe} nodes")
    if schedule.ends_clean != (case.terminal == CLEAN):
        end = "the clean sample" if schedule.ends_clean else f"t = {schedule.terminal_time:.4g}"
        raise NotServedError(f"it lands on {end}, and the terminal that is asked for is {case.terminal}")
    return schedule


def _peer(name: str, case: Case) -> SamplingSchedule:
    if case.teacher is None:
        raise NotServedError("this model's network cannot be called by itself")
    # The solver only says how many nodes a network call is; these objectives do not depend on it.
    return optimize(
        case.noise, case.nfe, solver="ddim", objective=PEERS[name](case.teacher), terminal=case.terminal
    ).schedule


# Some searches take long, and none depends on the model's weights.
_FOUND: dict[tuple[str, str, int, str], SamplingSchedule] = {}
# A new setting of the optimizer is one line here.
OPTIMIZED: Mapping[str, Mapping[str, Any]] = {
    "hso_exact": {"objective": PUBLISHED_MEP, "constraints": FITTED},
    "hso_bilevel": {"objective": PUBLISHED_MEP, "constraints": FITTED, "strategy": "bilevel"},
    "hso_published": {"objective": PUBLISHED_MEP, "constraints": FITTED, "strategy": "published"},
    "hso_local": {"objective": PUBLISHED_MEP, "strategy": "local"},
    "hso_exact_p1": {"objective": PIXEL_MEP, "constraints": FITTED},
    "hso_exact_t1": {"objective": PUBLISHED_MEP, "constraints": Constraints(box=Box(t_max=(1.0, 1.0)))},
    "hso_exact_jump": {"objective": MEP(p=2.0, jump=COSTED), "constraints": FITTED},
    "hso_exact_p1_jump": {"objective": MEP(p=1.0, jump=COSTED), "constraints": FITTED},
    "dm_nonuniform_t": {"objective": PUBLISHED_BOUND, "strategy": Local(rule="uniform_t")},
    "dm_nonuniform_lambda": {"objective": PIXEL_BOUND, "strategy": Local(rule="uniform_lambda")},
    "dm_nonuniform_bilevel": {"objective": PUBLISHED_BOUND, "constraints": FITTED, "strategy": REDUCED},
}
CONTESTANTS: Mapping[str, Contestant] = {
    **{name: partial(_rule, name) for name in RULES},
    "hso": _default,
    **{name: partial(_optimized, name) for name in OPTIMIZED},
    **{name: partial(_peer, name) for name in PEERS},
}
# What needs neither a search, a model nor a publication; "the best rule" is the best of these.
CLOSED_FORMS = tuple(name for name in RULES if name not in TABLES)
# For readers of a report: what they are, by name.
KINDS: Mapping[str, tuple[str, ...]] = {
    "what this library gives by default for the model, the solver and the number of evaluations": ("hso",),
    "found by the Hierarchical Schedule Optimizer from the model's noise schedule alone": tuple(
        name for name in OPTIMIZED if name.startswith("hso_")
    ),
    "found likewise with the objective of DM-NonUniform": tuple(
        name for name in OPTIMIZED if name.startswith("dm_nonuniform")
    ),
    "computed by other methods from many evaluations of this very network": tuple(PEERS),
    "published by others as numbers, for the model in the name": tuple(TABLES),
    "closed-form rules; trailing, leading and linspace are settings of diffusers, edm is Karras et al.'s": CLOSED_FORMS,
}


class Group(NamedTuple):
    """A schedule, and the names of all that ask for it."""

    names: tuple[str, ...]
    schedule: SamplingSchedule


class Refusal(NamedTuple):
    """A contestant that has no schedule for a case, and why."""

    name: str
    nfe: int
    reason: str


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The contestants meant by these words; "all" is all of the registry.

    Raises:
        ArgumentError: If one is unknown, and the nearest is suggested; or two files have the same name.
        FileError: If a file is missing, or holds no schedule.

    Example:
        >>> check_names(["trailing", "hso_exact"])
        ('trailing', 'hso_exact')
    """
    found: list[str] = []
    for name in names:
        if is_file(name):
            SamplingSchedule.load(name)
            found.append(name)
        else:
            found += CONTESTANTS if check_choice("schedules", name, (*CONTESTANTS, ALL)) == ALL else (name,)
    chosen = tuple(dict.fromkeys(found))
    if len({shown(name) for name in chosen}) < len(chosen):
        raise ArgumentError("schedules", "files of different names", [name for name in chosen if is_file(name)])
    return chosen


def is_file(name: str) -> bool:
    """Whether a contestant is a saved schedule."""
    return name.endswith(FILE)


def shown(name: str) -> str:
    """What a contestant goes by."""
    return Path(name).name if is_file(name) else name


def enter(names: Sequence[str], case: Case) -> tuple[list[Group], list[Refusal]]:
    """The schedules of contestants for a case, each once, and those that have none.

    Example:
        >>> from hso.noise import NoiseSchedule
        >>> groups, refused = enter(["uniform_lambda", "polyexponential", "gits"], Case(NoiseSchedule.linear_vp(), 4))
        >>> [group.names for group in groups], refused[0].reason
        ([('uniform_lambda', 'polyexponential')], "this model's network cannot be called by itself")
    """
    groups: list[Group] = []
    refused = []
    for name in names:
        try:
            schedule = _file(name, case) if is_file(name) else CONTESTANTS[name](case)
        except HSOError as error:
            refused.append(Refusal(shown(name), case.nfe, str(error)))
            continue
        place = next((i for i, group in enumerate(groups) if _same(group.schedule, schedule)), None)
        if place is None:
            groups.append(Group((shown(name),), schedule))
        else:
            groups[place] = Group((*groups[place].names, shown(name)), groups[place].schedule)
    return groups, refused


def _same(first: SamplingSchedule, second: SamplingSchedule) -> bool:
    close = np.abs(first.times - second.times).max() < SAME
    return bool(close and abs(first.terminal_time - second.terminal_time) < SAME)
