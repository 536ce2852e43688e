"""Can a schedule that does not know the model be better than the default? Some of them on models they do not know.

- *hso* is the default of `hso.optimize` without a calibration: a mean of the optimum of Eq. 8 and of equal steps in t.
- *exact* is that optimum, and *free* and *costed* are it with the jump to the clean sample free or costed.
- *spectrum* is replay on Gaussian images with power-law spectra. It knows the solver, and no model.
- *others* is replay on calibrations of the other models of the list, the judged model left out.

Spectrum and others minimize the mean of log(J + 0.001) over their calibrations, so that none of these decides alone.

For each model the table has the Frechet distance to the reference of 60 steps, divided by that of the best rule or table
of the cell, in hindsight. Last come geometric means and the number of cells that are worse than the host's default
(trailing).

    python -m benchmarks.blind_default --models gaussian mixture digits-empirical
    python -m benchmarks.blind_default --models digits@1 benchmarks/models/patches@1 mixture --judge digits@1 --judged 150
    python -m benchmarks.blind_default --models digits@3 --goals hso exact --nfe 4 6 8 10 --judged 100
    python -m benchmarks.blind_default --models mixture --goals hso exact --terminal t_min --solvers deis unipc
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.replay_study import Judge, calibration_of

import hso
from hso.errors import HSOError
from hso.models.gaussian import GaussianModel
from hso.noise.base import Array
from hso.objectives import MEP, Objective, Replay, SmoothFunction
from hso.objectives.base import Ends
from hso.rules import RULES, rule_schedule
from hso.schedule import CLEAN, TERMINALS, SamplingSchedule
from hso.solvers import Solver

# Exponent of the spectrum, and deviation of a pixel: images in [-1, 1], latents of unit variance, smooth images.
SPECTRA = ((2.0, 0.5), (2.0, 1.0), (3.0, 0.5))
HOST, IMAGES, SIDE = "trailing", 64, 16
# Below this share of the variance an error decides nothing.
FLOOR = 1e-3


class Together(SmoothFunction):
    """The mean of log(J + FLOOR) over several functions of the knots."""

    def __init__(self, noise: hso.NoiseSchedule, parts: Sequence[SmoothFunction]) -> None:
        self.noise, self.parts = noise, parts

    def value(self, knots: Array) -> Array:
        return self.value_and_gradient(knots)[0]

    def gradient(self, knots: Array) -> Array:
        return self.value_and_gradient(knots)[1]

    def value_and_gradient(self, knots: Array) -> tuple[Array, Array]:
        found = [part.value_and_gradient(knots) for part in self.parts]
        value = np.mean([np.log(value + FLOOR) for value, _ in found], axis=0)
        return value, np.mean([slope / (value + FLOOR)[..., None] for value, slope in found], axis=0)


@dataclass(frozen=True)
class Ensemble(Objective):
    """Replay on several calibrations, which need not be of the model that is sampled."""

    calibrations: tuple[hso.Calibration, ...]

    name = "ensemble"
    strategy = "free"

    def ends(self, noise: hso.NoiseSchedule, start: float | None = None) -> Ends:
        return Replay(self.calibrations[0]).ends(noise, start)

    def on(self, noise: hso.NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> Together:
        # In z and lambda a calibration does not depend on the path, so that it may be read on another noise schedule.
        lent = [dataclasses.replace(one, noise_fingerprint=noise.fingerprint) for one in self.calibrations]
        return Together(noise, [Replay(one).on(noise, solver, terminal, start) for one in lent])


def spectrum(noise: hso.NoiseSchedule) -> tuple[hso.Calibration, ...]:
    """Calibrations of Gaussian images."""
    top = noise.t_range[1]
    scale = float(np.hypot(noise.alpha_t(top), noise.sigma_t(top)))
    x = scale * np.random.default_rng(0).standard_normal((IMAGES, SIDE * SIDE))
    return tuple(hso.calibrate(GaussianModel.power_law(SIDE, *one).x0, noise, x, "sample") for one in SPECTRA)


def goals(names: Sequence[str], noise: hso.NoiseSchedule, others: Sequence[hso.Calibration]) -> dict[str, Any]:
    """What these names ask of `hso.optimize`."""
    made: dict[str, Callable[[], Any]] = {
        "hso": dict,
        "exact": lambda: {"strategy": "exact"},
        "free": lambda: {"objective": MEP(jump="free")},
        "costed": lambda: {"objective": MEP(jump="costed")},
        "spectrum": lambda: {"objective": Ensemble(spectrum(noise))},
        "others": lambda: {"objective": Ensemble(tuple(others))},
    }
    return {name: made[name]() for name in names}


def rows(options: argparse.Namespace, model: str, others: Sequence[hso.Calibration]) -> list[dict[str, float]]:
    """The ratios to the best rule in each cell."""
    judge = Judge(model, 2, options.judged)
    noise, found = judge.subject.noise, []
    asked = goals(options.goals, noise, others)
    for solver in options.solvers:
        for nfe in options.nfe:
            schedules = _rules(options.rules, noise, nfe)
            known = {name: judge(solver, schedule)[0] for name, schedule in schedules.items()}
            best = min(known.values())
            ratios = {HOST: known[HOST] / best}
            for name, more in asked.items():
                schedule = hso.optimize(noise, nfe, solver=solver, terminal=options.terminal, **more).schedule
                ratios[name] = judge(solver, schedule)[0] / best
            print(f"| {model} | {solver} | {nfe} | " + _row(ratios), flush=True)
            found.append(ratios)
    return found


def _rules(names: Sequence[str], noise: hso.NoiseSchedule, nfe: int) -> dict[str, SamplingSchedule]:
    found = {}
    for rule in names:
        try:
            found[rule] = rule_schedule(rule, noise, nfe, CLEAN)
        except HSOError:
            # Tables serve some numbers of nodes only.
            continue
    return found


def _row(figures: Mapping[str, float]) -> str:
    return " | ".join(f"{figure:.2f}" for figure in figures.values()) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["gaussian", "mixture", "digits-empirical"])
    parser.add_argument("--judge", nargs="+", help="judge these only, of the models")
    parser.add_argument("--judged", type=int, default=500, help="fresh images")
    parser.add_argument("--goals", nargs="+", default=["hso", "spectrum", "others"], help="also exact, free, costed")
    parser.add_argument("--solvers", nargs="+", default=["ddim", "dpmpp_2m", "unipc"])
    parser.add_argument("--nfe", type=int, nargs="+", default=[4, 6, 10])
    parser.add_argument("--terminal", choices=TERMINALS, default=CLEAN, help="of the goals; rules land clean")
    parser.add_argument("--rules", nargs="+", default=RULES, help="rules and tables to compare with, trailing too")
    options = parser.parse_args()
    needed = options.models if "others" in options.goals else []
    calibrations = {model: calibration_of(model, 56, IMAGES) for model in needed}
    names = (HOST, *options.goals)
    print(f"| model | solver | NFE | {' | '.join(names)} |\n" + "|---" * (3 + len(names)) + "|")
    for model in options.judge or options.models:
        found = rows(options, model, [one for name, one in calibrations.items() if name != model])
        means = {name: float(np.exp(np.mean([np.log(row[name]) for row in found]))) for name in names}
        print(f"| {model} | geometric mean | | " + _row(means))
        worse = [str(sum(row[name] > row[HOST] for row in found)) for name in names]
        print(f"| {model} | worse than trailing | of {len(found)} | {' | '.join(worse)} |", flush=True)


if __name__ == "__main__":
    main()
