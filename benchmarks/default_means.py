r"""Which mean of the optimum of Eq. 8 and of equal steps in t is the default with few network calls?

A candidate is :math:`\lambda = (1 - s) \lambda^* + s \lambda_{trailing}`, where :math:`\lambda^*` is the optimum with a
free jump to the clean sample, with a costed one, or the mean of both; "host's" takes the first node of trailing. For
each kind of solver and model the table has the geometric mean of the ratio of the Frechet distance to that of trailing,
and in brackets the cells above trailing, and the largest ratio.

    python -m benchmarks.default_means                  # the images on which the default was chosen

Other images judge what was chosen: ``benchmarks/blind_default.py`` and ``benchmarks/calibrated.py``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from benchmarks.replay_study import Judge

import hso
from hso.objectives import MEP
from hso.rules import rule_schedule
from hso.schedule import SamplingSchedule
from hso.search.halfway import is_strong
from hso.solvers import make_solver

MODELS = (
    "digits@1",
    "digits@3",
    "digits@5",
    "digits@7.5",
    "benchmarks/models/patches@1",
    "benchmarks/models/patches@3",
)
SOLVERS, CALLS = ("ddim", "dpmpp_2m", "unipc"), (4, 5, 6)
SHARES = {"1/2": 1 / 2, "2/3": 2 / 3, "5/6": 5 / 6}
# The share of the optimum with a costed jump.
JUMPS = {"free": 0.0, "half": 0.5, "costed": 1.0}
FIRST = ("the mean", "the host's")


def candidates(noise: hso.NoiseSchedule, nfe: int, solver: str) -> Iterator[tuple[str, SamplingSchedule]]:
    """The schedules, with the parts that they are made of."""
    host = rule_schedule("trailing", noise, nfe).lambdas
    best = {
        jump: hso.optimize(noise, nfe, solver=solver, objective=MEP(jump=jump)).schedule.lambdas
        for jump in ("free", "costed")
    }
    for share, s in SHARES.items():
        for jump, costed in JUMPS.items():
            for first in FIRST:
                lambdas = (1 - s) * (costed * best["costed"] + (1 - costed) * best["free"]) + s * host
                if first != FIRST[0]:
                    lambdas[0] = host[0]
                yield f"{share} | {jump} | {first}", SamplingSchedule.from_times(noise, noise.time(lambdas))


def kind(solver: str, noise: hso.NoiseSchedule) -> str:
    """What the default depends on."""
    if not make_solver(solver).carries_outputs:
        return "carries no outputs"
    strong = is_strong(noise.traits)
    strength = "guidance above 5" if strong else "guidance up to 5" if noise.traits.is_guided else "no guidance"
    return f"carries outputs, {strength}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    found: dict[tuple[str, str], list[float]] = {}
    for model in options.models:
        judge = Judge(model, options.seed, options.images)
        noise = judge.subject.noise
        for solver, nfe in ((solver, nfe) for solver in SOLVERS for nfe in CALLS):
            host = judge(solver, rule_schedule("trailing", noise, nfe))[0]
            for name, schedule in candidates(noise, nfe, solver):
                found.setdefault((kind(solver, noise), name), []).append(judge(solver, schedule)[0] / host)
            print(f"{model}, {solver} with {nfe} calls: done", flush=True)
    print("\n| solver and model | part of the way | jump | first node | ratio to trailing |\n|" + "---|" * 5)
    for (title, name), ratios in sorted(found.items()):
        mean, above = np.exp(np.mean(np.log(ratios))), sum(ratio > 1 for ratio in ratios)
        print(f"| {title} | {name} | {mean:.2f} ({above} of {len(ratios)}, {max(ratios):.2f}) |")


if __name__ == "__main__":
    main()
