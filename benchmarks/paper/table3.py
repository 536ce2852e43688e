"""Table 3 of the paper: the ends the search finds, that rho* cannot be identified, and FID at NFE 4 to 10.

    python -m benchmarks.paper.table3                # about four minutes
    python -m benchmarks.paper.table3 --quick        # without the published strategy
    python -m benchmarks.paper.table3 --images 0     # the first table only
    python -m benchmarks.paper.table3 --model sd2.1-base --data laion/images --captions laion/captions.txt --device cuda

The first table runs both bi-level strategies on the DDPM-linear noise schedule with five seeds (bilevel) and one
(published), and prints psi* beside the paper's, then the range of fitness over rho at the best ends. The second samples,
with UniPC landing on t_min, the schedules of the model that the paper's psi* leads to, those of ``bilevel`` and those of
``exact``, which keeps the spacing rule that the others break from NFE 5 or 6 on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from benchmarks.paper import options, recipe
from benchmarks.paper.host import noise_of
from benchmarks.paper.options import Options
from benchmarks.paper.published import OPTIMA
from benchmarks.paper.schedules import EXACT, HSO, LANDINGS, METHODS, found_by

import hso
from hso.comparison.contestants import PUBLISHED_MEP
from hso.objectives import d_min
from hso.objectives.mep import MidpointSum
from hso.search import Box, Constraints, Problem, Psi
from hso.search.bilevel import LowerLevel

SEEDS = (0, 1, 2, 3, 4)
SOLVER, AT_PSI = "unipc", "psi"


def lower_level(noise: hso.NoiseSchedule, nfe: int) -> LowerLevel:
    """What leads from psi to knots, with p = 2."""
    return LowerLevel(Problem(MidpointSum(noise), nfe, "t_min", Constraints(Box(), d_min(nfe))), 80)


def spread_over_rho(noise: hso.NoiseSchedule, nfe: int, found: Psi) -> float:
    """Relative range of the fitness when rho runs through its box at the ends that the search found."""
    rho = np.linspace(3, 16, 131)
    psi = np.stack([rho, np.full_like(rho, found.t_min), np.full_like(rho, found.t_max)], axis=1)
    fitness = lower_level(noise, nfe).fitness(psi)
    return float(np.ptp(fitness) / fitness.min())


def at_psi(noise: hso.NoiseSchedule, nfe: int, psi: Psi) -> hso.SamplingSchedule:
    """The schedule that psi leads to."""
    knots = lower_level(noise, nfe).solve(np.array([psi]))[0]
    return hso.SamplingSchedule.from_knots(noise, knots, "t_min")


def ends(psi: Psi | None) -> str:
    return f"{psi.t_min:.5f}, {psi.t_max:.5f}" if psi else "-"


def searches(quick: bool) -> None:
    """Print what the searches find."""
    noise = hso.NoiseSchedule.preset("ddpm")
    columns = ("t_min*, t_max* paper", "published", "bilevel", "rho* paper", "published", "bilevel, seeds 0-4")
    recipe.head("NFE", *columns, "spread of F")
    for nfe, paper in OPTIMA.items():
        published = (
            None
            if quick
            else hso.optimize(noise, nfe, solver=SOLVER, strategy="published", objective=PUBLISHED_MEP).psi
        )
        how = {"solver": SOLVER, "terminal": LANDINGS[SOLVER], **METHODS[HSO]}
        runs = [hso.optimize(noise, nfe, seed=seed, **how).psi for seed in SEEDS]
        rhos = ", ".join(f"{psi.rho:.1f}" for psi in runs)
        rho = f"{published.rho:.1f}" if published else "-"
        spread = f"{spread_over_rho(noise, nfe, runs[0]):.0e}"
        recipe.line(nfe, ends(paper.psi), ends(published), ends(runs[0]), f"{paper.psi.rho:.1f}", rho, rhos, spread)


def images(chosen: Options) -> None:
    """Print the FIDs."""
    noise = noise_of(chosen.subject.model)
    cases = {
        (SOLVER, nfe): {AT_PSI: at_psi(noise, nfe, paper.psi), **found_by((EXACT, HSO), noise, nfe, SOLVER)}
        for nfe, paper in OPTIMA.items()
    }
    outcome = recipe.sampled(chosen, cases)
    recipe.say("")
    recipe.head("NFE", "paper's FID", "ours: at the paper's psi*", "exact", "HSO")
    for nfe, paper in OPTIMA.items():
        found = [recipe.fid(outcome, SOLVER, nfe, name, HSO) for name in (AT_PSI, EXACT)]
        recipe.line(nfe, paper.fid, *found, recipe.fid(outcome, SOLVER, nfe, HSO))
    recipe.footnote(outcome)


def main(words: Sequence[str] | None = None) -> int:
    """Run and print."""
    return recipe.run(table, options.parser(__doc__), words)


def table(given: argparse.Namespace) -> None:
    """Print both tables."""
    recipe.both(options.read(given, "table3", "laion"), searches, images)


if __name__ == "__main__":
    sys.exit(main())
