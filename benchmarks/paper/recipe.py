"""What the recipes have in common: a comparison, its FIDs, and schedules that only the paper has as contestants."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.paper.options import Options
from benchmarks.standings import mark

from hso.comparison.outcome import Outcome
from hso.comparison.runs.run import compare
from hso.comparison.statistics.intervals import Estimate
from hso.errors import ArgumentError, HSOError
from hso.files import make_folder
from hso.schedule import SamplingSchedule

# Schedules by solver and number of nodes, and then by name.
Cases = Mapping[tuple[str, int], Mapping[str, SamplingSchedule]]


def run(
    table: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser, words: Sequence[str] | None
) -> int:
    """Print a table; 2 and one line on standard error if something is unusable."""
    try:
        table(parser.parse_args(words))
    except HSOError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def is_first() -> bool:
    """Whether this is the first or only one of several launched processes."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str) -> None:
    """Print a line, once where several processes were launched."""
    if is_first():
        print(text, flush=True)


def head(*columns: str) -> None:
    """Print the head of a table."""
    say(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")


def line(*cells: object) -> None:
    """Print a row of a table."""
    say(f"| {' | '.join(map(str, cells))} |")


def both(options: Options, searches: Callable[[bool], None], images: Callable[[Options], None]) -> None:
    """Print what needs no model, and what images say if any are to be drawn.

    Args:
        options: How.
        searches: Prints the first; told whether long searches are cut short.
        images: Draws, and prints the second.
    """
    if is_first():
        searches(options.quick)
    if options.images:
        images(options)


def sampled(options: Options, cases: Cases, run: int = 0) -> Outcome | None:
    """Compare, each further run in a folder of its own, and write the report of the first.

    Args:
        options: How.
        cases: The schedules.
        run: Which run.

    Returns:
        The outcome; None in all but the first of several launched processes.

    Raises:
        HSOError: If something is unusable or cannot be written. Finished batches stay.
    """
    solvers, budgets = (tuple(dict.fromkeys(each)) for each in zip(*cases, strict=True))
    given = {file_of(name, *case): schedule for case, named in cases.items() for name, schedule in named.items()}
    settings = options.settings(solvers, budgets, _saved(options.runs / "given", given), run)
    folder = options.runs / f"run{run}" if run else options.runs
    outcome = compare(settings, folder, options.processes, options.resamples)
    if outcome is not None and run == 0:
        outcome.write()
    return outcome


def file_of(name: str, solver: str, nfe: int) -> str:
    """What a schedule is called."""
    return f"{name}-{solver}-{nfe}.json"


def figure(outcome: Outcome, solver: str, nfe: int, name: str) -> Estimate:
    """The Frechet distance to the data with a schedule.

    Raises:
        ArgumentError: If the model could not have the schedule; the reason is given.
    """
    wanted = file_of(name, solver, nfe)
    for row in outcome.rows:
        if row.entry.solver == solver and wanted in row.names:
            return row.figures["data"]
    reasons = dict.fromkeys(refusal.reason for refusal in outcome.plan.refused if refusal.name == wanted)
    raise ArgumentError("model", f"one that can have {wanted}", outcome.subject, "; ".join(reasons))


def fid(outcome: Outcome | None, solver: str, nfe: int, name: str, ours: str = "") -> str:
    """The Frechet distance to the data from all images, and what the interval of the difference says of ``ours``.

    After it: + if ``ours`` is better than this schedule, - if worse, = if neither can be said. Empty without an outcome.
    """
    if outcome is None:
        return ""
    found = figure(outcome, solver, nfe, name)
    if not ours:
        return f"{found.value:.4g}"
    return f"{found.value:.4g} {mark(figure(outcome, solver, nfe, ours), found)}"


def footnote(outcome: Outcome | None) -> None:
    """Print of what the figures are; nothing without an outcome."""
    if outcome is None:
        return
    subject = outcome.settings.subject
    reference = f"{outcome.plan.reference.nfe} evaluations give {outcome.reference.figures['data'].value:.4g}"
    say(
        f"\nours: {outcome.subject}, {outcome.images} images, Frechet distance to the data in "
        f"{subject.features or 'its own'} features; {reference}\n"
        "+ HSO is better by a 95% interval of the difference, - worse, = neither"
    )


def _saved(folder: Path, schedules: Mapping[str, SamplingSchedule]) -> tuple[str, ...]:
    """The paths of the schedules' files, which are contestants."""
    make_folder(folder)
    for name, schedule in schedules.items():
        schedule.save(folder / name)
    return tuple(str(folder / name) for name in schedules)
