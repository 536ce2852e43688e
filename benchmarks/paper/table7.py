"""Table 7 of the paper: the schedules of the four configurations, NFE 4.

    python benchmarks/paper/table7.py            # about two minutes
    python benchmarks/paper/table7.py --quick    # a small population for B

A is DM-NonUniform's objective and local search, B its objective inside the bi-level search, C is MEP with A's local search,
Ours is MEP inside the bi-level search. FID needs weights; the paper's is printed beside each schedule.
"""

from __future__ import annotations

import argparse
from typing import Any

import hso
from hso.search import Bilevel

PAPER = {"A": (18.07, 71.57), "B": (11.44, 29.22), "C": (26.33, 37.27), "Ours": (15.70, 24.80)}
QUICK = Bilevel(population=3, generations=3, lower_iterations=40)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small population for B")
    search = QUICK if parser.parse_args().quick else Bilevel()
    configurations: dict[str, dict[str, Any]] = {
        "A": {"objective": "dm_nonuniform", "strategy": "local"},
        "B": {"objective": "dm_nonuniform", "strategy": search},
        "C": {"objective": "mep", "strategy": "local"},
        "Ours": {"objective": "mep", "strategy": Bilevel()},
    }
    noise = hso.NoiseSchedule.preset("sd2.1")
    print(
        "| configuration | solver | times | lands on | penalty | seconds | paper's FID |\n|---|---|---|---|---|---|---|"
    )
    for name, options in configurations.items():
        for solver, fid in zip(("unipc", "ddim"), PAPER[name], strict=True):
            result = hso.optimize(noise, 4, solver=solver, **options)
            schedule = result.schedule
            end = "clean" if schedule.ends_clean else f"t = {schedule.terminal_time:.4g}"
            print(
                f"| {name} | {solver} | {', '.join(f'{t:.4f}' for t in schedule.times)} | {end} | {result.penalty:.2g} | "
                f"{result.seconds:.2f} | {fid} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
