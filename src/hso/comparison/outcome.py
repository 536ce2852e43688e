"""What came out of a comparison: figures with intervals, and which schedules cannot be told from the best.

:mod:`hso.comparison.statistics.metrics` says what the figures mean. Under guidance the model's own distribution is far from
the data, and figures against the reference disagree with figures against the data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hso.comparison.runs.plan import ComparisonPlan, Entry
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.runs.store import RunFolder
from hso.comparison.statistics.intervals import Estimate
from hso.comparison.statistics.metrics import METRICS
from hso.errors import check_choice


class JudgedEntry(NamedTuple):
    """An entry and its figures by the name of the metric. "data" is missing if the data are not known."""

    entry: Entry
    figures: Mapping[str, Estimate]

    @property
    def names(self) -> tuple[str, ...]:
        """The contestants that gave the schedule."""
        return self.entry.names

    @property
    def label(self) -> str:
        """The contestants in words."""
        return " = ".join(self.names)


class Standing(NamedTuple):
    """A contestant over all cells.

    Attributes:
        name: The contestant.
        rank: Its mean rank; 1 is the best.
        unbeaten: Number of cells in which it is the best or not told apart from the best.
        cells: Number of cells in which it has a schedule.
    """

    name: str
    rank: float
    unbeaten: int
    cells: int


class Outcome(NamedTuple):
    """All that is known of a comparison. A *cell* is a solver with a number of network calls.

    Attributes:
        settings: What was compared.
        subject: Name of the model.
        plan: The schedules, and what was refused.
        rows: All entries with their figures.
        reference: The reference with its figures. Its "data" is what many steps reach.
        images: Number of images for each schedule.
        features: Number of features in which Frechet distances are measured.
        store: Where the sums are.
    """

    settings: ComparisonSettings
    subject: str
    plan: ComparisonPlan
    rows: list[JudgedEntry]
    reference: JudgedEntry
    images: int
    features: int
    store: RunFolder

    @property
    def caution(self) -> str:
        """A warning if there are too few images for Frechet distances; empty if there are enough."""
        if self.images >= self.features:
            return ""
        return (
            f"{self.images} images are fewer than the {self.features} features: Frechet distances are then far too large, "
            "and their intervals are rough; trust large differences only"
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that were measured."""
        return tuple(name for name in METRICS if name in self.rows[0].figures)

    @property
    def cells(self) -> list[tuple[str, int]]:
        """The labels of the solvers and the numbers of network calls, in order."""
        return list(dict.fromkeys((row.entry.solver, row.entry.nfe) for row in self.rows))

    def cell(self, solver: str, nfe: int, metric: str) -> list[JudgedEntry]:
        """The entries of a cell, the best by a metric first."""
        check_choice("metric", metric, self.metrics)
        rows = [row for row in self.rows if (row.entry.solver, row.entry.nfe) == (solver, nfe)]
        return sorted(rows, key=lambda row: row.figures[metric].value, reverse=METRICS[metric].more_is_better)

    def best(self, solver: str, nfe: int, metric: str) -> JudgedEntry:
        """The entry of a cell with the best figure."""
        return self.cell(solver, nfe, metric)[0]

    def is_beaten(self, row: JudgedEntry, metric: str) -> bool:
        """Whether the interval of the difference says that the best entry of the same cell is better than this one."""
        best = self.best(row.entry.solver, row.entry.nfe, metric)
        if best is row:
            return False
        less, more = (row, best) if METRICS[metric].more_is_better else (best, row)
        return less.figures[metric].is_below(more.figures[metric])

    def verdict(self, row: JudgedEntry, metric: str) -> str:
        """One word for an entry: "best", "tied" if it is not told apart from the best, or an empty one."""
        if self.best(row.entry.solver, row.entry.nfe, metric) is row:
            return "best"
        return "" if self.is_beaten(row, metric) else "tied"

    def standings(self, metric: str) -> list[Standing]:
        """All contestants: those with a schedule in the most cells first, and among equals the smaller mean rank first."""
        places: dict[str, list[int]] = {}
        unbeaten: Counter[str] = Counter()
        for solver, nfe in self.cells:
            for place, row in enumerate(self.cell(solver, nfe, metric), start=1):
                for name in row.names:
                    places.setdefault(name, []).append(place)
                    unbeaten[name] += not self.is_beaten(row, metric)
        found = [Standing(name, float(np.mean(each)), unbeaten[name], len(each)) for name, each in places.items()]
        return sorted(found, key=lambda standing: (-standing.cells, standing.rank))

    def pictures(self, row: JudgedEntry) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The first images of an entry, shape (n, height, width) or (n, height, width, 3); none if they cannot be shown."""
        return self.store.pictures(row.entry.key, self.settings.batches()[0])

    def write(self, folder: str | Path | None = None) -> list[Path]:
        """Write the whole report: comparison.json, comparison.csv and report.html.

        Args:
            folder: Where to; by default the folder of the run.

        Returns:
            The files.

        Raises:
            FileError: If one cannot be written.
            MissingExtraError: If matplotlib is not installed.
        """
        # The report is drawn from an outcome, so its module imports this one.
        from hso.comparison.report.files import write

        return write(self, self.store.folder if folder is None else Path(folder))
