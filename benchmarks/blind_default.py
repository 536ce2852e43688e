"""Can a schedule that does not know the model be better than the default? Three of them on models they do not know.

- *hso* is the default of `hso.optimize` without a calibration.
- *spectrum* is the objective "ensemble" on Gaussian images with power-law spectra. It knows the solver, and no model.
- *others* is "ensemble" on calibrations of the other models of the list, the judged model left out.

For each model the table has the Frechet distance to the reference of 60 steps, divided by that of the best rule or table
of the cell, in hindsight. Last come geometric means and the number of cells that are worse than the host's default
(trailing).

    python -m benchmarks.blind_default --models gaussian mixture digits-empirical
    python -m benchmarks.blind_default --models digits@1 benchmarks/models/patches@1 mixture --judge digits@1 --judged 150
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
from benchmarks.replay_study import Judge, calibration_of

import hso
from hso.errors import HSOError
from hso.models.gaussian import GaussianModel
from hso.objectives import Ensemble
from hso.rules import RULES, rule_schedule
from hso.schedule import CLEAN, SamplingSchedule

SOLVERS, BUDGETS = ("ddim", "dpmpp_2m", "unipc"), (4, 6, 10)
# Exponent of the spectrum, and deviation of a pixel: images in [-1, 1], latents of unit variance, smooth images.
SPECTRA = ((2.0, 0.5), (2.0, 1.0), (3.0, 0.5))
HOST, IMAGES, SIDE = "trailing", 64, 16


def spectrum(noise: hso.NoiseSchedule) -> tuple[hso.Calibration, ...]:
    """Calibrations of Gaussian images."""
    top = noise.t_range[1]
    scale = float(np.hypot(noise.alpha_t(top), noise.sigma_t(top)))
    x = scale * np.random.default_rng(0).standard_normal((IMAGES, SIDE * SIDE))
    return tuple(hso.calibrate(GaussianModel.power_law(SIDE, *one).x0, noise, x, "sample") for one in SPECTRA)


def rows(model: str, others: Sequence[hso.Calibration], judged: int) -> list[dict[str, float]]:
    """The ratios to the best rule in each cell."""
    judge = Judge(model, 2, judged)
    noise, found = judge.subject.noise, []
    goals = {"hso": None, "spectrum": Ensemble(spectrum(noise)), "others": Ensemble(tuple(others))}
    for solver in SOLVERS:
        for nfe in BUDGETS:
            known = {name: judge(solver, schedule)[0] for name, schedule in _rules(noise, nfe).items()}
            best = min(known.values())
            ratios = {HOST: known[HOST] / best}
            for name, goal in goals.items():
                schedule = hso.optimize(noise, nfe, solver=solver, objective=goal, terminal=CLEAN).schedule
                ratios[name] = judge(solver, schedule)[0] / best
            print(f"| {model} | {solver} | {nfe} | " + _row(ratios), flush=True)
            found.append(ratios)
    return found


def _rules(noise: hso.NoiseSchedule, nfe: int) -> dict[str, SamplingSchedule]:
    found = {}
    for rule in RULES:
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
    options = parser.parse_args()
    calibrations = {model: calibration_of(model, 56, IMAGES) for model in options.models}
    names = (HOST, "hso", "spectrum", "others")
    print(f"| model | solver | NFE | {' | '.join(names)} |\n" + "|---" * (3 + len(names)) + "|")
    for model in options.judge or options.models:
        found = rows(model, [one for name, one in calibrations.items() if name != model], options.judged)
        means = {name: float(np.exp(np.mean([np.log(row[name]) for row in found]))) for name in names}
        print(f"| {model} | geometric mean | | " + _row(means))
        worse = [str(sum(row[name] > row[HOST] for row in found)) for name in names]
        print(f"| {model} | worse than trailing | of {len(found)} | {' | '.join(worse)} |", flush=True)


if __name__ == "__main__":
    main()
