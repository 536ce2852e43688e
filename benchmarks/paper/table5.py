"""Table 5 of the paper: the printed schedules, their spacing, their MEP and their FID, with DDIM at NFE 4.

    python -m benchmarks.paper.table5                # about four minutes
    python -m benchmarks.paper.table5 --images 0     # the first table only
    python -m benchmarks.paper.table5 --model sd2.1-base --data imagenet/images --captions imagenet/captions.txt \\
        --device cuda

The paper's schedule with penalty is found on the DDPM-linear betas with round(999 t) as index. Its schedule without
penalty, [999, 70, 9, 9], is no minimizer of Eq. 8: the unpenalized search is shown beside it.

Sampled are both printed schedules, as training indices, and what ``bilevel`` finds with penalty for the model's own betas.
Nodes must differ: the second 9 is 8.999. Those with penalty are drawn ten times, from other noise each time; that the
paper's ten runs differ in this is our reading, since the schedule is the same from every seed of the search.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

import numpy as np
from benchmarks.paper import options, recipe
from benchmarks.paper.host import noise_of
from benchmarks.paper.options import Options
from benchmarks.paper.published import ROBUSTNESS, RUNS, WITH_PENALTY, WITHOUT_PENALTY
from benchmarks.paper.schedules import HSO, METHODS, found_by

import hso
from hso.comparison.contestants import PUBLISHED_MEP
from hso.objectives.mep import MidpointSum
from hso.search import Box

SOLVER, NFE = CASE = "ddim", 4
WITH, WITHOUT = "with_penalty", "without_penalty"
QUICK_RUNS = 2
# How far apart, in training indices, nodes are that the paper prints as one.
APART = 1e-3


def row(name: str, indices: Sequence[int], mep: float) -> None:
    gaps = -np.diff(indices)
    recipe.line(name, list(indices), f"{gaps.min():.1f} / {gaps.mean():.1f}", f"{mep:.3f}")


def mep_of(noise: hso.NoiseSchedule, indices: Sequence[int]) -> float:
    """MEP of the distinct knots at t = n / 999."""
    return float(MidpointSum(noise).value(noise.lambda_(np.unique(np.array(indices) / 999)[::-1])))


def searched(name: str, result: hso.Result) -> None:
    row(name, np.round(999 * result.schedule.times).astype(int).tolist(), result.objective)


def searches(quick: bool) -> None:
    """Print the schedules."""
    noise = hso.NoiseSchedule.preset("ddpm")
    recipe.head("schedule", "round(999 t)", "spacing min / mean", "MEP")
    row("paper, with penalty", WITH_PENALTY, mep_of(noise, WITH_PENALTY))
    for strategy in ("bilevel", "exact") if quick else ("published", "bilevel", "exact"):
        searched(strategy, hso.optimize(noise, NFE, solver=SOLVER, strategy=strategy, objective=PUBLISHED_MEP))
    row("paper, without penalty", WITHOUT_PENALTY, mep_of(noise, WITHOUT_PENALTY))
    ends = Box(t_min=(9 / 999, 9 / 999), t_max=(1.0, 1.0))
    searched(
        "least MEP between those ends",
        hso.optimize(
            noise, NFE, solver=SOLVER, objective=PUBLISHED_MEP, constraints=hso.Constraints(box=ends, d_min=0.0)
        ),
    )
    searched(
        "bilevel, without penalty",
        hso.optimize(
            noise, NFE, solver=SOLVER, **{**METHODS[HSO], "constraints": hso.Constraints(box=Box(), d_min=0.0)}
        ),
    )


def printed(noise: hso.NoiseSchedule, indices: Sequence[int]) -> hso.SamplingSchedule:
    """A printed schedule for a model; what repeats an index comes just after it."""
    repeats = [indices[:place].count(index) for place, index in enumerate(indices)]
    return hso.SamplingSchedule.from_timesteps(noise, np.array(indices) - APART * np.array(repeats))


def images(chosen: Options, runs: int) -> None:
    """Print the FIDs."""
    noise = noise_of(chosen.subject.model)
    penalized = {WITH: printed(noise, WITH_PENALTY), **found_by((HSO,), noise, NFE, SOLVER)}
    outcome = recipe.sampled(chosen, {CASE: {**penalized, WITHOUT: printed(noise, WITHOUT_PENALTY)}})
    others = [recipe.sampled(chosen, {CASE: penalized}, run) for run in range(1, runs)]
    if outcome is None:
        return
    recipe.say("")
    recipe.head("schedule", "paper's FID", "ours")
    drawn = [each for each in (outcome, *others) if each]
    titles = (f"with penalty, {list(WITH_PENALTY)}", "bilevel, with penalty, for this model")
    for title, name, paper in zip(titles, penalized, (ROBUSTNESS["with"], ""), strict=True):
        values = [recipe.figure(each, *CASE, name).value for each in drawn]
        recipe.line(title, paper, f"{np.mean(values):.4g} ± {np.std(values, ddof=1):.2g} ({len(values)} runs)")
    unpenalized = recipe.fid(outcome, *CASE, WITHOUT, HSO)
    recipe.line(f"without penalty, {list(WITHOUT_PENALTY)}", ROBUSTNESS["without"], unpenalized)
    recipe.footnote(outcome)


def main(words: Sequence[str] | None = None) -> int:
    """Run and print."""
    parser = options.parser(__doc__)
    parser.add_argument("--repeats", type=int, help=f"runs of those with penalty, {RUNS} by default, at least 2")
    return recipe.run(table, parser, words)


def table(given: argparse.Namespace) -> None:
    """Print both tables."""
    runs = max(2, given.repeats or (QUICK_RUNS if given.quick else RUNS))
    recipe.both(options.read(given, "table5", "imagenet"), searches, partial(images, runs=runs))


if __name__ == "__main__":
    sys.exit(main())
