"""The schedules of a comparison, and the run that samples them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hso.comparison.contestants import RefusedContestant, ScheduleTask, check_names, enter, is_file
from hso.comparison.runs.settings import ComparisonSettings, fingerprint_of
from hso.comparison.runs.store import RunFolder
from hso.comparison.runs.threads import one_thread
from hso.comparison.subjects import Subject, data_of
from hso.errors import ArgumentError, FileError
from hso.files import read_object, write_inside
from hso.rules import rule_schedule
from hso.schedule import SamplingSchedule
from hso.solvers import DPMSolverPP, Solver, label_of, learned_for
from hso.team import Team

# The reference's solver is of order 2 and stable under guidance. Uniform in lambda, its steps are all alike.
REFERENCE, REFERENCE_SOLVER, REFERENCE_RULE = "reference", DPMSolverPP(order=2), "uniform_lambda"

PLAN = "plan.json"


class Entry(NamedTuple):
    """A schedule that is sampled with a solver.

    Attributes:
        method: The solver of the cell.
        names: The contestants that gave the schedule.
        schedule: The schedule.
        preparation: How many network calls it took contestants to find it, where an image counts as one call.
    """

    method: Solver
    names: tuple[str, ...]
    schedule: SamplingSchedule
    preparation: Mapping[str, int] = {}

    @property
    def solver(self) -> str:
        """The solver's label."""
        return label_of(self.method)

    @property
    def runner(self) -> Solver:
        """The solver that samples: the cell's, or the one that was learned for the schedule."""
        return learned_for(self.schedule) or self.method

    @property
    def nfe(self) -> int:
        """Number of network calls."""
        return self.method.nfe(len(self.schedule.lambdas))

    @property
    def key(self) -> str:
        """The solver, the number of network calls, and a fingerprint of the schedule, as the name of a folder."""
        solver = "".join(letter if letter.isalnum() or letter in "_." else "-" for letter in self.solver)
        return f"{solver}-{self.nfe}-{fingerprint_of(self.schedule)}"


class _Row(msgspec.Struct):
    """An entry in the file of a plan."""

    solver: str
    names: tuple[str, ...]
    key: str
    preparation: dict[str, int]


class _Refused(msgspec.Struct):
    """A refused contestant in the file of a plan."""

    name: str
    nfe: int
    reason: str


class _Record(msgspec.Struct):
    """The file of a plan."""

    asked: Any
    entries: list[_Row]
    refused: list[_Refused]


class ComparisonPlan(NamedTuple):
    """The reference, all entries, and what was refused."""

    reference: Entry
    entries: list[Entry]
    refused: list[RefusedContestant]

    @property
    def everyone(self) -> tuple[Entry, ...]:
        """The reference and all entries."""
        return (self.reference, *self.entries)

    @property
    def work(self) -> int:
        """Network calls for one image."""
        return sum(entry.nfe for entry in self.everyone)


class OpenRun(NamedTuple):
    """A comparison under way: what is compared, the model, the schedules, and the folder of what is finished."""

    settings: ComparisonSettings
    subject: Subject
    plan: ComparisonPlan
    store: RunFolder


def make_plan(settings: ComparisonSettings, subject: Subject, team: Team | None = None) -> ComparisonPlan:
    """The schedules of all cells, where a cell is a solver with a number of network calls.

    A cell whose solver cannot make so many calls is refused, and the others stay. A saved schedule has one number of nodes:
    it is refused only if no cell can use it.

    Raises:
        ArgumentError: If no contestant has a schedule.
    """
    names, teacher, memory = check_names(settings.schedules), subject.teacher(), dict[Any, Any]()
    fine = rule_schedule(REFERENCE_RULE, subject.noise, min(settings.reference_nfe, subject.noise.max_nfe))
    entries: list[Entry] = []
    refused: list[RefusedContestant] = []
    sampled = partial(subject.images, size=settings.batch)
    for solver, nfe in itertools.product(settings.methods, settings.budgets):
        task = ScheduleTask(
            subject.noise,
            nfe,
            settings.landing(solver),
            teacher,
            solver,
            sampled,
            subject.prediction,
            subject.state_features,
            team or Team(),
            memory,
        )
        try:
            solver.nodes(nfe)
        except ArgumentError as error:
            refused.append(RefusedContestant(label_of(solver), nfe, str(error)))
            continue
        groups, without = enter(names, task)
        refused += [each for each in without if each not in refused]
        entries += [Entry(solver, *group) for group in groups]
    if not entries:
        raise ArgumentError("schedules", "one at least that can serve this model", refused[0].reason)
    served = {name for entry in entries for name in entry.names}
    refused = [each for each in refused if not (is_file(each.name) and each.name in served)]
    return ComparisonPlan(Entry(REFERENCE_SOLVER, (REFERENCE,), fine), entries, refused)


def save_plan(plan: ComparisonPlan, settings: ComparisonSettings, store: RunFolder) -> None:
    """Write the plan.

    Raises:
        FileError: If it cannot be written.
    """
    for entry in plan.everyone:
        write_inside(_schedule_path(store, entry.key), json.dumps(entry.schedule.to_dict(), indent=2).encode())
    rows = [_Row(entry.solver, entry.names, entry.key, dict(entry.preparation)) for entry in plan.everyone]
    record = _Record(settings.asked(), rows, [_Refused(*each) for each in plan.refused])
    write_inside(store.folder / PLAN, json.dumps(msgspec.to_builtins(record), indent=2).encode())


def load_plan(settings: ComparisonSettings, store: RunFolder) -> ComparisonPlan | None:
    """Read what :func:`save_plan` wrote; None if there is no plan, or one for other settings.

    Raises:
        FileError: If it is damaged.
    """
    path = store.folder / PLAN
    content = read_object(path) if path.exists() else {}
    if content.get("asked") != settings.asked():
        return None
    solvers = {label_of(solver): solver for solver in (REFERENCE_SOLVER, *settings.methods)}
    try:
        record = msgspec.convert(content, _Record)
        everyone = [_entry(row, solvers[row.solver], store) for row in record.entries]
        reference, *entries = everyone
        intact = [entry.key for entry in everyone] == [row.key for row in record.entries]
    except (LookupError, ValueError):
        intact = False
    if not intact:
        raise FileError(path, "expected the plan of a run, found something else; delete it")
    refused = [RefusedContestant(each.name, each.nfe, each.reason) for each in record.refused]
    return ComparisonPlan(reference, entries, refused)


def _entry(row: _Row, solver: Solver, store: RunFolder) -> Entry:
    # A key is the name of a file, and must not lead out of the folder.
    if Path(row.key).name != row.key:
        raise ValueError(row.key)
    return Entry(solver, row.names, SamplingSchedule.load(_schedule_path(store, row.key)), row.preparation)


def prepare(settings: ComparisonSettings, folder: Path, subject: Subject, team: Team | None = None) -> OpenRun:
    """Check the settings of a comparison, and make its folder and its plan.

    If the folder has a plan for the same settings, that plan is used. Several processes make a plan together: they share
    what contestants run, and the first of them saves it.

    Raises:
        HSOError: If the settings do not fit the model, or the folder cannot be used.
    """
    subject.check_samples(settings.samples)
    for solver in settings.methods:
        subject.check_solver(solver)
    if settings.also:
        data_of(subject, settings.also)
    store = _store(settings, folder, subject)
    everyone, plan = team or Team(), load_plan(settings, store)
    # All make a plan, or none does: contestants that run schedules need all processes.
    there = everyone.together("the plan of a comparison", lambda: plan is not None)
    if plan is None or not all(there):
        with one_thread():
            made = make_plan(settings, subject, everyone)
        everyone.together("the plan is saved", lambda: save_plan(made, settings, store) if everyone.is_first else None)
        if not everyone.is_first:
            return join(settings, folder, subject)
        plan = made
    return OpenRun(settings, subject, plan, store)


def join(settings: ComparisonSettings, folder: Path, subject: Subject) -> OpenRun:
    """A run that another process has prepared.

    Raises:
        FileError: If there is no such run in the folder.
    """
    store = _store(settings, folder, subject)
    plan = load_plan(settings, store)
    if plan is None:
        raise FileError(store.folder, "the plan in this folder is for other options, or another run replaced it")
    return OpenRun(settings, subject, plan, store)


def _store(settings: ComparisonSettings, folder: Path, subject: Subject) -> RunFolder:
    return RunFolder(folder, {**settings.common(), **subject.identity}, keep_features=bool(settings.also))


def _schedule_path(store: RunFolder, key: str) -> Path:
    return store.folder / "schedules" / f"{key}.json"
