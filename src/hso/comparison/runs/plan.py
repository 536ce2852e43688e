"""What a comparison does: its settings, and the schedules that they lead to."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hso.comparison.contestants import ALL, Case, Refusal, check_names, enter, is_file
from hso.comparison.runs.store import Store, read_json
from hso.comparison.statistics.metrics import ON_SUBSETS
from hso.comparison.subjects import Subject, SubjectSettings
from hso.errors import ArgumentError, FileError, check_choice, check_integer
from hso.files import write_atomic
from hso.rules import rule_schedule
from hso.schedule import CLEAN, TERMINALS, SamplingSchedule
from hso.solvers import SOLVERS, make_solver
from hso.version import VERSION

# The reference's solver is of order 2 and stable under guidance; uniform in lambda, its steps are all alike.
REFERENCE, REFERENCE_SOLVER, REFERENCE_RULE = "reference", "dpmpp_2m", "uniform_lambda"

# Each solver lands where hso.optimize has it land.
OWN = "own"


@dataclass(frozen=True)
class Settings:
    """What is compared.

    Attributes:
        subject: The model, and how it is judged.
        solvers: Solvers by name.
        budgets: Numbers of nodes.
        schedules: Names of contestants, or files of saved schedules; "all" is all contestants.
        samples: Images for each schedule.
        terminal: Where all land: "clean", "t_min", or "own" for each solver's own as in :func:`hso.optimize`.
        reference_nfe: Nodes of the reference.
        batch: Images that go through the network together.
        also: Metrics besides those from sums; the features of all images are kept for them.

    Raises:
        ArgumentError: If one is unusable.
        FileError: If a saved schedule is.
    """

    subject: SubjectSettings
    solvers: tuple[str, ...] = ("ddim", "unipc", "dpmpp_2m")
    budgets: tuple[int, ...] = (4, 5, 6, 8, 10)
    schedules: tuple[str, ...] = (ALL,)
    samples: int = 500
    terminal: str = CLEAN
    reference_nfe: int = 100
    batch: int = 50
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for solver in self.solvers:
            check_choice("solver", solver, SOLVERS)
        for nfe in self.budgets:
            check_integer("nfe", nfe, 1, 1000)
        check_names(self.schedules)
        check_integer("samples", self.samples, 10, 10_000_000)
        check_integer("batch", self.batch, 1, 100_000)
        check_integer("reference_nfe", self.reference_nfe, 2, 1000)
        check_choice("terminal", self.terminal, (*TERMINALS, OWN))
        for metric in self.also:
            check_choice("also", metric, ON_SUBSETS)

    def batches(self) -> list[range]:
        """The images of each batch; they do not depend on the number of processes."""
        starts = range(0, self.samples, self.batch)
        return [range(start, min(start + self.batch, self.samples)) for start in starts]

    def asked(self) -> dict[str, Any]:
        """What the plan depends on, besides the model."""
        return {
            "solvers": list(self.solvers),
            "budgets": list(self.budgets),
            "schedules": [_with_content(name) for name in self.schedules],
            "terminal": self.terminal,
            "reference_nfe": self.reference_nfe,
        }

    def landing(self, solver: str) -> str:
        """Where a solver lands."""
        return make_solver(solver).terminal if self.terminal == OWN else self.terminal

    def common(self) -> dict[str, Any]:
        """What all batches in a folder have in common; the rest may grow from run to run."""
        subject = {name: _plain(value) for name, value in dataclasses.asdict(self.subject).items() if name != "device"}
        return {**subject, "reference_nfe": self.reference_nfe, "batch": self.batch, "hso": VERSION}


class Entry(NamedTuple):
    """A schedule that is sampled with a solver.

    Attributes:
        solver: The solver.
        names: The contestants that ask for it.
        schedule: The schedule.
    """

    solver: str
    names: tuple[str, ...]
    schedule: SamplingSchedule

    @property
    def nfe(self) -> int:
        """Number of nodes."""
        return self.schedule.nfe

    @property
    def key(self) -> str:
        """The solver, the number of nodes, and a fingerprint of the schedule."""
        return f"{self.solver}-{self.nfe}-{_digest(self.schedule)}"


class Plan(NamedTuple):
    """The reference, all entries, and the contestants that have no schedule."""

    reference: Entry
    entries: list[Entry]
    refused: list[Refusal]

    @property
    def work(self) -> int:
        """Network evaluations for one image."""
        return sum(entry.nfe for entry in (self.reference, *self.entries))


def make_plan(settings: Settings, subject: Subject) -> Plan:
    """The schedules of all cases, each once for a solver.

    A saved schedule is for a single number of nodes: it is refused only where it serves no case.

    Raises:
        ArgumentError: If no contestant has a schedule.
    """
    names, teacher = check_names(settings.schedules), subject.teacher()
    fine = rule_schedule(REFERENCE_RULE, subject.noise, min(settings.reference_nfe, subject.noise.max_nfe))
    entries: list[Entry] = []
    refused: list[Refusal] = []
    for solver, nfe in itertools.product(settings.solvers, settings.budgets):
        groups, without = enter(names, Case(subject.noise, nfe, settings.landing(solver), teacher, solver))
        refused += [refusal for refusal in without if refusal not in refused]
        entries += [Entry(solver, *group) for group in groups]
    if not entries:
        raise ArgumentError("schedules", "one at least that can serve this model", refused[0].reason)
    served = {name for entry in entries for name in entry.names}
    refused = [each for each in refused if not (is_file(each.name) and each.name in served)]
    return Plan(Entry(REFERENCE_SOLVER, (REFERENCE,), fine), entries, refused)


def save_plan(plan: Plan, settings: Settings, store: Store) -> None:
    """Write the plan.

    Raises:
        FileError: If it cannot be written.
    """
    for entry in (plan.reference, *plan.entries):
        entry.schedule.save(_schedule_path(store, entry.key))
    rows = [{"solver": e.solver, "names": e.names, "key": e.key} for e in (plan.reference, *plan.entries)]
    content = {"asked": settings.asked(), "entries": rows, "refused": [refusal._asdict() for refusal in plan.refused]}
    write_atomic(store.folder / "plan.json", json.dumps(content, indent=2).encode())


def load_plan(settings: Settings, store: Store) -> Plan | None:
    """Read what :func:`save_plan` wrote, if it was asked for the same.

    Raises:
        FileError: If it is damaged.
    """
    path = store.folder / "plan.json"
    content = read_json(path) if path.exists() else {}
    if content.get("asked") != settings.asked():
        return None
    try:
        reference, *entries = (
            Entry(row["solver"], tuple(row["names"]), SamplingSchedule.load(_schedule_path(store, row["key"])))
            for row in content["entries"]
        )
        return Plan(reference, entries, [Refusal(**row) for row in content["refused"]])
    except (LookupError, TypeError, ValueError):
        raise FileError(path, "expected the plan of a run, found something else; delete it") from None


def _schedule_path(store: Store, key: str) -> Path:
    return store.folder / "schedules" / f"{key}.json"


def _digest(schedule: SamplingSchedule) -> str:
    content = schedule.lambdas.tobytes() + repr((schedule.terminal, schedule.noise_fingerprint)).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def _with_content(name: str) -> str:
    """A contestant's name; a file's with what is in it, for that may change from run to run."""
    return f"{name}: {_digest(SamplingSchedule.load(name))}" if is_file(name) else name


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
