"""The work of a comparison: batch by batch, the reference and then every schedule from the same noise.

Batches are dealt to processes in turn. A process needs nothing from another, and each finished batch of a schedule is kept
at once, so that a run can be stopped anywhere and taken up by any number of processes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from hso.comparison.runs.plan import Entry, Plan, Settings
from hso.comparison.runs.store import Store
from hso.comparison.statistics.blocks import block_of, sums
from hso.comparison.subjects import Start, Subject
from hso.errors import ArgumentError, MissingExtraError
from hso.noise.base import Array

Advance = Callable[[int], object]
# Images of each schedule that are kept to look at.
SHOWN = 8


class Shard(NamedTuple):
    """Which of the processes this is."""

    index: int = 0  # type: ignore[assignment]  # hides tuple.index, which means nothing here
    count: int = 1  # type: ignore[assignment]


def work(
    settings: Settings,
    subject: Subject,
    plan: Plan,
    store: Store,
    shard: Shard | None = None,
    advance: Advance | None = None,
) -> None:
    """Do what is not done yet of a process's share.

    Args:
        settings: What is compared.
        subject: The model.
        plan: The schedules.
        store: Where finished batches are.
        shard: Which share; all of it by default.
        advance: Called with the number of network evaluations that are done, images counted one by one.

    Raises:
        FileError: If a batch cannot be kept. What was finished before stays.
    """
    share = shard or Shard()
    with one_thread():
        for images in settings.batches()[share.index :: share.count]:
            _Batch(images, subject, store, advance or (lambda amount: None)).run(plan)


class _Batch(NamedTuple):
    images: range
    subject: Subject
    store: Store
    advance: Advance

    def run(self, plan: Plan) -> None:
        missing = [entry for entry in plan.entries if not self.store.has(entry.key, self.images)]
        present = plan.work - plan.reference.nfe - sum(entry.nfe for entry in missing)
        if missing or not self.store.has(plan.reference.key, self.images):
            start = self.subject.begin(self.images)
            reference = self._reference(plan.reference, start)
            self.advance(len(self.images) * (plan.reference.nfe + present))
            for entry in missing:
                self._keep(entry, self._sampled(entry, start), reference)
                self.advance(len(self.images) * entry.nfe)
        else:
            self.advance(len(self.images) * plan.work)
        self.store.drop_reference(self.images)

    def _reference(self, entry: Entry, start: Start) -> Array:
        found = self.store.reference(self.images)
        if found is None:
            found = self._sampled(entry, start)
            self.store.keep_reference(self.images, found)
        if not self.store.has(entry.key, self.images):
            self._keep(entry, found, found)
        return found

    def _sampled(self, entry: Entry, start: Start) -> Array:
        try:
            return self.subject.sample(entry.solver, entry.schedule, start)
        except (MemoryError, RuntimeError) as error:
            # torch's own error is a RuntimeError, and torch may not be there.
            if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
                raise ArgumentError("batch", "fewer images at once, for want of memory", len(self.images)) from None
            raise

    def _keep(self, entry: Entry, images: Array, reference: Array) -> None:
        features = self.subject.features(images)
        self._check(features)
        squares = np.square(images - reference, dtype=np.float64).reshape(len(images), -1).mean(axis=1)
        blocks = sums(features, squares, block_of(self.images, self.subject.period))
        shown = self.subject.pictures(images[:SHOWN]) if self.images.start == 0 else None
        self.store.write(entry.key, self.images, blocks, features, shown)

    def _check(self, features: Array) -> None:
        if not np.all(np.isfinite(features)):
            raise ArgumentError("model", "images of finite numbers", f"others among {self.images}")
        moments = self.subject.moments
        if moments is not None and features.shape[1] != len(moments.mean):
            expected = f"images of {features.shape[1]} features, as the model's"
            raise ArgumentError("data", expected, f"{len(moments.mean)} features")


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for matrix products: other numbers round otherwise, and processes use the cores better.

    Raises:
        MissingExtraError: If threadpoolctl is not installed.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise MissingExtraError("threadpoolctl", extra="compare") from None
    with threadpool_limits(1):
        # A model that needs torch has loaded it by now; the others start faster without it.
        torch = sys.modules.get("torch")
        if torch is None:
            yield
            return
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
