"""What came out of a comparison: figures with intervals, and which schedules cannot be told from the best.

The figures and their meanings are in :mod:`hso.comparison.statistics.metrics`. Under guidance the model's own distribution
is far from the data, and figures against the reference disagree with figures against the data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from hso.comparison.runs.plan import Entry, Plan, Settings
from hso.comparison.runs.store import Store
from hso.comparison.runs.work import Advance, one_thread
from hso.comparison.statistics.blocks import Known, Sample, Target, pooled
from hso.comparison.statistics.intervals import Measured, Resamples, measure_error, measure_frechet
from hso.comparison.statistics.metrics import METRICS
from hso.comparison.statistics.subsets import LEAST, Subsets, measure_on_subsets
from hso.comparison.subjects import Subject
from hso.errors import ArgumentError, check_choice, check_integer
from hso.noise.base import Array
from hso.objectives.frechet import Normal

RESAMPLES = 1000


class Row(NamedTuple):
    """An entry and its figures by the name of the metric; without "data" where the data are not known."""

    entry: Entry
    figures: Mapping[str, Measured]

    @property
    def names(self) -> tuple[str, ...]:
        """The contestants that asked for the schedule."""
        return self.entry.names

    @property
    def label(self) -> str:
        """The contestants, to read."""
        return " = ".join(self.names)


class Outcome(NamedTuple):
    """All that is known of a comparison.

    Attributes:
        settings: What was compared.
        subject: Name of the model.
        plan: The schedules and refusals.
        rows: Figures of every entry.
        reference: Figures of the reference; its "data" is what many steps give.
        images: Number of images for each schedule.
        features: Number of features that Frechet distances are taken in.
        store: Where the sums are.
    """

    settings: Settings
    subject: str
    plan: Plan
    rows: list[Row]
    reference: Row
    images: int
    features: int
    store: Store

    @property
    def caution(self) -> str:
        """What a reader has to know of the Frechet distances; empty where there are images enough."""
        if self.images >= self.features:
            return ""
        return (
            f"{self.images} images are fewer than the {self.features} features: Frechet distances are then far too large, "
            "and their intervals are rough; trust large differences only"
        )

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that there are."""
        return tuple(name for name in METRICS if name in self.rows[0].figures)

    @property
    def cells(self) -> list[tuple[str, int]]:
        """The solvers and budgets, in order."""
        return list(dict.fromkeys((row.entry.solver, row.entry.nfe) for row in self.rows))

    def cell(self, solver: str, nfe: int, metric: str) -> list[Row]:
        """The rows of a solver and a budget, the best by a metric first."""
        check_choice("metric", metric, self.metrics)
        rows = [row for row in self.rows if (row.entry.solver, row.entry.nfe) == (solver, nfe)]
        return sorted(rows, key=lambda row: row.figures[metric].value, reverse=METRICS[metric].more_is_better)

    def best(self, solver: str, nfe: int, metric: str) -> Row:
        """The row with the best figure."""
        return self.cell(solver, nfe, metric)[0]

    def is_beaten(self, row: Row, metric: str) -> bool:
        """Whether the interval of the difference says that the best of its cell is better than this row."""
        best = self.best(row.entry.solver, row.entry.nfe, metric)
        if best is row:
            return False
        less, more = (row, best) if METRICS[metric].more_is_better else (best, row)
        return less.figures[metric].is_below(more.figures[metric])

    def standings(self, metric: str) -> list[Standing]:
        """All contestants, those served most often first, then by their mean rank."""
        places: dict[str, list[int]] = {}
        unbeaten: Counter[str] = Counter()
        for solver, nfe in self.cells:
            for place, row in enumerate(self.cell(solver, nfe, metric), start=1):
                for name in row.names:
                    places.setdefault(name, []).append(place)
                    unbeaten[name] += not self.is_beaten(row, metric)
        found = [Standing(name, float(np.mean(each)), unbeaten[name], len(each)) for name, each in places.items()]
        return sorted(found, key=lambda standing: (-standing.cells, standing.rank))


class Standing(NamedTuple):
    """A contestant over all solvers and budgets.

    Attributes:
        name: The contestant.
        rank: Mean rank; 1 is the best.
        unbeaten: Number of cells in which it is the best or not told apart from the best.
        cells: Number of cells in which it has a schedule.
    """

    name: str
    rank: float
    unbeaten: int
    cells: int


def judge(
    settings: Settings,
    subject: Subject,
    plan: Plan,
    store: Store,
    resamples: int = RESAMPLES,
    advance: Advance | None = None,
) -> Outcome:
    """The figures of a run, from the batches that every schedule has finished.

    Args:
        settings: What is compared.
        subject: The model.
        plan: The schedules.
        store: Where finished batches are.
        resamples: Number of bootstrap resamples.
        advance: Called with the number of schedules that are judged.

    Raises:
        ArgumentError: If no batch is finished, or too few are.
        FileError: If one is damaged.
    """
    check_integer("resamples", resamples, 10, 100_000)
    everyone = (plan.reference, *plan.entries)
    batches = [images for images in settings.batches() if all(store.has(entry.key, images) for entry in everyone)]
    if not batches:
        raise ArgumentError("folder", "a batch that every schedule has finished", str(store.folder))
    subject.check_samples(sum(map(len, batches)))
    with one_thread():
        judged = _Judge(subject, _sample(plan.reference, batches, store), resamples)
        kept = _Kept(settings, subject, batches, store) if settings.also else None

        def row(entry: Entry) -> Row:
            found = judged.figures(judged.reference if entry is plan.reference else _sample(entry, batches, store))
            figures = {**found, **(kept.figures(entry) if kept else {})}
            if advance is not None:
                advance(1)
            return Row(entry, figures)

        rows = [row(entry) for entry in plan.entries]
        reference = row(plan.reference)
    images, features = sum(map(len, batches)), judged.reference.totals.shape[1]
    return Outcome(settings, subject.name, plan, rows, reference, images, features, store)


def check_data(settings: Settings, subject: Subject) -> Callable[[], Array]:
    """What makes the data's features, once the metrics that need them are known to work.

    Raises:
        ArgumentError: If no more than moments of the data are known.
        MissingExtraError: If a metric's library is not installed.
    """
    if subject.data is None:
        known = "no data" if subject.moments is None else "the mean and covariance of its data only"
        raise ArgumentError("also", "data, or the option --data", f"{subject.name}, which knows {known}")
    for name in settings.also:
        of = METRICS[name].of
        if of is not None:
            of(np.eye(LEAST), np.eye(LEAST))
    return subject.data


class _Judge:
    def __init__(self, subject: Subject, reference: Sample, resamples: int) -> None:
        self.reference = reference
        self.resamples = Resamples.draw(len(reference.counts), resamples)
        self.targets: dict[str, Target] = {"reference": reference}
        if subject.moments is not None:
            self.targets["data"] = Known(Normal.of(*subject.moments))

    def figures(self, sample: Sample) -> dict[str, Measured]:
        """All figures of a sample."""
        distances = {name: measure_frechet(sample, target, self.resamples) for name, target in self.targets.items()}
        return {**distances, "error": measure_error(sample, self.resamples)}


class _Kept:
    """The figures from features that are kept."""

    def __init__(self, settings: Settings, subject: Subject, batches: list[range], store: Store) -> None:
        self.metrics, self.batches, self.store = settings.also, batches, store
        self.data = check_data(settings, subject)()
        self.subsets = Subsets.draw(sum(map(len, batches)), len(self.data))

    def figures(self, entry: Entry) -> dict[str, Measured]:
        rows = partial(self.store.features, entry.key, self.batches)
        functions = {name: function for name in self.metrics if (function := METRICS[name].of)}
        return {name: measure_on_subsets(of, rows, self.data, self.subsets) for name, of in functions.items()}


def _sample(entry: Entry, batches: list[range], store: Store) -> Sample:
    return pooled(lambda: (store.read(entry.key, images) for images in batches))
