"""Table 6 of the paper: what preparing a schedule costs.

    python benchmarks/paper/table6.py            # about a minute
    python benchmarks/paper/table6.py --quick    # without the published strategy

Wall time of one search for Stable Diffusion with NFE 4 and 5 and UniPC on this machine, beside the paper's (about 8 s for
HSO and 1 s for DM-NonUniform on an Intel i7-14650HX). The FID column needs weights.
"""

from __future__ import annotations

import argparse
from typing import Any

import hso

ROWS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("DM-NonUniform, local search", "~1 s", {"objective": "dm_nonuniform", "strategy": "local"}),
    ("HSO, published", "~8 s", {"strategy": "published"}),
    ("HSO, bilevel", "", {"strategy": "bilevel"}),
    ("HSO, exact", "", {"strategy": "exact"}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave the published strategy out")
    quick = parser.parse_args().quick
    noise = hso.NoiseSchedule.preset("sd2.1")
    hso.optimize(noise, 3)  # imports SciPy
    print("| method | paper | NFE 4 | NFE 5 | evaluations, NFE 5 |\n|---|---|---|---|---|")
    for name, paper, options in ROWS:
        if quick and options["strategy"] == "published":
            continue
        four, five = (hso.optimize(noise, nfe, solver="unipc", **options) for nfe in (4, 5))
        print(f"| {name} | {paper} | {four.seconds:.4f} s | {five.seconds:.4f} s | {five.evaluations} |", flush=True)


if __name__ == "__main__":
    main()
