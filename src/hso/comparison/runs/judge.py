"""From the finished batches of a run to the figures of every schedule."""

from __future__ import annotations

from functools import partial

from hso.comparison.outcome import JudgedEntry, Outcome
from hso.comparison.runs.plan import Entry, OpenRun
from hso.comparison.runs.store import RunFolder
from hso.comparison.runs.threads import one_thread
from hso.comparison.runs.work import Advance
from hso.comparison.statistics.blocks import Known, Sample, Target, pooled
from hso.comparison.statistics.intervals import Estimate, Resamples, measure_error, measure_frechet
from hso.comparison.statistics.metrics import METRICS
from hso.comparison.statistics.subsets import Subsets, measure_on_subsets
from hso.comparison.subjects import Subject, data_of
from hso.errors import ArgumentError, check_integer
from hso.objectives.frechet import Normal

RESAMPLES = 1000


def judge(run: OpenRun, resamples: int = RESAMPLES, advance: Advance | None = None) -> Outcome:
    """The figures of a run, from the batches that every schedule has finished.

    Args:
        run: The comparison.
        resamples: Number of bootstrap resamples.
        advance: Called with the number of schedules that have been judged.

    Raises:
        ArgumentError: If no batch is finished, or too few are.
        FileError: If one is damaged.
    """
    check_resamples(resamples)
    settings, subject, plan, store = run
    batches = [images for images in settings.batches() if all(store.has(entry.key, images) for entry in plan.everyone)]
    if not batches:
        raise ArgumentError("folder", "a batch that every schedule has finished", str(store.folder))
    subject.check_samples(sum(map(len, batches)))
    with one_thread():
        judged = _Judge(subject, _sample(plan.reference, batches, store), resamples)
        kept = _Kept(run, batches) if settings.also else None

        def row(entry: Entry) -> JudgedEntry:
            found = judged.figures(judged.reference if entry is plan.reference else _sample(entry, batches, store))
            figures = {**found, **(kept.figures(entry) if kept else {})}
            if advance is not None:
                advance(1)
            return JudgedEntry(entry, figures)

        rows = [row(entry) for entry in plan.entries]
        reference = row(plan.reference)
    images, features = sum(map(len, batches)), judged.reference.totals.shape[1]
    return Outcome(settings, subject.name, plan, rows, reference, images, features, store)


def check_resamples(resamples: int) -> int:
    """Return a usable number of resamples, or raise ArgumentError."""
    return check_integer("resamples", resamples, 10, 100_000)


class _Judge:
    """Figures that sums are enough for."""

    def __init__(self, subject: Subject, reference: Sample, resamples: int) -> None:
        self.reference = reference
        self.resamples = Resamples.draw(len(reference.counts), resamples)
        self.targets: dict[str, Target] = {"reference": reference}
        if subject.moments is not None:
            self.targets["data"] = Known(Normal.of(*subject.moments))

    def figures(self, sample: Sample) -> dict[str, Estimate]:
        distances = {name: measure_frechet(sample, target, self.resamples) for name, target in self.targets.items()}
        return {**distances, "error": measure_error(sample, self.resamples)}


class _Kept:
    """Figures that need the features of the images themselves."""

    def __init__(self, run: OpenRun, batches: list[range]) -> None:
        self.metrics, self.batches, self.store = run.settings.also, batches, run.store
        self.data = data_of(run.subject, run.settings.also)()
        self.subsets = Subsets.draw(sum(map(len, batches)), len(self.data))

    def figures(self, entry: Entry) -> dict[str, Estimate]:
        rows = partial(self.store.features, entry.key, self.batches)
        functions = {name: function for name in self.metrics if (function := METRICS[name].of)}
        return {name: measure_on_subsets(of, rows, self.data, self.subsets) for name, of in functions.items()}


def _sample(entry: Entry, batches: list[range], store: RunFolder) -> Sample:
    return pooled(lambda: (store.read(entry.key, images) for images in batches))
