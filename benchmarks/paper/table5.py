"""Table 5 of the paper: the printed schedules, their spacing, and their MEP.

    python benchmarks/paper/table5.py

The paper's schedule with penalty is found on the DDPM-linear betas with round(999 t) as index. Its schedule without
penalty, [999, 70, 9, 9], is no minimizer of Eq. 8: the unpenalized search is shown beside it. FID needs weights:
``hso compare`` with a model and these schedules.
"""

from __future__ import annotations

import numpy as np

import hso
from hso.objectives import MEP
from hso.search import Box

WITH, WITHOUT = [959, 716, 370, 30], [999, 70, 9, 9]


def row(name: str, indices: list[int], mep: float) -> None:
    gaps = -np.diff(indices)
    print(f"| {name} | {indices} | {gaps.min():.1f} / {gaps.mean():.1f} | {mep:.3f} |")


def mep_of(noise: hso.NoiseSchedule, indices: list[int]) -> float:
    """MEP of the distinct knots at t = n / 999."""
    return float(MEP(noise).value(noise.lambda_(np.unique(np.array(indices) / 999)[::-1])))


def main() -> None:
    noise = hso.NoiseSchedule.preset("ddpm")
    print("| schedule | round(999 t) | spacing min / mean | MEP |\n|---|---|---|---|")
    row("paper, with penalty", WITH, mep_of(noise, WITH))
    for strategy in ("published", "bilevel", "exact"):
        result = hso.optimize(noise, 4, solver="ddim", strategy=strategy)
        row(strategy, np.round(999 * result.schedule.times).astype(int).tolist(), result.objective)
    row("paper, without penalty", WITHOUT, mep_of(noise, WITHOUT))
    ends = Box(t_min=(9 / 999, 9 / 999), t_max=(1.0, 1.0))
    same = hso.optimize(noise, 4, solver="ddim", box=ends, d_min=0.0)
    row("least MEP between those ends", np.round(999 * same.schedule.times).astype(int).tolist(), same.objective)
    free = hso.optimize(noise, 4, solver="ddim", strategy="bilevel", d_min=0.0)
    row("bilevel, without penalty", np.round(999 * free.schedule.times).astype(int).tolist(), free.objective)


if __name__ == "__main__":
    main()
