"""Table 7 of the paper: the four configurations, their schedules and FID with UniPC and DDIM at NFE 4.

    python -m benchmarks.paper.table7                # about three minutes
    python -m benchmarks.paper.table7 --quick        # a small population for B
    python -m benchmarks.paper.table7 --images 0     # the first table only
    python -m benchmarks.paper.table7 --model sd2.1-base --data laion/images --captions laion/captions.txt --device cuda

A is DM-NonUniform's objective and local search, B its objective inside the bi-level search, C is MEP with A's local search,
Ours is MEP inside the bi-level search. The schedules are those of the model's own betas: for the bundled model these are
Stable Diffusion's. UniPC lands on t_min, DDIM on the clean sample.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.paper import options, recipe
from benchmarks.paper.host import noise_of
from benchmarks.paper.options import Options
from benchmarks.paper.published import ABLATION, SOLVERS
from benchmarks.paper.recipe import Cases
from benchmarks.paper.schedules import BASELINE, HSO, LANDINGS, METHODS

import hso
from hso.search import Bilevel

NFE, OURS = 4, "Ours"
QUICK = Bilevel(population=2, generations=1, lower_iterations=20)


def configurations(quick: bool) -> dict[str, Mapping[str, Any]]:
    """What each asks of :func:`hso.optimize`."""
    return {
        "A": METHODS[BASELINE],
        "B": {**METHODS[BASELINE], "strategy": QUICK if quick else Bilevel()},
        "C": {**METHODS[BASELINE], "objective": "mep"},
        OURS: METHODS[HSO],
    }


def searches(noise: hso.NoiseSchedule, quick: bool) -> Cases:
    """Print the schedules, and return them."""
    cases: dict[tuple[str, int], dict[str, hso.SamplingSchedule]] = {(solver, NFE): {} for solver in SOLVERS}
    recipe.head("configuration", "solver", "times", "lands on", "penalty", "seconds", "paper's FID")
    for name, how in configurations(quick).items():
        for solver, fid in zip(SOLVERS, ABLATION[name], strict=True):
            result = hso.optimize(noise, NFE, solver=solver, terminal=LANDINGS[solver], **how)
            cases[solver, NFE][name] = schedule = result.schedule
            end = "clean" if schedule.ends_clean else f"t = {schedule.terminal_time:.4g}"
            times = ", ".join(f"{t:.4f}" for t in schedule.times)
            recipe.line(name, solver, times, end, f"{result.penalty:.2g}", f"{result.seconds:.2f}", fid)
    return cases


def images(chosen: Options, cases: Cases) -> None:
    """Print the FIDs."""
    outcome = recipe.sampled(chosen, cases)
    recipe.say("")
    recipe.head("configuration", "paper: UniPC", "DDIM", "ours: UniPC", "DDIM")
    for name, paper in ABLATION.items():
        found = [recipe.fid(outcome, solver, NFE, name, "" if name == OURS else OURS) for solver in SOLVERS]
        recipe.line(name, *paper, *found)
    recipe.footnote(outcome)


def main(words: Sequence[str] | None = None) -> int:
    """Run and print."""
    return recipe.run(table, options.parser(__doc__), words)


def table(given: argparse.Namespace) -> None:
    """Print both tables."""
    chosen = options.read(given, "table7", "laion")
    cases = searches(noise_of(chosen.subject.model), chosen.quick)
    if chosen.images:
        images(chosen, cases)


if __name__ == "__main__":
    sys.exit(main())
