"""Table 6 of the paper: what preparing a schedule costs, and FID at NFE 4.

    python -m benchmarks.paper.table6                # about two minutes
    python -m benchmarks.paper.table6 --quick        # without the published strategy
    python -m benchmarks.paper.table6 --images 0     # the first table only
    python -m benchmarks.paper.table6 --model sd2.1-base --data laion/images --captions laion/captions.txt --device cuda

The first table is the wall time of one search for Stable Diffusion with NFE 4 and 5 and UniPC on this machine, beside the
paper's on an Intel i7-14650HX. The second has the paper's rows, measured where there is a schedule: the others are other
models or searches by sampling. The paper's 15.71 and 18.96 are LAION's of Table 2, though it marks them as ImageNet's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.paper import options, recipe
from benchmarks.paper.host import noise_of
from benchmarks.paper.options import Options
from benchmarks.paper.published import COSTS
from benchmarks.paper.schedules import BASELINE, EXACT, HSO, LANDINGS, METHODS, found_by

import hso
from hso.comparison.contestants import OPTIMIZED

SOLVER, NFE = CASE = "unipc", 4
ROWS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("DM-NonUniform, local search", COSTS["dm_nonuniform"].cost, METHODS[BASELINE]),
    ("HSO, published", COSTS["hso"].cost, OPTIMIZED["hso_published"]),
    ("HSO, bilevel", "", METHODS[HSO]),
    ("HSO, exact", "", METHODS[EXACT]),
)


def searches(quick: bool) -> None:
    """Print what the searches cost."""
    noise = hso.NoiseSchedule.preset("sd2.1")
    hso.optimize(noise, 3)  # imports SciPy
    recipe.head("method", "paper", "NFE 4", "NFE 5", "evaluations, NFE 5")
    for name, paper, how in ROWS:
        if quick and how.get("strategy") == "published":
            continue
        four, five = (hso.optimize(noise, nfe, solver=SOLVER, terminal=LANDINGS[SOLVER], **how) for nfe in (4, 5))
        recipe.line(name, paper, f"{four.seconds:.4f} s", f"{five.seconds:.4f} s", five.evaluations)


def images(chosen: Options) -> None:
    """Print the FIDs."""
    noise = noise_of(chosen.subject.model)
    outcome = recipe.sampled(chosen, {CASE: found_by((BASELINE, HSO), noise, NFE, SOLVER)})
    ours = {"hso": recipe.fid(outcome, *CASE, HSO), "dm_nonuniform": recipe.fid(outcome, *CASE, BASELINE, HSO)}
    recipe.say("")
    recipe.head("method", "paper's preparation", "NFE", "paper's FID", "ours")
    for name, method in COSTS.items():
        recipe.line(*method, ours.get(name, ""))
    recipe.footnote(outcome)


def main(words: Sequence[str] | None = None) -> int:
    """Run and print."""
    return recipe.run(table, options.parser(__doc__), words)


def table(given: argparse.Namespace) -> None:
    """Print both tables."""
    recipe.both(options.read(given, "table6", "laion"), searches, images)


if __name__ == "__main__":
    sys.exit(main())
