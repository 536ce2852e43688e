"""What the harness costs over the bare sampling loop, and whether its memory grows with the images.

    python -m benchmarks.harness_overhead              # the bundled model, guidance 3, DDIM, NFE 5
    python -m benchmarks.harness_overhead --pairs 40

Overhead: each pair draws one batch with every schedule, the reference included, in a bare loop of noise, samples and
features, and through the harness, which also adds errors, sums up and keeps the sums on disk; in alternating order. Printed
is the median of the pairs' ratios, which other programs on the machine disturb, and the harness's own seconds over those
that it spends in noise, samples and features, which they hardly do. Memory: the peak of traced allocations while Gaussian
images are drawn, summed and judged. A block takes more until it has as many images as there are features, 3200 in all
here, and no more after that. Exits with 1 if the harness's own share is 3 % or more, or 10^5 images take 10 % more memory
than 10^4.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hso.evaluation.compare import prepare
from hso.evaluation.outcome import judge
from hso.evaluation.plan import Plan, Settings
from hso.evaluation.store import Store
from hso.evaluation.subjects import Subject, SubjectSettings
from hso.evaluation.work import one_thread, work

NFE = 5
IMAGES = (1_000, 10_000, 100_000)


def digits(batch: int) -> Settings:
    """One batch of the bundled model."""
    schedules = ("trailing", "edm", "uniform_lambda", "hso_exact")
    subject = SubjectSettings("digits@3")
    return Settings(subject, ("ddim",), (NFE,), schedules, samples=batch, reference_nfe=10, batch=batch)


def bare(settings: Settings, subject: Subject, plan: Plan) -> float:
    """Seconds of the loop that anyone would write: noise, samples, features."""
    begin = time.perf_counter()
    with one_thread():
        for images in settings.batches():
            start = subject.begin(images)
            for entry in (plan.reference, *plan.entries):
                subject.features(subject.sample(entry.solver, entry.schedule, start))
    return time.perf_counter() - begin


def harness(settings: Settings, subject: Subject, plan: Plan) -> float:
    """Seconds of the same through the harness, into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), settings.common())
        begin = time.perf_counter()
        work(settings, subject, plan, store)
        return time.perf_counter() - begin


class Timed:
    """A subject that adds up the seconds that are spent in it."""

    def __init__(self, subject: Subject) -> None:
        self.subject, self.seconds = subject, 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.subject, name)
        return self._timed(found) if name in ("begin", "sample", "features") else found

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            begin = time.perf_counter()
            try:
                return method(*arguments)
            finally:
                self.seconds += time.perf_counter() - begin

        return call


def overheads(settings: Settings, pairs: int) -> tuple[list[float], float]:
    """The overhead of each pair, and the harness's own share, the median over pairs."""
    with tempfile.TemporaryDirectory() as folder:
        subject, plan, _ = prepare(settings, Path(folder))
    bare(settings, subject, plan)
    ratios, shares = [], []
    for pair in range(pairs):
        timed: Any = Timed(subject)
        seconds = {}
        for function, model in ((bare, subject), (harness, timed))[:: 1 if pair % 2 == 0 else -1]:
            seconds[function] = function(settings, model, plan)
        ratios.append(seconds[harness] / seconds[bare] - 1)
        shares.append(seconds[harness] / timed.seconds - 1)
    return ratios, statistics.median(shares)


def peak(images: int) -> float:
    """Peak of traced memory in MiB while so many images are drawn, summed and judged."""
    subject = SubjectSettings("gaussian")
    settings = Settings(subject, ("ddim",), (2,), ("trailing",), samples=images, reference_nfe=2, batch=500)
    with tempfile.TemporaryDirectory() as folder:
        tracemalloc.start()
        model, plan, store = prepare(settings, Path(folder))
        tracemalloc.reset_peak()
        work(settings, model, plan, store)
        judge(settings, model, plan, store, resamples=20)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found / 2**20


def main() -> int:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=50)
    options = parser.parse_args()
    found, share = overheads(digits(options.batch), options.pairs)
    low, middle, high = (100 * q for q in statistics.quantiles(found, n=4))
    print(f"overhead: median {middle:+.2f} %, quartiles {low:+.2f} to {high:+.2f} %, {options.pairs} pairs")
    print(f"the harness's own share: {100 * share:.2f} %", flush=True)
    peaks = {images: peak(images) for images in IMAGES}
    print("peak memory: " + ", ".join(f"{images} images {size:.1f} MiB" for images, size in peaks.items()))
    return int(share >= 0.03 or peaks[IMAGES[-1]] > 1.1 * peaks[IMAGES[-2]])


if __name__ == "__main__":
    sys.exit(main())
