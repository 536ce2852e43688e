r"""Contestants over many cases: mean rank, wins, and the geometric mean of the ratio to the best rule, with intervals.

A cell is a subject, a solver and a number of evaluations. Within it schedules are ranked by a figure, contestants with the
same schedule sharing a rank; the best rule is the best of the closed forms *in that cell*, in hindsight, so that a ratio
below 1 means better than any rule. Intervals come from the bootstrap replicates of the figures: the same resamples of
images for all schedules of a subject, subjects apart; logarithms are taken to first order, as the replicates are. They say
what other images would change, not what other models would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hso.comparison.contestants import CLOSED_FORMS
from hso.comparison.outcome import Outcome
from hso.comparison.statistics.intervals import CONFIDENCE, Estimate

Array = np.ndarray[Any, np.dtype[np.float64]]


class Standing(NamedTuple):
    """A contestant over the cells that it was served in.

    Attributes:
        name: The contestant.
        cells: Number of cells.
        rank: Mean rank and its interval.
        wins: Cells in which no figure is less.
        top: Cells in which it is the best, or not told apart from the best.
        ratio: Geometric mean of the ratio to the best rule and its interval.
    """

    name: str
    cells: int
    rank: tuple[float, float, float]
    wins: int
    top: int
    ratio: tuple[float, float, float]


class Cell(NamedTuple):
    """What one cell says of a contestant: figures first from all images, then from each resample.

    Attributes:
        rank: Ranks, shape (1 + R,).
        log_ratio: Logarithms of the ratio to the best rule, shape (1 + R,).
        top: Whether it is the best, or not told apart from the best.
    """

    rank: Array
    log_ratio: Array
    top: bool


def standings(outcomes: Sequence[Outcome], metric: str) -> list[Standing]:
    """All contestants, those served most often first, then by mean rank."""
    found: dict[str, list[Cell]] = {}
    for outcome in outcomes:
        for solver, nfe in outcome.cells:
            for name, cell in cell_of(outcome, solver, nfe, metric).items():
                found.setdefault(name, []).append(cell)
    rows = [_standing(name, parts) for name, parts in found.items()]
    return sorted(rows, key=lambda row: (-row.cells, row.rank[0]))


def cell_of(outcome: Outcome, solver: str, nfe: int, metric: str) -> dict[str, Cell]:
    """A cell's contestants."""
    rows = outcome.cell(solver, nfe, metric)
    values = np.array([[row.figures[metric].value, *row.figures[metric].replicates] for row in rows])
    ranks = 1 + np.argsort(np.argsort(values, axis=0), axis=0)
    rules = [index for index, row in enumerate(rows) if set(row.names) & set(CLOSED_FORMS)]
    logs = np.log(values[:, :1]) + (values - values[:, :1]) / values[:, :1]
    log_ratios = logs - logs[rules].min(axis=0)
    return {
        name: Cell(ranks[index].astype(float), log_ratios[index], not outcome.is_beaten(row, metric))
        for index, row in enumerate(rows)
        for name in row.names
    }


def mark(ours: Estimate, theirs: Estimate) -> str:
    """What the interval of the difference says of ours: + better than theirs, - worse, = neither can be said."""
    return "+" if ours.is_below(theirs) else "-" if theirs.is_below(ours) else "="


def _standing(name: str, parts: Sequence[Cell]) -> Standing:
    ranks = np.mean([cell.rank for cell in parts], axis=0)
    ratios = np.mean([cell.log_ratio for cell in parts], axis=0)
    middle, low, high = np.exp(_basic(ratios)).tolist()
    tail = (1 - CONFIDENCE) / 2
    around = np.quantile(ranks[1:], [tail, 1 - tail]).tolist()
    return Standing(
        name,
        len(parts),
        (float(ranks[0]), *around),
        sum(cell.rank[0] == 1 for cell in parts),
        sum(cell.top for cell in parts),
        (middle, low, high),
    )


def _basic(values: Array) -> tuple[float, float, float]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values[1:], [tail, 1 - tail]).tolist()
    return float(values[0]), 2 * float(values[0]) - high, 2 * float(values[0]) - low
