"""Schedules found by replay against rules, tables and HSO: distance to the reference and error, on fresh images.

Every model is calibrated once, on images that are not judged. For each solver and number of calls the table has the best of
the rules in hindsight, the host's default (trailing), HSO's default without a calibration, and replay in several settings,
with the error that replay foretold. Distances are squared Frechet distances to the reference of 60 steps, in the model's
own features.

    python benchmarks/replay_study.py --models gaussian mixture
    python benchmarks/replay_study.py --models digits@3 --points 20 --images 32      # a cheaper calibration
    python benchmarks/replay_study.py --models digits@3 --from digits@1              # that of another guidance
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import hso
from hso.comparison.subjects import load_subject
from hso.comparison.subjects.base import TEACHER_IMAGES, LoopSubject, SubjectSettings
from hso.errors import HSOError
from hso.objectives import Replay
from hso.objectives.frechet import frechet_distance
from hso.rules import RULES, rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.solvers import make_solver

SETTINGS: dict[str, dict[str, Any]] = {
    "replay": {},
    "gains=prior": {"gains": "prior"},
    "gains=larger": {"gains": "larger"},
    "kappa=1": {"kappa": 1.0},
    "doubt=0": {"doubt": 0.0},
}
CALIBRATION_SEED = 77


class Judge:
    """A model's fresh images, their reference, and how far those of a schedule are from it."""

    def __init__(self, model: str, seed: int, images: int) -> None:
        self.subject = subject_of(model, seed)
        self.start = self.subject.begin(range(images))
        reference = rule_schedule("uniform_lambda", self.subject.noise, 60, CLEAN)
        self.reference = self.subject.sample("dpmpp_2m", reference, self.start)
        self.aim = self.moments(self.reference)

    def __call__(self, solver: str, schedule: SamplingSchedule) -> tuple[float, float]:
        """Squared Frechet distance and root mean square error."""
        images = self.subject.sample(solver, schedule, self.start)
        distance = frechet_distance(*self.moments(images), *self.aim)
        return float(distance), float(np.sqrt(np.mean((images - self.reference) ** 2)))

    def moments(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the features of images."""
        rows = self.subject.features(images)
        return rows.mean(axis=0), np.cov(rows, rowvar=False)


@dataclass
class Row:
    """A cell of the study: distances and errors by contestant, and the errors that were foretold."""

    title: str
    found: dict[str, tuple[float, float]]
    foretold: dict[str, float]

    def ratio(self, name: str, other: str) -> float:
        return self.found[name][0] / max(self.found[other][0], 1e-300)

    @property
    def best_rule(self) -> str:
        """The best of the rules and tables, in hindsight."""
        return min((name for name in self.found if name in RULES), key=lambda name: self.found[name][0])


def subject_of(model: str, seed: int) -> LoopSubject:
    name, _, guidance = model.partition("@")
    found = load_subject(SubjectSettings(name, guidance=float(guidance or 1), seed=seed))
    if not isinstance(found, LoopSubject):
        raise SystemExit(f"{model} is not sampled in this library's loop")
    return found


def calibration_of(model: str, points: int, images: int) -> hso.Calibration:
    subject = subject_of(model, CALIBRATION_SEED)
    chosen = range(TEACHER_IMAGES.start, TEACHER_IMAGES.start + images)
    noisiest = subject.noise.t_range[1]
    scale = math.hypot(float(subject.noise.alpha_t(noisiest)), float(subject.noise.sigma_t(noisiest)))
    x = subject.begin(chosen).noise * scale
    return hso.calibrate(subject.network(chosen), subject.noise, x, subject.prediction, points=points)


def rows(options: argparse.Namespace, model: str) -> Iterator[Row]:
    judge = Judge(model, options.seed, options.judged)
    calibration = calibration_of(options.source or model, options.points, options.images)
    print(f"\n## {model}: {calibration.calls} calls, agreement {calibration.agreement:.2f} {calibration.caution}\n")
    noise = judge.subject.noise
    for solver in options.solvers:
        for nfe in options.nfe:
            schedules = dict(_known(noise, solver, nfe))
            foretold = {}
            for name in options.settings:
                replay = Replay(calibration, **SETTINGS[name])
                result = hso.optimize(noise, nfe, solver=solver, objective=replay, strategy="free", terminal=CLEAN)
                schedules[name] = result.schedule
                function = replay.on(noise, make_solver(solver), CLEAN)
                foretold[name] = float(function.predict(result.schedule.lambdas).error)
            found = {name: judge(solver, schedule) for name, schedule in schedules.items()}
            yield Row(f"{solver} {nfe}", found, foretold)


def _known(noise: hso.NoiseSchedule, solver: str, nfe: int) -> Iterator[tuple[str, SamplingSchedule]]:
    for rule in RULES:
        try:
            yield rule, rule_schedule(rule, noise, nfe, CLEAN)
        except HSOError:
            continue
    yield "hso", hso.optimize(noise, nfe, solver=solver, terminal=CLEAN).schedule


def show(options: argparse.Namespace, model: str) -> None:
    names = ["trailing", "hso", *options.settings]
    print_head = True
    found = []
    for row in rows(options, model):
        if print_head:
            print("| cell | best rule | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 2) + "|")
            print_head = False
        cells = [_cell(row, name) for name in (row.best_rule, *names)]
        print(f"| {row.title} | {row.best_rule} " + " | ".join(cells) + " |", flush=True)
        found.append(row)
    for name in options.settings:
        against = {
            other: math.exp(np.mean([math.log(row.ratio(name, other)) for row in found]))
            for other in ("trailing", "hso")
        }
        against["the best rule in hindsight"] = math.exp(
            np.mean([math.log(row.ratio(name, row.best_rule)) for row in found])
        )
        worse = sum(row.ratio(name, "trailing") > 1 for row in found)
        ratios = ", ".join(f"{ratio:.3f} of {other}" for other, ratio in against.items())
        print(f"\n{name}: geometric means {ratios}; worse than trailing in {worse} of {len(found)}")


def _cell(row: Row, name: str) -> str:
    distance, error = row.found[name]
    foretold = f", foretold {row.foretold[name]:.3g}" if name in row.foretold else ""
    return f"{distance:.4g} ({error:.3g}{foretold})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["gaussian", "mixture", "digits-empirical"])
    parser.add_argument("--solvers", nargs="+", default=["ddim", "dpmpp_2m", "unipc"])
    parser.add_argument("--nfe", type=int, nargs="+", default=[4, 5, 6, 8, 10])
    parser.add_argument("--settings", nargs="+", default=["replay"], choices=SETTINGS)
    parser.add_argument("--judged", type=int, default=256, help="fresh images")
    parser.add_argument("--seed", type=int, default=2, help="of the fresh images")
    parser.add_argument("--points", type=int, default=56, help="points of the teacher")
    parser.add_argument("--images", type=int, default=64, help="images of the calibration")
    parser.add_argument("--from", dest="source", help="the model whose calibration is used")
    options = parser.parse_args()
    for model in options.models:
        show(options, model)


if __name__ == "__main__":
    main()
