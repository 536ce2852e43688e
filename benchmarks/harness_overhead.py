"""What the harness costs over the bare sampling loop, and whether its memory grows with the images.

    python -m benchmarks.harness_overhead              # the bundled model, guidance 3, DDIM, NFE 5
    python -m benchmarks.harness_overhead --pairs 40

Overhead: each pair draws one batch with every schedule, the reference included, in a bare loop of noise, samples and
features, and through the harness, which also adds errors, sums up and keeps the sums on disk; in alternating order. Printed
is the median of the pairs' ratios, which other programs on the machine disturb, and the harness's own seconds over those
that it spends in noise, samples and features, which they hardly do. Memory: while Gaussian images are drawn, summed and
judged, each number of them in a process of its own, the peak of traced allocations and the peak of the whole process.
Exits with 1 if the harness's own share is 3 % or more, or 10^5 images take more than 10^3 do: 10 % of the process, or 1 MiB
of allocations, which the interpreter needs for the names of more files.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import re
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from hso.comparison.runs.judge import judge
from hso.comparison.runs.plan import OpenRun, prepare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.runs.store import RunFolder
from hso.comparison.runs.threads import one_thread
from hso.comparison.runs.work import work
from hso.comparison.subjects import Subject, SubjectSettings, load_subject

NFE = 5
IMAGES = (1_000, 10_000, 100_000)


def digits(batch: int) -> ComparisonSettings:
    """One batch of the bundled model."""
    schedules = ("trailing", "edm", "uniform_lambda", "hso_exact")
    subject = SubjectSettings("digits@3")
    return ComparisonSettings(subject, ("ddim",), (NFE,), schedules, samples=batch, reference_nfe=10, batch=batch)


def bare(run: OpenRun) -> float:
    """Seconds of the loop that anyone would write: noise, samples, features."""
    begin = time.perf_counter()
    with one_thread():
        for images in run.settings.batches():
            start = run.subject.begin(images)
            for entry in run.plan.everyone:
                run.subject.features(run.subject.sample(entry.method, entry.schedule, start))
    return time.perf_counter() - begin


def harness(run: OpenRun) -> float:
    """Seconds of the same through the harness, into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        store = RunFolder(Path(folder), run.settings.common())
        begin = time.perf_counter()
        work(run._replace(store=store))
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


def overheads(settings: ComparisonSettings, pairs: int) -> tuple[list[float], float]:
    """The overhead of each pair, and the harness's own share, the median over pairs."""
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(settings, Path(folder), load_subject(settings.subject))
    bare(run)
    ratios, shares = [], []
    for pair in range(pairs):
        timed: Any = Timed(run.subject)
        seconds = {}
        for function, model in ((bare, run.subject), (harness, timed))[:: 1 if pair % 2 == 0 else -1]:
            seconds[function] = function(run._replace(subject=model))
        ratios.append(seconds[harness] / seconds[bare] - 1)
        shares.append(seconds[harness] / timed.seconds - 1)
    return ratios, statistics.median(shares)


def draw(images: int) -> None:
    """Draw, sum and judge so many images."""
    subject = SubjectSettings("gaussian")
    settings = ComparisonSettings(subject, ("ddim",), (2,), ("trailing",), samples=images, reference_nfe=2, batch=500)
    with tempfile.TemporaryDirectory() as folder:
        run = prepare(settings, Path(folder), load_subject(subject))
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        work(run)
        judge(run, resamples=20)


def traced(images: int) -> float:
    """Peak of traced allocations in MiB."""
    tracemalloc.start()
    draw(images)
    return tracemalloc.get_traced_memory()[1] / 2**20


def resident(images: int) -> float:
    """Peak of the whole process in MiB, as Linux tells it."""
    draw(images)
    # Not getrusage, which begins with what the parent process had.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 2**10 if found else math.nan


def peaks(measure: Callable[[int], float]) -> list[float]:
    """What is measured of each number of images, in a process of its own."""
    found = []
    for images in IMAGES:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            found.append(pool.submit(measure, images).result())
    numbers = ", ".join(f"{images} images {size:.1f}" for images, size in zip(IMAGES, found, strict=True))
    print(f"peak of memory, {measure.__name__}: {numbers} MiB", flush=True)
    return found


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
    allocations, process = peaks(traced), peaks(resident)
    grows = allocations[-1] > allocations[0] + 1 or process[-1] > 1.1 * process[0]
    return int(share >= 0.03 or grows)


if __name__ == "__main__":
    sys.exit(main())
