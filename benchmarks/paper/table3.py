"""Table 3 of the paper: the ends the search finds, and that rho* cannot be identified.

    python benchmarks/paper/table3.py            # about two minutes
    python benchmarks/paper/table3.py --quick    # without the published strategy

Runs both bi-level strategies on the DDPM-linear noise schedule with five seeds (bilevel) and one (published), and prints
psi* beside the paper's, then the range of fitness over rho at the best ends. The column FID of the table needs weights.
"""

from __future__ import annotations

import argparse

import numpy as np

import hso
from hso.objectives import MEP, d_min
from hso.search import Box, Problem, Psi
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


def ends(psi: Psi | None) -> str:
    return f"{psi.t_min:.5f}, {psi.t_max:.5f}" if psi else "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave the published strategy out")
    quick = parser.parse_args().quick
    noise = hso.NoiseSchedule.preset("ddpm")
    print(
        "| NFE | t_min*, t_max* paper | published | bilevel | rho* paper | published | bilevel, seeds 0-4 | spread of F |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for nfe, (rho, t_min, t_max) in PAPER.items():
        published = None if quick else hso.optimize(noise, nfe, solver="unipc", strategy="published").psi
        runs = [hso.optimize(noise, nfe, solver="unipc", strategy="bilevel", seed=seed) for seed in SEEDS]
        rhos = ", ".join(f"{run.psi.rho:.1f}" for run in runs)
        print(
            f"| {nfe} | {t_min:.5f}, {t_max:.5f} | {ends(published)} | "
            f"{ends(runs[0].psi)} | {rho:.1f} | {published.rho if published else float('nan'):.1f} | {rhos} | "
            f"{spread_over_rho(noise, nfe, runs[0]):.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
