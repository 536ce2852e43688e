"""Schedules that were prepared for a model: what preparing them cost, and how good they are on images of their own.

A schedule and its cost are kept in a folder, so that a stopped run goes on, and several commands share what was prepared.
Calls count each image as one. Seconds are wall time of one process.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.standings import mark

import hso
from hso.calibrate import calibrate_images
from hso.comparison.contestants import CONTESTANTS, Prepared, ScheduleTask
from hso.comparison.outcome import JudgedEntry, Outcome
from hso.comparison.runs.run import compare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.subjects import Subject, SubjectSettings, load_subject
from hso.comparison.subjects.base import CALIBRATION_IMAGES, TUNING_IMAGES
from hso.files import make_folder, write_atomic
from hso.models.images import Images
from hso.models.recording import Plan
from hso.rules import RULES
from hso.solvers import make_solver

BANDS = "bands"
CALIBRATED_WITH, BATCH = 64, 16


class Cost(NamedTuple):
    """What a schedule cost."""

    calls: int
    seconds: float

    def __add__(self, other: tuple[object, ...]) -> Cost:
        """Both, one after the other."""
        more = Cost(*other)  # type: ignore[arg-type]
        return Cost(self.calls + more.calls, self.seconds + more.seconds)


class Made(NamedTuple):
    """A schedule's file and what it cost."""

    file: Path
    cost: Cost


def parser_of(description: str) -> argparse.ArgumentParser:
    """What every command with a workshop can be told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of what is prepared and judged")
    parser.add_argument("--images", type=int, default=60, help="images to tune with; a third is for the verdict")
    parser.add_argument("--tries", type=int, default=12, help="runs of all tuning images that the search may make")
    parser.add_argument("--points", type=int, default=28, help="points of the calibration's teacher")
    parser.add_argument("--samples", type=int, default=240, help="images to judge with")
    return parser


class Workshop:
    """Prepares schedules for a model, and keeps them.

    Args:
        model: A name that ``hso compare --model`` takes.
        folder: Where they are kept.
        points: Points of the teacher of a calibration.
        images: Images to tune with; a third of them is for the verdict.
        runs: Runs of the tuning images that the search may make.
    """

    def __init__(self, model: str, folder: Path, points: int, images: int, runs: int) -> None:
        self.model, self.folder, self.points, self.count, self.runs = model, folder, points, images, runs
        self._subjects: dict[str | None, Subject] = {}
        make_folder(folder / "prepared")

    def subject(self, features: str | None = None) -> Subject:
        """The model, as it is judged in these features; its own by default."""
        if features not in self._subjects:
            self._subjects[features] = load_subject(SubjectSettings(self.model, features=features))
        return self._subjects[features]

    def calibration(self) -> tuple[hso.Calibration, Cost]:
        """A calibration of the model, made once."""
        file, subject = self.folder / "prepared" / f"{self.points}.calibration", self.subject()
        if not file.exists():
            images = subject.images(CALIBRATION_IMAGES, CALIBRATED_WITH, BATCH)
            begin = time.perf_counter()
            calibrate_images(Plan(subject.noise, subject.prediction, self.points), images).save(file)
            _write(file, {"seconds": time.perf_counter() - begin})
        known = hso.Calibration.load(file)
        return known, Cost(known.calls, _read(file)["seconds"])

    def of_contestant(self, name: str, solver: str, nfe: int) -> Made:
        """What a contestant of ``hso compare`` prepares, alone."""
        subject = self.subject()

        def make() -> tuple[hso.SamplingSchedule, int]:
            task = ScheduleTask(subject.noise, nfe, "clean", subject.teacher(), make_solver(solver))
            made = CONTESTANTS[name](task)
            return made if isinstance(made, Prepared) else (made, 0)

        return self._kept(f"{name}-{solver}-{nfe}", make)

    def calibrated(self, solver: str, nfe: int) -> Made:
        """The optimum of the calibration, and what both cost."""
        known, cost = self.calibration()
        noise = self.subject().noise
        made = self._kept(
            f"calibrated-{solver}-{nfe}",
            lambda: (hso.optimize(noise, nfe, solver=solver, calibration=known, terminal="clean").schedule, 0),
        )
        return Made(made.file, cost + made.cost)

    def tuned(self, solver: str, nfe: int, features: str) -> Made:
        """What real runs find from there in these features, and what all cost."""
        known, cost = self.calibration()
        subject = self.subject(None if features == BANDS else features)
        rows = None if features == BANDS else subject.state_features
        images = subject.images(TUNING_IMAGES, self.count, BATCH)

        def make() -> tuple[hso.SamplingSchedule, int]:
            found = hso.tune(
                images,
                subject.noise,
                nfe=nfe,
                solver=solver,
                calibration=known,
                prediction=subject.prediction,
                features=rows,
                budget=self._budget(images, known, nfe),
            )
            print(f"{solver}, {nfe} calls, {features}: {found.message}", flush=True)
            return found.schedule, found.calls

        made = self._kept(f"{features}-{solver}-{nfe}", make)
        return Made(made.file, cost + made.cost)

    def _budget(self, images: Images, known: hso.Calibration, nfe: int) -> int:
        """Calls for the teacher, the candidates (all on a third of the images, seven on all), the runs and the verdict."""
        tuning = images.count - images.count // 3
        first = -(-tuning // 3)
        return images.count * len(known.lambdas) + nfe * (
            (len(RULES) + 4) * first + (7 + self.runs) * tuning + images.count
        )

    def _kept(self, name: str, make: Callable[[], tuple[hso.SamplingSchedule, int]]) -> Made:
        file = self.folder / "prepared" / f"{name}.json"
        if not file.exists():
            begin = time.perf_counter()
            schedule, calls = make()
            _write(file, {"calls": calls, "seconds": time.perf_counter() - begin})
            schedule.save(file)
        facts = _read(file)
        return Made(file, Cost(int(facts["calls"]), facts["seconds"]))


def judged(
    shop: Workshop, name: str, solver: str, budgets: Sequence[int], schedules: Sequence[str], samples: int
) -> Outcome:
    """Schedules on images that none of them was made with, in the model's own features.

    Args:
        shop: What prepared them.
        name: What the folder of the comparison is called, with the solver.
        solver: The solver.
        budgets: Numbers of calls.
        schedules: Contestants, and files.
        samples: Number of images.
    """
    settings = ComparisonSettings(
        SubjectSettings(shop.model), (solver,), tuple(budgets), tuple(schedules), samples, reference_nfe=50
    )
    outcome = compare(settings, shop.folder / f"{name}-{solver}", 1)
    assert outcome is not None
    return outcome


def row_of(outcome: Outcome, name: str, nfe: int) -> JudgedEntry:
    """The row of a contestant or of a file's name."""
    return next(row for row in outcome.rows if name in row.names and row.entry.nfe == nfe)


def figure(row: JudgedEntry, ours: JudgedEntry, metric: str) -> str:
    """A figure with its interval, and + if ours is better by the interval of the difference, - if worse, = if neither.

    The figure is without the excess that comes from the finite number of images, as its interval is.
    """
    found = row.figures[metric]
    low, high = found.interval()
    said = "" if row is ours else f" {mark(ours.figures[metric], found)}"
    return f"{found.corrected:.3g} ({low:.2g} to {high:.2g}){said}"


def _write(file: Path, facts: Mapping[str, float]) -> None:
    write_atomic(file.with_suffix(".cost"), json.dumps(facts).encode())


def _read(file: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads(file.with_suffix(".cost").read_text())
    return found
