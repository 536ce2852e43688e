"""Tables 3 and 5 of the paper: the ends the search finds, and that rho* cannot be identified.

    python benchmarks/table3.py

Runs both bi-level strategies on the DDPM-linear noise schedule with five seeds (bilevel) and one (published), and prints
psi* beside the paper's, then the range of fitness over rho at the best ends. Takes about two minutes.
"""

from __future__ import annotations

import numpy as np

import hso
from hso.objectives import MEP, d_min
from hso.search import Box, Problem
from hso.search.bilevel import LowerLevel

PAPER = {4: (8.8431, 0.03, 0.96), 6: (6.5085, 0.01000187, 0.9999368), 8: (12.4163, 0.01000035, 0.9998941)}
PAPER[10] = (11.6272, 0.0102511, 0.9999527)
SEEDS = (0, 1, 2, 3, 4)


def spread_over_rho(noise: hso.NoiseSchedule, nfe: int, result: hso.Result) -> float:
    """Relative range of the fitness when rho runs through its box at the ends that the search found."""
    problem = Problem(MEP(noise), nfe, "t_min", Box(), d_min(nfe))
    rho = np.linspace(3, 16, 131)
    psi = np.stack([rho, np.full_like(rho, result.psi.t_min), np.full_like(rho, result.psi.t_max)], axis=1)
    fitness = LowerLevel(problem, 80).fitness(psi)
    return float(np.ptp(fitness) / fitness.min())


def main() -> None:
    noise = hso.NoiseSchedule.preset("ddpm")
    print("| NFE | t_min*, t_max* paper | published | bilevel | rho* paper | published | bilevel, seeds 0-4 | spread of F |")
    print("|---|---|---|---|---|---|---|---|")
    for nfe, (rho, t_min, t_max) in PAPER.items():
        published = hso.optimize(noise, nfe, solver="unipc", strategy="published")
        runs = [hso.optimize(noise, nfe, solver="unipc", strategy="bilevel", seed=seed) for seed in SEEDS]
        rhos = ", ".join(f"{run.psi.rho:.1f}" for run in runs)
        print(
            f"| {nfe} | {t_min:.5f}, {t_max:.5f} | {published.psi.t_min:.5f}, {published.psi.t_max:.5f} | "
            f"{runs[0].psi.t_min:.5f}, {runs[0].psi.t_max:.5f} | {rho:.1f} | {published.psi.rho:.1f} | {rhos} | "
            f"{spread_over_rho(noise, nfe, runs[0]):.0e} |",
            flush=True,
        )
    print("\nTable 5, NFE 4 with DDIM: paper [959, 716, 370, 30]")
    for strategy in ("published", "bilevel", "exact"):
        times = hso.optimize(noise, 4, solver="ddim", strategy=strategy).schedule.times
        print(f"{strategy}: t = {times.round(5).tolist()}, round(999 t) = {np.round(999 * times).astype(int).tolist()}")


if __name__ == "__main__":
    main()
