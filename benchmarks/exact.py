"""The exact strategy over budgets: feasibility, fitness against bilevel, and time.

    python benchmarks/exact.py

For NFE 2 to 30, both terminals and three noise schedules: is the spacing kept, is the fitness never above bilevel's, what
does a call take on either grid. Then the time from NFE 10 to 1000 without spacing, where every size is feasible. Exits
with 1 if a schedule is infeasible or above bilevel's, a call takes 150 ms, or time grows faster than NFE.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

import hso
from hso.search import Exact

NOISES = ("ddpm", "sd2.1", "pixart-alpha")
BUDGETS = range(2, 31)
SIZES = (10, 30, 100, 300, 1000)


def seconds(noise: hso.NoiseSchedule, nfe: int, grid: str, **options: Any) -> float:
    """Median of five calls after a warm-up."""
    runs = [hso.optimize(noise, nfe, strategy=Exact(grid), **options).seconds for _ in range(6)]
    return statistics.median(runs[1:])


def budgets() -> tuple[int, float, float]:
    """How many problems are infeasible, the largest excess over bilevel, the slowest median call."""
    infeasible, excess, slowest = 0, -1.0, 0.0
    print("| NFE | exact, continuous ms | exact, training grid ms | largest excess over bilevel | infeasible of 6 |")
    print("|---|---|---|---|---|")
    for nfe in BUDGETS:
        row_excess, row_infeasible, times = -1.0, 0, {"continuous": 0.0, "training": 0.0}
        for name in NOISES:
            noise = hso.NoiseSchedule.preset(name)
            for terminal in ("clean", "t_min"):
                exact = hso.optimize(noise, nfe, terminal=terminal, strategy="exact")
                bilevel = hso.optimize(noise, nfe, terminal=terminal, strategy="bilevel")
                row_excess = max(row_excess, exact.fitness / bilevel.fitness - 1)
                row_infeasible += not exact.feasible
                for grid, so_far in list(times.items()):
                    times[grid] = max(so_far, seconds(noise, nfe, grid, terminal=terminal))
        print(
            f"| {nfe} | {1e3 * times['continuous']:.1f} | {1e3 * times['training']:.1f} | {row_excess:.1e} | "
            f"{row_infeasible} |",
            flush=True,
        )
        infeasible, excess = infeasible + row_infeasible, max(excess, row_excess)
        slowest = max(slowest, *times.values())
    return infeasible, excess, slowest


def main() -> int:
    infeasible, excess, slowest = budgets()
    noise = hso.NoiseSchedule.preset("sd2.1")
    growth = {nfe: seconds(noise, nfe, "continuous", solver="ddim", d_min=0.0) for nfe in SIZES}
    print("\n| NFE, no spacing | ms |\n|---|---|")
    for nfe, value in growth.items():
        print(f"| {nfe} | {1e3 * value:.1f} |")
    factor = growth[1000] / growth[10]
    print(f"\ninfeasible: {infeasible}; largest relative excess over bilevel: {excess:.1e}")
    print(f"slowest median call: {1e3 * slowest:.0f} ms; NFE x 100 takes {factor:.1f} times as long")
    return 0 if infeasible == 0 and excess <= 1e-12 and slowest < 0.15 and factor <= 100 else 1


if __name__ == "__main__":
    sys.exit(main())
