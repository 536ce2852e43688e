"""What came out of a comparison: figures with intervals, and which schedules cannot be told from the best.

The figures, of which less is better:

- *reference*: Frechet distance to the reference's own samples, what the model gives with many steps;
- *data*: Frechet distance to the data, where they are known;
- *error*: root mean square difference from the reference's samples, image by image from the same noise.

Under guidance the model's own distribution is far from the data, and the three disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import repeat
from typing import NamedTuple

from hso.errors import ArgumentError, check_choice, check_integer
from hso.evaluation.plan import Entry, Plan, Settings
from hso.evaluation.statistics import (
    Measured,
    Normal,
    Resamples,
    Sample,
    gathered,
    measure_error,
    measure_frechet,
    normals,
    pooled,
)
from hso.evaluation.store import Store
from hso.evaluation.subjects import Subject
from hso.evaluation.work import one_thread
from hso.models.bundled import Moments
from hso.noise.base import Array

METRICS = ("reference", "data", "error")
RESAMPLES = 200


class Row(NamedTuple):
    """An entry and its figures by the name of the metric; without "data" where the data are not known."""

    entry: Entry
    figures: Mapping[str, Measured]

    @property
    def names(self) -> tuple[str, ...]:
        """The contestants that asked for the schedule."""
        return self.entry.names


class Outcome(NamedTuple):
    """All that is known of a comparison.

    Attributes:
        settings: What was compared.
        subject: Name of the model.
        plan: The schedules and refusals.
        rows: Figures of every entry.
        reference: Figures of the reference; its "data" is what many steps give.
        images: Number of images for each schedule.
        store: Where the sums are.
    """

    settings: Settings
    subject: str
    plan: Plan
    rows: list[Row]
    reference: Row
    images: int
    store: Store

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that there are."""
        return tuple(name for name in METRICS if name in self.rows[0].figures)

    def cell(self, solver: str, nfe: int, metric: str) -> list[Row]:
        """The rows of a solver and a budget, the best by a metric first."""
        check_choice("metric", metric, self.metrics)
        rows = [row for row in self.rows if (row.entry.solver, row.entry.nfe) == (solver, nfe)]
        return sorted(rows, key=lambda row: row.figures[metric].value)

    def best(self, solver: str, nfe: int, metric: str) -> Row:
        """The row with the least figure."""
        return self.cell(solver, nfe, metric)[0]

    def is_beaten(self, row: Row, metric: str) -> bool:
        """Whether the interval of the difference says that the best of its cell is better than this row."""
        best = self.best(row.entry.solver, row.entry.nfe, metric)
        return best is not row and best.figures[metric].is_below(row.figures[metric])


def judge(settings: Settings, subject: Subject, plan: Plan, store: Store, resamples: int = RESAMPLES) -> Outcome:
    """The figures of a run, from the batches that every schedule has finished.

    Args:
        settings: What is compared.
        subject: The model.
        plan: The schedules.
        store: Where finished batches are.
        resamples: Number of bootstrap resamples.

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
        rows = [Row(entry, judged.figures(_sample(entry, batches, store))) for entry in plan.entries]
        reference = Row(plan.reference, judged.figures(judged.reference))
    return Outcome(settings, subject.name, plan, rows, reference, sum(map(len, batches)), store)


class _Judge:
    def __init__(self, subject: Subject, reference: Sample, resamples: int) -> None:
        self.subject, self.reference = subject, reference
        self.resamples = Resamples.draw(len(reference.counts), resamples)
        # Resamples of few images are quick to make; of many, square matrices that are worth keeping.
        self._kept = None if reference.is_wide else list(normals(reference, self.resamples))

    def figures(self, sample: Sample) -> dict[str, Measured]:
        """All figures of a sample."""
        found = None if sample.is_wide else list(normals(sample, self.resamples))

        def measured(target: Moments | tuple[Array, Array], targets: Iterable[Normal]) -> Measured:
            return measure_frechet(sample, found or normals(sample, self.resamples), target, targets)

        figures = {
            "reference": measured(self.reference.moments(), self._kept or normals(self.reference, self.resamples))
        }
        if self.subject.moments is not None:
            figures["data"] = measured(self.subject.moments, repeat(self._data))
        return {**figures, "error": measure_error(sample, self.resamples)}

    @cached_property
    def _data(self) -> Normal:
        if self.subject.moments is None:
            raise ArgumentError("data", "moments of the data", None)
        return Normal.of(*self.subject.moments)


def _sample(entry: Entry, batches: list[range], store: Store) -> Sample:
    return pooled(gathered(store.read(entry.key, images) for images in batches))
