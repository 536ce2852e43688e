r"""Does it pay to tell the network another noise level than that of its state?

At call c the state lies at :math:`\lambda_c`, and the network is told :math:`\lambda_c + \delta_c` (Timestep Aligner, Xia
et al., 2023, arXiv 2310.09469; LD3, Tong et al., 2024, arXiv 2405.15506). Nodes and solver stay as they are. The shifts
:math:`\delta` are searched by real runs, with Powell's method and a budget that no calibration would need. So what comes
out is more than what a calibration with a second axis of probes could find. Fresh images judge.

For each cell the table has the Frechet distance (in the model's features) and the mean square error to the teacher with
shifts, divided by the same without, with 95 % intervals of a jackknife over images. "learned" has coefficients that
were learned on a calibration (strategy "learned"); its shifts are searched on top of that.

    python -m benchmarks.told_time --models digits@1 digits@3 benchmarks/models/patches@1 --nfe 4 6
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from benchmarks.replay_study import calibration_of, subject_of
from scipy.optimize import minimize
from scipy.stats import t

import hso
from hso.comparison.subjects.base import TUNING_IMAGES
from hso.models.images import Batch
from hso.models.recording import Model
from hso.noise.base import Array, as_array
from hso.objectives.frechet import frechet_distance
from hso.rules import rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.solvers import Node, Solver, make_solver, nodes, sample

# Weight of the error beside the distance in the search, as in hso.tune.
KAPPA = 0.1
GROUPS = 16


@dataclass(frozen=True)
class Told:
    """A network that is told other noise levels than those of its states."""

    model: Model
    noise: hso.NoiseSchedule
    shifts: Array

    def __call__(self, x: object, node: Node) -> object:
        low, high = self.noise.lambda_(np.array(self.noise.t_range))[::-1]
        told = np.clip(node.lambda_ + self.shifts[node.index], low, high)
        moved = nodes(self.noise, SamplingSchedule.from_knots(self.noise, np.array([told]), CLEAN))[0]
        return self.model(x, moved._replace(index=node.index))


class Runs:
    """Real runs on some images, and the teacher's."""

    def __init__(self, model: str, first: int, count: int) -> None:
        self.subject = subject_of(model, 0)
        self.batches: list[Batch] = [
            self.subject.images(first, count, 32).batch(range(low, min(low + 32, count))) for low in range(0, count, 32)
        ]

    @cached_property
    def teacher(self) -> Array:
        plan = rule_schedule("uniform_lambda", self.subject.noise, 60, CLEAN)
        return self.rows(make_solver("dpmpp_2m"), plan, None)

    def rows(self, solver: Solver, schedule: SamplingSchedule, shifts: Array | None) -> Array:
        """Features of the ends."""
        noise, found = self.subject.noise, []
        start = nodes(noise, schedule)[0]
        noisiest = noise.t_range[1]
        whole = float(np.hypot(noise.alpha_t(noisiest), noise.sigma_t(noisiest)))
        own: Any = self.subject.state_features
        features = own or (lambda states: states.reshape(len(states), -1))
        for model, x in self.batches:
            told = model if shifts is None else Told(model, noise, shifts)
            begin = x * (float(np.hypot(start.alpha, start.sigma)) / whole)
            end = sample(solver, told, noise, schedule, begin, prediction=self.subject.prediction)
            found.append(as_array(features(end)))
        return np.concatenate(found)


def figures(rows: Array, teacher: Array) -> Array:
    """Squared Frechet distance, and mean square error."""
    one, other = ((each.mean(axis=0), np.cov(each, rowvar=False)) for each in (rows, teacher))
    return np.array([frechet_distance(*one, *other), np.square(rows - teacher).sum(axis=1).mean()])


def searched(runs: Runs, solver: Solver, schedule: SamplingSchedule, budget: int) -> Array:
    """The shifts that are best on some images."""

    def loss(shifts: Array) -> float:
        distance, error = figures(runs.rows(solver, schedule, shifts), runs.teacher)
        return float(distance + KAPPA * error)

    count = schedule.nfe
    options = {"maxfev": budget, "direc": 0.2 * np.eye(count), "xtol": 1e-2, "ftol": 1e-3}
    return np.asarray(minimize(loss, np.zeros(count), method="Powell", options=options).x)


def cells(options: argparse.Namespace) -> Iterator[str]:
    for model in options.models:
        tuning = Runs(model, TUNING_IMAGES, options.images)
        fresh = Runs(model, 0, options.judged)
        calibration = calibration_of(model, 56, 64)
        for name, nfe, strategy in (
            (name, nfe, way) for name in options.solvers for nfe in options.nfe for way in ("free", "learned")
        ):
            made = hso.optimize(tuning.subject.noise, nfe, solver=name, strategy=strategy, calibration=calibration)
            shifts = searched(tuning, made.solver, made.schedule, options.budget)
            told, plain = (fresh.rows(made.solver, made.schedule, one) for one in (shifts, None))
            middle, (low, high) = ratios(told, plain, fresh.teacher)
            spans = " | ".join(f"{m:.2f} ({a:.2f} to {b:.2f})" for m, a, b in zip(middle, low, high, strict=True))
            yield f"| {model} | {name} | {nfe} | {strategy} | {spans} | {' '.join(f'{one:+.2f}' for one in shifts)} |"


def ratios(told: Array, plain: Array, teacher: Array) -> tuple[Array, Array]:
    """Distance and error, divided by those of others, and the ends of jackknife intervals of the logarithms."""
    groups = np.arange(len(teacher)) * GROUPS // len(teacher)

    def of(chosen: Any) -> Array:
        return np.log(figures(told[chosen], teacher[chosen]) / figures(plain[chosen], teacher[chosen]))

    middle = of(slice(None))
    without = np.array([of(groups != group) for group in range(GROUPS)])
    width = t.ppf(0.975, GROUPS - 1) * np.sqrt((GROUPS - 1) * without.var(axis=0))
    return np.exp(middle), np.exp([middle - width, middle + width])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["digits@1", "digits@3", "benchmarks/models/patches@1"])
    parser.add_argument("--solvers", nargs="+", default=["ddim", "unipc"])
    parser.add_argument("--nfe", nargs="+", type=int, default=[4, 6])
    parser.add_argument("--images", type=int, default=128, help="images that shifts are searched on")
    parser.add_argument("--judged", type=int, default=512, help="fresh images")
    parser.add_argument("--budget", type=int, default=120, help="runs of a search")
    print("| model | solver | NFE | strategy | distance | error | shifts |\n|" + "---|" * 7)
    for line in cells(parser.parse_args()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
