r"""Does it pay to tell the network another noise level than that of its state?

Two ways are measured, each with the nodes of a published solver and with learned coefficients:

- by a calibration with told levels (strategy "told", :mod:`hso.search.told`), which runs no schedule;
- by real runs (``hso.tune`` with strategy "told", :mod:`hso.tuning.tell`), after the nodes were tuned.

Fresh images judge. For each cell the table has the Frechet distance (in the model's features) and the mean square error to
a run of 60 steps, divided by the same without told levels, with 95 % intervals of a jackknife over images; the network
calls of one image that each way took and that told levels added; and the shifts in lambda.

    python -m benchmarks.told_time --models digits@1 digits@3 benchmarks/models/patches@1 --nfe 4 6
    python -m benchmarks.told_time --ways calibration --solvers ddim dpmpp_2m unipc --nfe 4 5 6 8 10
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from benchmarks.replay_study import subject_of
from scipy.stats import t

import hso
from hso.calibrate import calibrate_images
from hso.comparison.subjects.base import CALIBRATION_IMAGES, TUNING_IMAGES, LoopSubject
from hso.models.calibration import Calibration
from hso.models.recording import Plan
from hso.noise.base import Array
from hso.objectives.frechet import frechet_distance
from hso.rules import rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.solvers import Solver
from hso.tuning.tell import shifts_of

GROUPS, BATCH = 16, 32
# What each way is asked for, without and with told levels.
PAIRS = (("free", "told"), ("learned", "told:first=learned"))


class Made(NamedTuple):
    """A solver, a schedule, and the network calls of one image that they took."""

    solver: Solver
    schedule: SamplingSchedule
    calls: int = 0


class Cell(NamedTuple):
    """What is asked of a model."""

    subject: LoopSubject
    calibration: Calibration
    solver: str
    nfe: int
    images: int


def by_calibration(cell: Cell, strategy: str) -> Made:
    known = cell.calibration
    found = hso.optimize(cell.subject.noise, cell.nfe, solver=cell.solver, strategy=strategy, calibration=known)
    # Without told levels the calibration would have cost less.
    plan = Plan(cell.subject.noise, points=len(known.lambdas), tells=strategy.startswith("told"))
    return Made(found.solver, found.schedule, known.images * plan.calls)


def by_runs(cell: Cell, strategy: str) -> Made:
    subject = cell.subject
    found = hso.tune(
        subject.images(TUNING_IMAGES, cell.images, BATCH),
        subject.noise,
        nfe=cell.nfe,
        solver=cell.solver,
        strategy=strategy,
        calibration=cell.calibration,
        prediction=subject.prediction,
        features=subject.state_features,
    )
    return Made(found.solver, found.schedule, found.calls)


WAYS: Mapping[str, Callable[[Cell, str], Made]] = {"calibration": by_calibration, "runs": by_runs}


class Fresh:
    """Images that nothing else has seen, and the teacher's ends."""

    def __init__(self, subject: LoopSubject, count: int) -> None:
        self.subject, self.start = subject, subject.begin(range(count))

    @cached_property
    def teacher(self) -> Array:
        """Features of the teacher's ends."""
        return self._rows("dpmpp_2m", rule_schedule("uniform_lambda", self.subject.noise, 60, CLEAN))

    def rows(self, made: Made) -> Array:
        """Features of the ends of a schedule."""
        return self._rows(made.solver, made.schedule)

    def _rows(self, solver: Solver | str, schedule: SamplingSchedule) -> Array:
        return self.subject.features(self.subject.sample(solver, schedule, self.start))


def figures(rows: Array, teacher: Array) -> Array:
    """Squared Frechet distance, and mean square error."""
    one, other = ((each.mean(axis=0), np.cov(each, rowvar=False)) for each in (rows, teacher))
    return np.array([frechet_distance(*one, *other), np.square(rows - teacher).sum(axis=1).mean()])


def ratios(told: Array, plain: Array, teacher: Array) -> tuple[Array, Array]:
    """Distance and error, divided by those of others, and the ends of jackknife intervals of the logarithms."""
    groups = np.arange(len(teacher)) * GROUPS // len(teacher)

    def of(chosen: Any) -> Array:
        return np.log(figures(told[chosen], teacher[chosen]) / figures(plain[chosen], teacher[chosen]))

    middle = of(slice(None))
    without = np.array([of(groups != group) for group in range(GROUPS)])
    width = t.ppf(0.975, GROUPS - 1) * np.sqrt((GROUPS - 1) * without.var(axis=0))
    return np.exp(middle), np.exp([middle - width, middle + width])


def lines(model: str, options: argparse.Namespace) -> Iterator[tuple[str, float]]:
    """The rows of a model, each with the logarithm of the ratio of distances."""
    subject = subject_of(model, 0)
    plan = Plan(subject.noise, subject.prediction, tells=True)
    calibration = calibrate_images(plan, subject.images(CALIBRATION_IMAGES, 64, BATCH))
    fresh = Fresh(subject, options.judged)
    for solver, nfe in ((solver, nfe) for solver in options.solvers for nfe in options.nfe):
        cell = Cell(subject, calibration, solver, nfe, options.images)
        for way, pair in ((way, pair) for way in options.ways for pair in PAIRS):
            plain, told = (WAYS[way](cell, strategy) for strategy in pair)
            middle, (low, high) = ratios(fresh.rows(told), fresh.rows(plain), fresh.teacher)
            spans = " | ".join(f"{m:.2f} ({a:.2f} to {b:.2f})" for m, a, b in zip(middle, low, high, strict=True))
            shifts = " ".join(f"{one:+.2f}" for one in shifts_of(subject.noise, told.schedule))
            calls = f"{plain.calls} + {told.calls - plain.calls}"
            title = f"{model} | {solver} | {nfe} | {way}, {pair[0]}"
            yield f"| {title} | {spans} | {calls} | {shifts} |", float(np.log(middle[0]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["digits@1", "digits@3", "benchmarks/models/patches@1"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--solvers", nargs="+", default=["ddim", "unipc"])
    parser.add_argument("--nfe", nargs="+", type=int, default=[4, 6])
    parser.add_argument("--images", type=int, default=144, help="images of hso.tune, a third for its verdict")
    parser.add_argument("--judged", type=int, default=400, help="fresh images")
    options = parser.parse_args()
    print("| model | solver | NFE | way | distance | error | calls | shifts |\n|" + "---|" * 8)
    found: dict[str, list[float]] = {}
    for model in options.models:
        for line, ratio in lines(model, options):
            print(line, flush=True)
            found.setdefault(f"{model} | {line.split('|')[4].strip()}", []).append(ratio)
    print("\n| model | way | cells | mean ratio of distances | above 1 |\n|" + "---|" * 5)
    for title, several in found.items():
        print(f"| {title} | {len(several)} | {np.exp(np.mean(several)):.2f} | {sum(one > 0 for one in several)} |")


if __name__ == "__main__":
    main()
