"""What a comparison is asked to do."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hso.comparison.contestants import ALL, check_names, is_file
from hso.comparison.statistics.metrics import ON_SUBSETS
from hso.comparison.subjects import SubjectSettings
from hso.errors import ArgumentError, check_choice, check_integer
from hso.schedule import CLEAN, TERMINALS, SamplingSchedule
from hso.search import Published
from hso.solvers import Solver, label_of, learned_for, make_solver
from hso.version import VERSION

# Each solver lands where the paper's experiments let it land.
PUBLISHED = "published"


@dataclass(frozen=True)
class ComparisonSettings:
    """What is compared.

    Attributes:
        subject: The model, and how it is judged.
        solvers: Solvers, or their names.
        budgets: Numbers of network calls.
        schedules: Names of contestants, or files of saved schedules; "all" means all contestants.
        samples: Number of images for each schedule.
        terminal: Where all land: "clean", "t_min", or "published": UniPC on t_min and the others on the clean sample.
        reference_nfe: Network calls of the reference.
        batch: Number of images that go through the network together.
        also: Metrics that need the features of all images, which are kept for them.

    Raises:
        ArgumentError: If a value is unusable, or a solver, budget or metric is given twice.
        FileError: If a saved schedule cannot be read.
    """

    subject: SubjectSettings
    solvers: tuple[Solver | str, ...] = ("ddim", "unipc", "dpmpp_2m")
    budgets: tuple[int, ...] = (4, 5, 6, 8, 10)
    schedules: tuple[str, ...] = (ALL,)
    samples: int = 500
    terminal: str = CLEAN
    reference_nfe: int = 100
    batch: int = 50
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for nfe in self.budgets:
            check_integer("nfe", nfe, 1, 1000)
        _check_each_once("solver", [label_of(solver) for solver in self.methods])
        _check_each_once("nfe", self.budgets)
        _check_each_once("also", self.also)
        check_names(self.schedules)
        check_integer("samples", self.samples, 10, 10_000_000)
        check_integer("batch", self.batch, 1, 100_000)
        check_integer("reference_nfe", self.reference_nfe, 2, 1000)
        check_choice("terminal", self.terminal, (*TERMINALS, PUBLISHED))
        for metric in self.also:
            check_choice("also", metric, ON_SUBSETS)

    @property
    def methods(self) -> tuple[Solver, ...]:
        """The solvers as objects."""
        return tuple(make_solver(solver) for solver in self.solvers)

    def batches(self) -> list[range]:
        """The images of each batch. They do not depend on the number of processes."""
        starts = range(0, self.samples, self.batch)
        return [range(start, min(start + self.batch, self.samples)) for start in starts]

    def asked(self) -> dict[str, Any]:
        """The settings that decide the plan, besides the model."""
        return {
            "solvers": [label_of(solver) for solver in self.methods],
            "budgets": list(self.budgets),
            "schedules": [_with_content(name) for name in self.schedules],
            "terminal": self.terminal,
            "reference_nfe": self.reference_nfe,
        }

    def landing(self, solver: Solver) -> str:
        """The terminal of a solver's schedules."""
        return Published().terminal(solver) if self.terminal == PUBLISHED else self.terminal

    def common(self) -> dict[str, Any]:
        """The settings that all batches in a folder have in common; the others may grow from run to run."""
        return {
            **plain_settings(self.subject, "device"),
            "reference_nfe": self.reference_nfe,
            "batch": self.batch,
            "hso": VERSION,
        }


def plain_settings(settings: Any, *without: str) -> dict[str, Any]:
    """The settings of a dataclass as JSON can hold them, some left out."""
    return {name: _plain(value) for name, value in vars(settings).items() if name not in without}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Solver):
        return label_of(value)
    return str(value) if isinstance(value, Path) else value


def _check_each_once(argument: str, values: Sequence[Any]) -> None:
    if repeated := sorted({value for value in values if values.count(value) > 1}):
        raise ArgumentError(argument, "each of them once", f"{', '.join(map(str, repeated))} more than once")


def fingerprint_of(schedule: SamplingSchedule) -> str:
    """A short text that only the same nodes, terminal and learned coefficients have."""
    learned = learned_for(schedule)
    others = (schedule.terminal, schedule.noise_fingerprint, *((learned.base, learned.offsets) if learned else ()))
    content = schedule.lambdas.tobytes() + repr(others).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def _with_content(name: str) -> str:
    """A contestant's name; a file's together with its content, which may change from run to run."""
    return f"{name}: {fingerprint_of(SamplingSchedule.load(name))}" if is_file(name) else name
