"""Every schedule that a comparison knows, behind one registry.

A contestant is a function: it takes a task (a noise schedule, a number of network calls, a solver, a terminal) and returns
a sampling schedule. If it had to call the network for that, it returns :class:`Prepared`, which also says how often.

- Rules and published tables of :mod:`hso.rules` have the names that they have there.
- ``host_default`` is what the model's pipeline in diffusers runs if nobody asks for anything else. With another solver its
  scheduler keeps the spacing, and multistep ones leave out the last node. For a model of which no pipeline is known, it is
  what diffusers' scheduler for the solver does.
- ``hso`` is what :func:`hso.optimize` gives if it is told the model, the solver and the number of calls, and nothing more.
- ``hso_STRATEGY`` has the published settings (p = 2). ``hso_exact_p1`` has the exponent of pixel models. ``hso_exact_t1``
  has its first node at the noisiest end, not at the published 0.96. ``..._jump`` costs the jump to the clean sample too.
- ``dm_nonuniform_t`` and ``dm_nonuniform_lambda`` are DM-NonUniform as its authors set it for latent models (p = 2, the
  search starts uniform in t) and for pixel models (p = 1, it starts uniform in lambda). ``dm_nonuniform_bilevel`` is its
  objective inside the bi-level search (configuration B of the paper's Table 7), with a population of 6 for each variable,
  8 generations and 30 local iterations, because its lower level has no fast solution. This one and ``hso_published`` take
  up to a minute.
- ``gits``, ``score_optimal``, ``klub`` and ``watson`` are measured on the subject's own network.
- ``calibrated`` is what :func:`hso.optimize` gives with a calibration of the subject, and ``tuned`` what :func:`hso.tune`
  makes of it by running schedules, in the features in which the comparison judges. Their images are others than those that
  are judged.
- ``rollout`` has the images, the features, the verdict and the number of network calls of ``tuned``, those of its
  calibration included, and searches with Nelder-Mead (:mod:`hso.tuning.simplex`). So the difference is what the calibration
  brings.
- ``oss`` runs students of Euler's method with the network at each point of the teacher (:mod:`hso.search.stepwise`). Other
  solvers use its nodes.
- ``learned`` and ``tuned_learned`` are the same with coefficients of the solver that are learned too
  (:mod:`hso.search.learned`). They run the learned solver, whose base is the solver of the cell. ``told`` and
  ``tuned_told`` tell the network other noise levels than those of the nodes (:mod:`hso.search.told`).
- The last eight cost thousands of network calls, so that "all" does not include them.
- A path that ends in ``.json`` is a schedule that :meth:`hso.SamplingSchedule.save` wrote there. It takes part where the
  number of nodes, the noise schedule and the kind of terminal are its own. It goes by the file's name.

All land on the clean sample unless something else is asked for, also where the solver's own terminal is another one, so
that nothing but the nodes differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hso.comparison.contestants.measured import PEERS, calibrated, oss, peer, rollout, tuned
from hso.comparison.contestants.task import Contestant, NotServedError, Prepared, ScheduleTask
from hso.errors import ArgumentError, HSOError, check_choice
from hso.noise.default_rule import OPEN
from hso.objectives import MEP, DMNonUniform
from hso.objectives.error_proxy import COSTED, FREE
from hso.optimize import optimize
from hso.rules import RULES, TABLES, rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.search import Bilevel, Box, Constraints, Local
from hso.solvers import learned_for, make_solver

ALL, FILE = "all", ".json"
# Two schedules are the same if their times agree to this: a hundredth of a training timestep.
SAME = 1e-5
# The rules of diffusers' schedulers for these solvers, for models whose own default rule is not known.
HOST_RULES: Mapping[str, str] = {
    "ddim": "leading",
    "euler": "linspace",
    "heun": "linspace",
    **dict.fromkeys(("unipc", "dpmpp_2m", "dpmpp_3m", "dpmpp_2s", "deis"), "linspace_open"),
}
# The spacings of solvers that evaluate the last node too.
CLOSED = {rule: spacing for spacing, rule in OPEN.items()}
# The published settings, which were fitted to Stable Diffusion, for every model. A search that keeps the ends of its start
# has no box.
FITTED = Constraints(box=Box())
PUBLISHED_MEP, PIXEL_MEP = MEP(p=2.0, jump=FREE), MEP(p=1.0, jump=FREE)
PUBLISHED_BOUND, PIXEL_BOUND = DMNonUniform(p=2.0, jump=FREE), DMNonUniform(p=1.0, jump=FREE)
REDUCED = Bilevel(population=6, generations=8, lower_iterations=30)


def _rule(name: str, task: ScheduleTask) -> SamplingSchedule:
    return rule_schedule(name, task.noise, task.nodes, task.terminal)


def _host_default(task: ScheduleTask) -> SamplingSchedule:
    usual, own = HOST_RULES.get(task.solver.name), task.noise.traits.default_rule
    rule = (OPEN if usual == OPEN["linspace"] else CLOSED).get(own, own) if own else usual
    if rule is None:
        raise NotServedError(f"diffusers has no scheduler for the solver {task.solver.name}")
    return _rule(rule, task)


def _default(task: ScheduleTask) -> SamplingSchedule:
    return optimize(task.noise, task.nfe, solver=task.solver, terminal=task.terminal).schedule


def _optimized(name: str, task: ScheduleTask) -> SamplingSchedule:
    # With these settings the solver decides the terminal, which is given, and the number of nodes; DDIM has one for each
    # call. So tasks of several solvers share a search.
    def search() -> SamplingSchedule:
        return optimize(task.noise, task.nodes, solver="ddim", terminal=task.terminal, **OPTIMIZED[name]).schedule

    return task.once((name, task.nodes, task.terminal), search)


def _file(path: str, task: ScheduleTask) -> SamplingSchedule:
    schedule = SamplingSchedule.load(path)
    if schedule.noise_fingerprint != task.noise.fingerprint:
        made = f"{schedule.noise_name}, {schedule.noise_fingerprint}"
        raise NotServedError(
            f"made for another noise schedule: {made}, not {task.noise.name}, {task.noise.fingerprint}"
        )
    if len(schedule.lambdas) != task.nodes:
        raise NotServedError(f"it has {len(schedule.lambdas)} nodes")
    learned = learned_for(schedule)
    if learned is not None and make_solver(learned.base) != task.solver:
        raise NotServedError(f"its solver was learned from {learned.base}")
    if schedule.ends_clean != (task.terminal == CLEAN):
        end = "the clean sample" if schedule.ends_clean else f"t = {schedule.terminal_time:.4g}"
        raise NotServedError(f"it lands on {end}, and the terminal that is asked for is {task.terminal}")
    return schedule


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
# A new contestant is one function of a task and one line here; a word about it goes into KINDS.
CONTESTANTS: Mapping[str, Contestant] = {
    **{name: partial(_rule, name) for name in RULES},
    "host_default": _host_default,
    "hso": _default,
    **{name: partial(_optimized, name) for name in OPTIMIZED},
    **{name: partial(peer, name) for name in PEERS},
    "oss": oss,
    "rollout": rollout,
    "calibrated": calibrated,
    "tuned": tuned,
    "learned": partial(calibrated, strategy="learned"),
    "tuned_learned": partial(tuned, strategy="learned"),
    "told": partial(calibrated, strategy="told"),
    "tuned_told": partial(tuned, strategy="told"),
}
# Those that "all" does not include.
COSTLY = ("oss", "rollout", "calibrated", "tuned", "learned", "tuned_learned", "told", "tuned_told")
# Rules that need neither a search, nor a model, nor a publication. "The best rule" is the best of these.
CLOSED_FORMS = tuple(name for name in RULES if name not in TABLES)
# What contestants are, for the readers of a report.
KINDS: Mapping[str, tuple[str, ...]] = {
    "what this library gives by default for the model, the solver and the number of network calls": ("hso",),
    "what the model's own pipeline in diffusers does by default": ("host_default",),
    "found by the Hierarchical Schedule Optimizer from the model's noise schedule alone": tuple(
        name for name in OPTIMIZED if name.startswith("hso_")
    ),
    "found in the same way with the objective of DM-NonUniform": tuple(
        name for name in OPTIMIZED if name.startswith("dm_nonuniform")
    ),
    "made by this library for this very network, its guidance and the solver, with the calls that are listed": (
        "calibrated",
        "tuned",
    ),
    "the same, with a solver whose coefficients were learned too": ("learned", "tuned_learned"),
    "the same nodes, at which the network is told other noise levels": ("told", "tuned_told"),
    "found with the calls of tuned, by runs alone": ("rollout",),
    "measured by other methods with many calls of this very network": (*PEERS, "oss"),
    "published by others as numbers, for the model in the name": tuple(TABLES),
    "closed-form rules; trailing, leading and linspace are settings of diffusers, edm is Karras et al.'s": CLOSED_FORMS,
}


class Group(NamedTuple):
    """A schedule, the names of all contestants that gave it, and the network calls that it took those that made some."""

    names: tuple[str, ...]
    schedule: SamplingSchedule
    preparation: Mapping[str, int] = {}


class RefusedContestant(NamedTuple):
    """A contestant without a schedule for a number of network calls, or a solver that cannot make so many; and why."""

    name: str
    nfe: int
    reason: str


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The contestants that these words mean, each once; "all" means all of the registry but the costly ones.

    Raises:
        ArgumentError: If a name is unknown (the nearest one is suggested), or two files have the same name.
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
            check_choice("schedules", name, (*CONTESTANTS, ALL))
            found += [each for each in CONTESTANTS if each not in COSTLY] if name == ALL else [name]
    chosen = tuple(dict.fromkeys(found))
    if len({shown(name) for name in chosen}) < len(chosen):
        raise ArgumentError("schedules", "files of different names", [name for name in chosen if is_file(name)])
    return chosen


def is_file(name: str) -> bool:
    """Whether a contestant is a saved schedule."""
    return name.endswith(FILE)


def shown(name: str) -> str:
    """The name of a contestant in a report."""
    return Path(name).name if is_file(name) else name


def enter(names: Sequence[str], task: ScheduleTask) -> tuple[list[Group], list[RefusedContestant]]:
    """The contestants' schedules for a task, each schedule once, and the contestants without one.

    Example:
        >>> from hso.noise import NoiseSchedule
        >>> task = ScheduleTask(NoiseSchedule.linear_vp(), 4)
        >>> groups, refused = enter(["uniform_lambda", "polyexponential", "gits"], task)
        >>> [group.names for group in groups], refused[0].reason
        ([('uniform_lambda', 'polyexponential')], "this model's network cannot be called by itself")
    """
    groups: list[Group] = []
    refused = []
    for name in names:
        try:
            made = _file(name, task) if is_file(name) else CONTESTANTS[name](task)
        except HSOError as error:
            refused.append(RefusedContestant(shown(name), task.nfe, str(error)))
            continue
        schedule, calls = made if isinstance(made, Prepared) else (made, 0)
        place = next((i for i, group in enumerate(groups) if _same(group.schedule, schedule)), None)
        if place is None:
            groups.append(Group((), schedule))
            place = -1
        before = groups[place]
        preparation = {**before.preparation, **({shown(name): calls} if calls else {})}
        groups[place] = Group((*before.names, shown(name)), before.schedule, preparation)
    return groups, refused


def _same(first: SamplingSchedule, second: SamplingSchedule) -> bool:
    close = np.abs(first.times - second.times).max() < SAME and learned_for(first) == learned_for(second)
    close = close and np.abs(first.network_times - second.network_times).max() < SAME
    return bool(close and abs(first.terminal_time - second.terminal_time) < SAME)


__all__ = [
    "ALL",
    "CLOSED_FORMS",
    "CONTESTANTS",
    "COSTLY",
    "KINDS",
    "OPTIMIZED",
    "PEERS",
    "PUBLISHED_MEP",
    "Contestant",
    "Group",
    "NotServedError",
    "Prepared",
    "RefusedContestant",
    "ScheduleTask",
    "check_names",
    "enter",
    "is_file",
    "shown",
]
