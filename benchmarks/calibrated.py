"""Calibrated and tuned schedules against every rule, table and peer: cell by cell, on images that neither was made with.

    python -m benchmarks.calibrated --runs runs/calibrated                          # goes on where it was stopped
    python -m benchmarks.calibrated --runs runs/calibrated --subjects mixture,digits@3 --nfe 4,6,10 --samples 300
    python -m benchmarks.calibrated --runs runs/calibrated --subjects gaussian -o docs/calibrated.md
    python -m benchmarks.calibrated --runs runs/peers --subjects gaussian --nfe 4,6,10 --columns tuned,oss,rollout
    python -m benchmarks.calibrated --runs runs/learned --columns hso,calibrated,learned

For each cell of a model, a solver and a number of network calls the table has the Frechet distance to the reference of
the host's default (trailing), of the contestants that are asked for, and the best rule, table or GITS in hindsight. A
star marks what is best or, by the interval of the difference, not told apart from the best of all. The summary counts
cells: those in which a contestant is best or tied, the same among all that run no schedule to choose one, those in
which it is below all others, those in which it is above trailing, and how many of these the interval of the difference
confirms. Means are geometric, of the ratios to the best closed-form rule of each cell. Last in a row are the network calls
of what runs schedules.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hso.comparison.contestants import CLOSED_FORMS
from hso.comparison.outcome import Outcome
from hso.comparison.runs.run import compare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.subjects import SubjectSettings
from hso.files import write_atomic
from hso.rules import TABLES

SUBJECTS = ("gaussian", "mixture", "digits-empirical", "digits@1", "digits@3", "digits@7.5")
SOLVERS, METRIC = ("ddim", "dpmpp_2m", "unipc"), "reference"
OURS = ("hso", "calibrated", "tuned")
HOST = "trailing"
RIVALS = (*CLOSED_FORMS, *TABLES, "gits")
# Those that run schedules on the model to choose one.
RUNNERS = frozenset({"tuned", "tuned_learned", "rollout"})


class Cell(NamedTuple):
    """A cell: what the distances are, which are not told apart from the best, and the network calls of some.

    ``unbeaten_at_rest`` are those that are not told apart from the best of all that run no schedule to choose one, and
    ``beaten_by_host`` those that are told apart from the host's default, which is better.
    """

    name: tuple[str, str, int]
    distances: dict[str, float]
    unbeaten: frozenset[str]
    unbeaten_at_rest: frozenset[str]
    calls: dict[str, int]
    beaten_by_host: frozenset[str] = frozenset()

    @property
    def best_rule(self) -> float:
        """The best closed-form rule in hindsight."""
        return min(self.distances[name] for name in CLOSED_FORMS if name in self.distances)

    @property
    def best_other(self) -> str:
        """The best of all that have no column."""
        return min((name for name in self.distances if name in RIVALS), key=self.distances.__getitem__)


def cells(outcome: Outcome) -> Iterator[Cell]:
    """The cells of a comparison."""
    at_rest = outcome._replace(rows=[row for row in outcome.rows if not RUNNERS.issuperset(row.names)])
    for solver, nfe in outcome.cells:
        rows = outcome.cell(solver, nfe, METRIC)
        distances = {name: row.figures[METRIC].value for row in rows for name in row.names}
        calls = {name: number for row in rows for name, number in row.entry.preparation.items()}
        name = (outcome.subject, solver, nfe)
        unbeaten = _unbeaten(outcome, solver, nfe), _unbeaten(at_rest, solver, nfe)
        yield Cell(name, distances, *unbeaten, calls, _beaten_by_host(outcome, solver, nfe))


def _beaten_by_host(outcome: Outcome, solver: str, nfe: int) -> frozenset[str]:
    rows = outcome.cell(solver, nfe, METRIC)
    host = [row for row in rows if HOST in row.names]
    beaten = [row for row in rows if row not in host and outcome._replace(rows=[*host, row]).is_beaten(row, METRIC)]
    return frozenset(name for row in beaten for name in row.names)


def _unbeaten(outcome: Outcome, solver: str, nfe: int) -> frozenset[str]:
    rows = outcome.cell(solver, nfe, METRIC)
    return frozenset(name for row in rows if not outcome.is_beaten(row, METRIC) for name in row.names)


def lines(found: Sequence[Cell], columns: Sequence[str] = OURS) -> list[str]:
    """The table and its summary, as Markdown.

    Args:
        found: The cells.
        columns: Contestants with a column besides the host's default.
    """
    shown, counted = (HOST, *columns), [name for name in columns if name in (*RUNNERS, "oss")]
    head = ["model", "solver", "NFE", *shown, "best other", *(f"calls of {name}" for name in counted)]
    table = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for cell in found:
        figures = [_figure(cell, name) for name in shown]
        other = f"{_figure(cell, cell.best_other)} ({cell.best_other})"
        calls = [str(cell.calls.get(name, "-")) for name in counted]
        table.append(f"| {' | '.join([*map(str, cell.name), *figures, other, *calls])} |")
    return [
        *table,
        "",
        "| | best or tied | at rest | below the best other | worse than trailing | told apart | mean to the best rule |",
        "|---|---|---|---|---|---|---|",
        *(_summary(found, name) for name in shown),
    ]


def _figure(cell: Cell, name: str) -> str:
    if name not in cell.distances:
        return "-"
    return f"{cell.distances[name]:.3g}{'*' if name in cell.unbeaten else ''}"


def _summary(found: Sequence[Cell], name: str) -> str:
    served = [cell for cell in found if name in cell.distances]
    tied = sum(name in cell.unbeaten for cell in served)
    at_rest = "-" if name in RUNNERS else sum(name in cell.unbeaten_at_rest for cell in served)
    below = sum(cell.distances[name] < cell.distances[cell.best_other] for cell in served)
    worse = sum(cell.distances[name] > cell.distances[HOST] for cell in served)
    certain = sum(name in cell.beaten_by_host for cell in served)
    ratio = np.exp(np.mean([np.log(cell.distances[name] / cell.best_rule) for cell in served]))
    return f"| {name} | {tied} of {len(served)} | {at_rest} | {below} | {worse} | {certain} | {ratio:.3f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs, one for each model")
    parser.add_argument("--subjects", default=",".join(SUBJECTS))
    parser.add_argument("--nfe", default="4,5,6,8,10")
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--columns", default=",".join(OURS), help="contestants with a column")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path, help="also write the table here")
    chosen = parser.parse_args()
    budgets, columns = tuple(map(int, chosen.nfe.split(","))), tuple(chosen.columns.split(","))
    found: list[Cell] = []
    for name in chosen.subjects.split(","):
        settings = ComparisonSettings(
            SubjectSettings(name), SOLVERS, budgets, tuple(dict.fromkeys((*RIVALS, *columns))), chosen.samples
        )
        outcome = compare(settings, chosen.runs / name, chosen.processes)
        if outcome is not None:
            found += cells(outcome)
    text = "\n".join(lines(found, columns)) + "\n"
    print(text)
    if chosen.out:
        write_atomic(chosen.out, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
