"""What the harness costs over the bare sampling loop, and whether its memory grows with the images.

    python -m benchmarks.harness_overhead              # the bundled model, guidance 3, DDIM, NFE 5, 200 images
    python -m benchmarks.harness_overhead --pairs 3 --images 100

Overhead: each pair draws the same batches, the reference's too, in a bare loop of noise, samples and features, and
through the harness, which also adds errors and sums up and keeps them on disk; in alternating order. Memory: the peak of
traced allocations while 10^3 and 10^5 Gaussian images are drawn, summed and judged. Exits with 1 if the median overhead is
3 % or more, or the larger run takes 10 % more memory.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from hso.evaluation.compare import prepare
from hso.evaluation.outcome import judge
from hso.evaluation.plan import Plan, Settings
from hso.evaluation.subjects import Subject, SubjectSettings
from hso.evaluation.work import one_thread, work

NFE = 5
FEW, MANY = 1_000, 100_000


def digits(images: int, batch: int) -> Settings:
    """A small comparison of the bundled model."""
    schedules = ("trailing", "edm", "uniform_lambda", "hso_exact")
    return Settings(
        SubjectSettings("digits@3"), ("ddim",), (NFE,), schedules, samples=images, reference_nfe=20, batch=batch
    )


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
        store = prepare(settings, Path(folder))[2]
        begin = time.perf_counter()
        work(settings, subject, plan, store)
        return time.perf_counter() - begin


def overheads(settings: Settings, pairs: int) -> list[float]:
    """The relative overhead of each pair."""
    with tempfile.TemporaryDirectory() as folder:
        subject, plan, _ = prepare(settings, Path(folder))
    bare(settings, subject, plan)
    found = []
    for pair in range(pairs):
        order = (bare, harness) if pair % 2 == 0 else (harness, bare)
        seconds = {function: function(settings, subject, plan) for function in order}
        found.append(seconds[harness] / seconds[bare] - 1)
    return found


def peak(images: int) -> float:
    """Peak of traced memory in MiB while so many images are drawn, summed and judged."""
    settings = Settings(
        SubjectSettings("gaussian"), ("ddim",), (2,), ("trailing",), samples=images, reference_nfe=2, batch=500
    )
    with tempfile.TemporaryDirectory() as folder:
        tracemalloc.start()
        subject, plan, store = prepare(settings, Path(folder))
        tracemalloc.reset_peak()
        work(settings, subject, plan, store)
        judge(settings, subject, plan, store, resamples=20)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found / 2**20


def main() -> int:
    """Print both figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--batch", type=int, default=100)
    options = parser.parse_args()
    found = overheads(digits(options.images, options.batch), options.pairs)
    low, middle, high = (100 * q for q in statistics.quantiles(found, n=4))
    print(f"overhead: median {middle:+.2f} %, quartiles {low:+.2f} to {high:+.2f} %, {options.pairs} pairs", flush=True)
    few, many = peak(FEW), peak(MANY)
    print(f"peak memory: {few:.1f} MiB for {FEW} images, {many:.1f} MiB for {MANY}")
    return int(middle >= 3 or many > 1.1 * few)


if __name__ == "__main__":
    sys.exit(main())
