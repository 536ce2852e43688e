"""What a calibration costs, how far it can be trusted, and where else it serves; all judged on fresh images.

    python -m benchmarks.calibration_cost                                   # everything, about 20 minutes on one core
    python -m benchmarks.calibration_cost --parts guidance,classes --images 32 --batch 32 --points 20
    python -m benchmarks.calibration_cost --parts prediction -o docs/calibration_measured.md

- ``cost``: network calls and seconds of ``calibrate``, ``optimize`` and ``tune``.
- ``prediction``: the root mean square error that replay foretells of a schedule, and the real one, for each cell.
- ``size``: B images and M points against the true loss of the schedule that is found.
- ``guidance``: a calibration made at one guidance, used at another.
- ``classes``: a calibration made with some classes, used on others.

The true loss is that of ``tune`` in bands: the Frechet distance of band-wise normals plus kappa times the paired error,
relative to the variance of the teacher's ends. Intervals are for 95 %: over replicates of the calibration in ``size``,
elsewhere over 16 groups of the fresh images (jackknife). An image counts as one call, guided or not.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import t

import hso
from hso.calibrate import calibrate_images
from hso.comparison.subjects import SubjectSettings, load_subject
from hso.comparison.subjects.base import CALIBRATION_IMAGES, TUNING_IMAGES, LoopSubject
from hso.comparison.subjects.network import NetworkSubject
from hso.files import write_atomic
from hso.models.recording import Plan, Trial
from hso.noise.base import Array
from hso.objectives import Replay
from hso.rules import rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.solvers import make_solver
from hso.tuning.losses import BandLoss
from hso.tuning.panel import Recorder, Setting
from hso.tuning.store import Ledger, Store
from hso.tuning.sums import Ends
from hso.tuning.verdict import CONFIDENCE, compare

EXACT, DIGITS = ("gaussian", "mixture", "digits-empirical"), ("digits@1", "digits@3", "digits@7.5")
CELLS = tuple(itertools.product(("ddim", "dpmpp_2m", "unipc"), (4, 6, 10)))
FEW_CELLS = (("ddim", 6), ("dpmpp_2m", 6), ("unipc", 6))
IMAGES, POINTS, BATCH = 64, 56, 32
SIZES = tuple(itertools.product((16, 32, 64), (20, 40, 60)))
# Calibrations of each size, each with images of its own.
REPLICATES = {"mixture": 8, "digits@3": 3}
SOME, OTHERS = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9)
Cell = tuple[str, int]


class Interval(NamedTuple):
    """A figure, and the ends of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"

    @classmethod
    def of(cls, value: float, deviation: float, count: int) -> Interval:
        """A figure with a standard error that comes from so many numbers."""
        width = deviation * float(t.ppf((1 + CONFIDENCE) / 2, count - 1))
        return cls(value, value - width, value + width)


class Judge:
    """Fresh images of a model, the teacher's ends on them, and what schedules do for real.

    Args:
        subject: The model.
        images: Number of fresh images.
        known: A calibration, whose bands the loss has.
    """

    def __init__(self, subject: LoopSubject, images: int, known: hso.Calibration) -> None:
        self.noise, self.loss = subject.noise, BandLoss(known.bands, Replay.kappa)
        self.plan = Plan(subject.noise, subject.prediction, len(known.lambdas))
        self.images = subject.images(0, images, BATCH)
        recorder = Recorder("fresh", Setting(self.plan), self.images, Store(None, {}), Ledger(2**60, None))
        self.panel = recorder.panel(known.bands)

    def ends(self, cell: Cell, schedule: SamplingSchedule) -> Ends:
        """The ends of a schedule that is run for real."""
        return self.panel.rollout(Trial(make_solver(cell[0]), schedule), "a schedule").ends

    def true(self, cell: Cell, schedule: SamplingSchedule) -> float:
        """The true loss."""
        return self.loss.of(self.ends(cell, schedule), self.panel.teacher())

    def ratio(self, cell: Cell, schedule: SamplingSchedule, other: SamplingSchedule) -> Interval:
        """The loss of a schedule, in units of that of another."""
        if schedule == other:
            return Interval(1.0, 1.0, 1.0)
        gain = compare(self.loss, self.ends(cell, schedule), self.ends(cell, other), self.panel.teacher())
        return Interval(1 - gain.value, 1 - gain.high, 1 - gain.low)

    def error(self, cell: Cell, schedule: SamplingSchedule) -> Interval:
        """The root mean square error of a coefficient."""
        ends = self.ends(cell, schedule)
        sums, counts, size = ends.errors.sum(axis=1), ends.counts, ends.totals.shape[1]
        left_out = np.sqrt((sums.sum() - sums) / (counts.sum() - counts) / size)
        deviation = np.sqrt((len(counts) - 1) * np.var(left_out))
        return Interval.of(float(np.sqrt(sums.sum() / counts.sum() / size)), float(deviation), len(counts))


class Study:
    """The parts of the benchmark, and what they share: calibrations and fresh images of each model.

    Args:
        images: Number of fresh images.
        tuning: Number of images that the bundled model is tuned with.
        size: Images and points of calibrations.
    """

    def __init__(self, images: int, tuning: int, size: tuple[int, int] = (IMAGES, POINTS)) -> None:
        self.count, self.tuning, self.calibrated_with = images, tuning, size
        self.seconds: dict[str, float] = {}
        self._subjects: dict[str, LoopSubject] = {}
        self._known: dict[str, hso.Calibration] = {}
        self._judges: dict[str, Judge] = {}

    def subject(self, name: str) -> LoopSubject:
        """A model."""
        if name not in self._subjects:
            self._subjects[name] = _loaded(name)
        return self._subjects[name]

    def known(self, name: str) -> hso.Calibration:
        """Its calibration of the usual size."""
        if name not in self._known:
            subject, begin = self.subject(name), time.perf_counter()
            self._known[name] = _calibrated(subject, *self.calibrated_with)
            self.seconds[name] = time.perf_counter() - begin
        return self._known[name]

    def judge(self, name: str) -> Judge:
        """Its fresh images."""
        if name not in self._judges:
            self._judges[name] = Judge(self.subject(name), self.count, self.known(name))
        return self._judges[name]

    def cost(self) -> Iterator[str]:
        """Network calls and seconds."""
        yield from _head("model", "what", "network calls", "seconds")
        for name in ("mixture", "digits@1", "digits@3"):
            known, subject = self.known(name), self.subject(name)
            yield f"| {name} | calibrate, {known.images} images | {known.calls} | {self.seconds[name]:.1f} |"
            begin = time.perf_counter()
            hso.optimize(subject.noise, 6, solver="unipc", calibration=known)
            yield f"| {name} | optimize, UniPC, NFE 6 | 0 | {time.perf_counter() - begin:.2f} |"
        for name, count in (("mixture", 192), ("digits@3", self.tuning)):
            subject, known, begin = self.subject(name), self.known(name), time.perf_counter()
            found = hso.tune(
                subject.images(TUNING_IMAGES, count, BATCH),
                subject.noise,
                nfe=6,
                calibration=known,
                prediction=subject.prediction,
            )
            seconds = time.perf_counter() - begin
            yield f"| {name} | tune, UniPC, NFE 6, {count} images | {found.calls} | {seconds:.1f} |"

    def prediction(self) -> Iterator[str]:
        """Predicted against true error."""
        yield from _head("model", "solver", "NFE", "calibrated: foretold", "true", "trailing: foretold", "true")
        logs = []
        for name in (*EXACT, *DIGITS):
            for cell in CELLS:
                figures = []
                for schedule in (self._found(name, cell), self._trailing(name, cell)):
                    foretold, true = self._foretold(name, cell, schedule), self.judge(name).error(cell, schedule)
                    figures += [f"{foretold:.3g}", f"{true.value:.3g} ({true.low:.3g} to {true.high:.3g})"]
                    logs.append((name, len(figures) > 2, np.log(foretold / true.value)))
                yield f"| {name} | {cell[0]} | {cell[1]} | {' | '.join(figures)} |"
        yield ""
        yield from _head("model", "foretold / true, calibrated", "trailing", "furthest from 1")
        for name in (*EXACT, *DIGITS):
            kinds = [[log for model, other, log in logs if (model, other) == (name, kind)] for kind in (False, True)]
            means = [f"{np.exp(np.mean(kind)):.2f}" for kind in kinds]
            worst = max((log for kind in kinds for log in kind), key=abs)
            yield f"| {name} | {' | '.join(means)} | {np.exp(worst):.2f} |"

    def size(self) -> Iterator[str]:
        """Images and points of a calibration."""
        yield from _head("model", "B", "M", "network calls", "true loss / that of B = 64, M = 60")
        for name, replicates in REPLICATES.items():
            losses = {(size, r): self._losses(name, size, r) for size in SIZES for r in range(replicates)}
            for size in SIZES:
                logs = np.array([np.mean(losses[size, r] - losses[SIZES[-1], r]) for r in range(replicates)])
                spread = Interval.of(float(logs.mean()), float(logs.std(ddof=1) / np.sqrt(replicates)), replicates)
                ratio = Interval(*np.exp(spread)) if size != SIZES[-1] else "1"
                calls = size[0] * Plan(self.subject(name).noise, points=size[1]).calls
                yield f"| {name} | {size[0]} | {size[1]} | {calls} | {ratio} |"

    def guidance(self) -> Iterator[str]:
        """A calibration of another guidance."""
        yield from _head("guidance", "solver", "NFE", *(f"calibrated at {_scale(name)}" for name in DIGITS), "trailing")
        for name in DIGITS:
            for cell in FEW_CELLS:
                own, judge = self._found(name, cell), self.judge(name)
                others = [self._found(source, cell, name) for source in DIGITS]
                ratios = [judge.ratio(cell, one, own) for one in (*others, self._trailing(name, cell))]
                yield f"| {_scale(name)} | {cell[0]} | {cell[1]} | {' | '.join(map(str, ratios))} |"

    def classes(self) -> Iterator[str]:
        """A calibration of other classes."""
        yield from _head("solver", "NFE", "calibrated with 5 to 9", "with 0 to 4", "with all", "trailing")
        subjects = {classes: _with_classes("digits@3", classes) for classes in (OTHERS, SOME)}
        known = {classes: _calibrated(subject, *self.calibrated_with) for classes, subject in subjects.items()}
        judge = Judge(subjects[OTHERS], self.count, known[OTHERS])
        for cell in FEW_CELLS:
            made = [_optimum(judge.noise, cell, one) for one in (known[OTHERS], known[SOME], self.known("digits@3"))]
            ratios = [judge.ratio(cell, one, made[0]) for one in (*made, self._trailing("digits@3", cell))]
            yield f"| {cell[0]} | {cell[1]} | {' | '.join(map(str, ratios))} |"

    def _found(self, source: str, cell: Cell, used: str | None = None) -> SamplingSchedule:
        """The schedule that the calibration of one model gives for another, by default for itself."""
        return _optimum(self.subject(used or source).noise, cell, self.known(source))

    def _trailing(self, name: str, cell: Cell) -> SamplingSchedule:
        return rule_schedule("trailing", self.subject(name).noise, cell[1], CLEAN)

    def _foretold(self, name: str, cell: Cell, schedule: SamplingSchedule) -> float:
        replay = Replay(self.known(name)).on(self.subject(name).noise, make_solver(cell[0]), CLEAN)
        return float(replay.predict(schedule.lambdas).error)

    def _losses(self, name: str, size: tuple[int, int], replicate: int) -> Array:
        """Logarithms of the true losses in a few cells, of a calibration of this size."""
        known = _calibrated(self.subject(name), *size, first=IMAGES * (1 + replicate))
        judge = self.judge(name)
        return np.log([judge.true(cell, _optimum(judge.noise, cell, known)) for cell in FEW_CELLS])


PARTS: dict[str, Callable[[Study], Iterator[str]]] = {
    "cost": Study.cost,
    "prediction": Study.prediction,
    "size": Study.size,
    "guidance": Study.guidance,
    "classes": Study.classes,
}


def _loaded(name: str) -> LoopSubject:
    found = load_subject(SubjectSettings(name))
    if not isinstance(found, LoopSubject):
        raise SystemExit(f"{name} is not sampled in this library's loop")
    return found


def _with_classes(name: str, classes: tuple[int, ...]) -> LoopSubject:
    """A class-conditional model whose images have these classes in turn."""
    found = _loaded(name)
    assert isinstance(found, NetworkSubject)
    found.labels = found.labels._replace(taken=classes)
    return found


def _calibrated(subject: LoopSubject, images: int, points: int, first: int = 0) -> hso.Calibration:
    plan = Plan(subject.noise, subject.prediction, points)
    return calibrate_images(plan, subject.images(CALIBRATION_IMAGES + first, images, BATCH))


def _optimum(noise: hso.NoiseSchedule, cell: Cell, known: hso.Calibration) -> SamplingSchedule:
    solver, nfe = cell
    return hso.optimize(noise, nfe, solver=solver, calibration=known, terminal=CLEAN).schedule


def _head(*columns: str) -> tuple[str, str]:
    return f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)


def _scale(name: str) -> str:
    return name.partition("@")[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--images", type=int, default=96, help="fresh images of each model")
    parser.add_argument("--tuning", type=int, default=96, help="images that the bundled model is tuned with")
    parser.add_argument("--batch", type=int, default=IMAGES, help="images of a calibration (not of those in size)")
    parser.add_argument("--points", type=int, default=POINTS, help="points of a calibration, likewise")
    parser.add_argument("-o", "--out", type=Path, help="also write the tables here")
    chosen = parser.parse_args()
    study, text = Study(chosen.images, chosen.tuning, (chosen.batch, chosen.points)), []
    for part in chosen.parts.split(","):
        text.append(f"\n## {part}\n")
        print(text[-1])
        for line in PARTS[part](study):
            text.append(line)
            print(line, flush=True)
    if chosen.out:
        write_atomic(chosen.out, ("\n".join(text) + "\n").encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
