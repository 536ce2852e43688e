"""Free search on replay against Nelder-Mead: seconds and values reached, for the same objective.

Nelder-Mead searches the logarithms of the gaps from three starts, without gradients, as was done first; free search has
gradients and descends from many starts at once.

    python benchmarks/replay_search.py [--nfe 4 6 10] [--solvers ddim unipc]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.optimize import minimize

from hso.calibrate import calibrate
from hso.models.gaussian import GaussianModel
from hso.noise import NoiseSchedule
from hso.objectives import Replay, SmoothFunction
from hso.rules import rule_schedule
from hso.schedule import CLEAN
from hso.search import Constraints, Free, Problem
from hso.search.free import known_schedules
from hso.solvers import make_solver

STARTS = ("trailing", "uniform_lambda", "edm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nfe", type=int, nargs="+", default=[4, 6, 10])
    parser.add_argument("--solvers", nargs="+", default=["ddim", "dpmpp_2m", "unipc"])
    options = parser.parse_args()
    noise = NoiseSchedule.preset("sd1.5")
    x = np.random.default_rng(0).standard_normal((64, 1, 16, 16))
    model = GaussianModel(0.0, GaussianModel.power_law(16).variance.reshape(1, 16, 16))
    scale = float(np.hypot(noise.alpha_t(1.0), noise.sigma_t(1.0)))
    replay = Replay(calibrate(lambda x, node: np.tanh(model.x0(x, node)), noise, x * scale, "sample"))
    print("| solver | NFE | free: J | seconds | schedules | Nelder-Mead: J | seconds | schedules | seconds, ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for solver in options.solvers:
        for nfe in options.nfe:
            print(_row(replay, noise, solver, nfe), flush=True)


def _row(replay: Replay, noise: NoiseSchedule, solver: str, nfe: int) -> str:
    function = replay.on(noise, make_solver(solver), CLEAN)
    problem = Problem(function, nfe, CLEAN, Constraints().filled_in(noise, replay, replay.distance(nfe)))
    starts = np.stack(list(known_schedules(problem)))
    begin = time.perf_counter()
    found = Free().minima(problem, starts)
    free = time.perf_counter() - begin
    begin = time.perf_counter()
    value, evaluations = _nelder_mead(function, noise, nfe)
    simplex = time.perf_counter() - begin
    mine = f"{found.values[0]:.3g} | {free:.2f} | {found.evaluations}"
    return f"| {solver} | {nfe} | {mine} | {value:.3g} | {simplex:.2f} | {evaluations} | {simplex / free:.1f} |"


def _nelder_mead(function: SmoothFunction, noise: NoiseSchedule, nfe: int) -> tuple[float, int]:
    """The best value from the starts, and the schedules that were judged."""
    low, high = noise.lambda_(list(noise.t_range[::-1])).tolist()
    latest = float(noise.lambda_(0.5))

    def value(place: np.ndarray) -> float:
        knots = place[0] + np.concatenate(([0.0], np.cumsum(np.exp(place[1:]))))
        beyond = max(low - knots[0], knots[0] - latest, knots[-1] - high)
        return float(function.value(knots)) if beyond <= 0 else 10.0 + beyond

    best, evaluations = np.inf, 0
    for rule in STARTS:
        knots = rule_schedule(rule, noise, nfe, CLEAN).lambdas
        start = np.concatenate((knots[:1], np.log(np.diff(knots))))
        options = {"maxfev": 4000, "xatol": 1e-4, "fatol": 1e-9, "adaptive": True}
        found = minimize(value, start, method="Nelder-Mead", options=options)
        best, evaluations = min(best, float(found.fun)), evaluations + int(found.nfev)
    return best, evaluations


if __name__ == "__main__":
    main()
