"""Table 4 of the paper: HSO against the default schedule of two models, by FID, with UniPC at NFE 5.

    python -m benchmarks.paper.table4                # bundled model, under a minute
    python -m benchmarks.paper.table4 --model pixart-alpha --data coco/images --captions coco/captions.txt --device cuda
    python -m benchmarks.paper.table4 --model sd2.1-base --data coco/images --captions coco/captions.txt --device cuda

The paper does not say what the default is. Two are here: the nodes that UniPC takes in diffusers with the model's
configuration, and those uniform in t, as UniPC's authors have it for latent models. Both land on t = 0.001. Of the paper's
rows that of the model is printed, both if it is neither.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.paper import options, recipe
from benchmarks.paper.host import default_schedule, noise_of
from benchmarks.paper.options import Options
from benchmarks.paper.published import ADAPTIVITY, MODELS
from benchmarks.paper.schedules import HSO, found_by

from hso.comparison.outcome import Outcome
from hso.rules import rule_schedule

SOLVER, NFE = CASE = "unipc", 5
DEFAULT, UNIFORM = "default", "uniform_t"


def main(words: Sequence[str] | None = None) -> int:
    """Run and print."""
    return recipe.run(table, options.parser(__doc__), words)


def images(chosen: Options) -> Outcome | None:
    """Sample all schedules."""
    model = chosen.subject.model
    noise = noise_of(model)
    rules = {DEFAULT: default_schedule(model, NFE), UNIFORM: rule_schedule(UNIFORM, noise, NFE, "t_min")}
    return recipe.sampled(chosen, {CASE: {**rules, **found_by((HSO,), noise, NFE, SOLVER)}})


def table(given: argparse.Namespace) -> None:
    """Print the table."""
    chosen = options.read(given, "table4", "coco")
    outcome = images(chosen) if chosen.images else None
    found = [recipe.fid(outcome, *CASE, name, HSO) for name in (DEFAULT, UNIFORM)]
    known = options.paper_model(chosen.subject.model)
    recipe.head("model", "paper: default", "HSO", "ours: diffusers' default", "uniform in t", "HSO")
    for name in [known] if known else ADAPTIVITY:
        recipe.line(MODELS[name].title, *ADAPTIVITY[name], *found, recipe.fid(outcome, *CASE, HSO))
    recipe.footnote(outcome)


if __name__ == "__main__":
    sys.exit(main())
