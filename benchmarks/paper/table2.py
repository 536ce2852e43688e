"""Table 2 of the paper: HSO against DM-NonUniform, by FID, with UniPC and DDIM at NFE 4 and 5.

    python -m benchmarks.paper.table2                                        # bundled model, a minute or two
    python -m benchmarks.paper.table2 --model sd2.1-base --dataset coco --data coco/images --captions coco/captions.txt \\
        --device cuda --runs runs/coco                                       # once for each dataset

The baseline starts its local search uniform in t (its authors' choice for latent models) or uniform in lambda (for pixel
models); both are here. HSO is ``bilevel``, which finds what the published search finds. UniPC lands on t_min, DDIM on the
clean sample. ``--dataset`` says which of the paper's figures to print, and how many images the paper drew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.paper import options, recipe
from benchmarks.paper.host import noise_of
from benchmarks.paper.options import Options
from benchmarks.paper.published import DATASETS, EFFECTIVENESS
from benchmarks.paper.schedules import BASELINE, BASELINE_LAMBDA, HSO, found_by

from hso.comparison.outcome import Outcome

RIVALS, CASES = (BASELINE, BASELINE_LAMBDA), EFFECTIVENESS["laion"]


def main(words: Sequence[str] | None = None) -> int:
    """Run and print."""
    parser = options.parser(__doc__)
    parser.add_argument("--dataset", choices=DATASETS, help="which of the paper's to print; all by default")
    return recipe.run(table, parser, words)


def images(chosen: Options) -> Outcome | None:
    """Sample all cases."""
    noise = noise_of(chosen.subject.model)
    return recipe.sampled(chosen, {(s, nfe): found_by((*RIVALS, HSO), noise, nfe, s) for s, nfe in CASES})


def table(given: argparse.Namespace) -> None:
    """Print the table."""
    chosen = options.read(given, "table2", given.dataset or "laion")
    shown = [given.dataset] if given.dataset else list(DATASETS)
    outcome = images(chosen) if chosen.images else None
    papers = [f"paper, {DATASETS[name].title}: CVPR, HSO" for name in shown]
    recipe.head("solver", "NFE", *papers, "ours: DM-NonUniform from t", "from lambda", "HSO")
    for solver, nfe in CASES:
        published = ["{:.2f}, {:.2f}".format(*EFFECTIVENESS[name][solver, nfe]) for name in shown]
        found = [recipe.fid(outcome, solver, nfe, name, HSO) for name in RIVALS]
        recipe.line(solver, nfe, *published, *found, recipe.fid(outcome, solver, nfe, HSO))
    recipe.footnote(outcome)


if __name__ == "__main__":
    sys.exit(main())
