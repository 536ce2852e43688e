"""The work of a comparison: batch by batch, first the reference and then every schedule from the same noise.

Batches are dealt to processes in turn. No process needs anything from another, and each finished batch of a schedule is
kept at once. So a run can be stopped at any time, and any number of processes can go on with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hso.comparison.runs.plan import Entry, OpenRun
from hso.comparison.runs.threads import one_thread
from hso.comparison.statistics.blocks import block_of, sums
from hso.comparison.subjects import Start
from hso.errors import ArgumentError
from hso.noise.base import Array

Advance = Callable[[int], object]
# Number of images of each schedule that are kept to look at.
SHOWN = 10


class Shard(NamedTuple):
    """One process's share of the batches: its number among all processes, and how many there are."""

    index: int = 0  # type: ignore[assignment]  # hides tuple.index, which means nothing here
    count: int = 1  # type: ignore[assignment]


def work(run: OpenRun, shard: Shard | None = None, advance: Advance | None = None) -> None:
    """Do the part of a process's share that is not finished.

    Args:
        run: The comparison.
        shard: The share; everything by default.
        advance: Called with the number of network calls that are done, where an image counts as one call.

    Raises:
        FileError: If a batch cannot be kept. What was finished before stays.
    """
    share = shard or Shard()
    with one_thread():
        for images in run.settings.batches()[share.index :: share.count]:
            _Batch(images, run, advance or (lambda amount: None)).finish()


class _Batch(NamedTuple):
    images: range
    run: OpenRun
    advance: Advance

    def finish(self) -> None:
        plan, store = self.run.plan, self.run.store
        missing = [entry for entry in plan.entries if not store.has(entry.key, self.images)]
        present = plan.work - plan.reference.nfe - sum(entry.nfe for entry in missing)
        if missing or not store.has(plan.reference.key, self.images):
            start = self.run.subject.begin(self.images)
            reference = self._reference(plan.reference, start)
            self.advance(len(self.images) * (plan.reference.nfe + present))
            for entry in missing:
                self._keep(entry, self._sampled(entry, start), reference)
                self.advance(len(self.images) * entry.nfe)
        else:
            self.advance(len(self.images) * plan.work)
        store.drop_reference(self.images)

    def _reference(self, entry: Entry, start: Start) -> Array:
        store = self.run.store
        found = store.reference(self.images)
        if found is None:
            found = self._sampled(entry, start)
            store.keep_reference(self.images, found)
        if not store.has(entry.key, self.images):
            self._keep(entry, found, found)
        return found

    def _sampled(self, entry: Entry, start: Start) -> Array:
        try:
            return self.run.subject.sample(entry.runner, entry.schedule, start)
        except (MemoryError, RuntimeError) as error:
            # torch's own error is a RuntimeError, and torch may not be there.
            if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
                expected = "fewer images at once, because the memory is too small"
                raise ArgumentError("batch", expected, len(self.images)) from None
            raise

    def _keep(self, entry: Entry, images: Array, reference: Array) -> None:
        subject = self.run.subject
        features = subject.features(images)
        self._check(features)
        squares = np.square(images - reference, dtype=np.float64).reshape(len(images), -1).mean(axis=1)
        blocks = sums(features, squares, block_of(self.images, subject.period))
        shown = subject.pictures(images[:SHOWN]) if self.images.start == 0 else None
        self.run.store.write(entry.key, self.images, blocks, features, shown)

    def _check(self, features: Array) -> None:
        if not np.all(np.isfinite(features)):
            raise ArgumentError(
                "model",
                "images of finite numbers",
                f"others among {self.images}",
            )
        moments = self.run.subject.moments
        if moments is not None and features.shape[1] != len(moments.mean):
            expected = f"images of {features.shape[1]} features, as the model's"
            raise ArgumentError("data", expected, f"{len(moments.mean)} features")
