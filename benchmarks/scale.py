"""A comparison of a million images by 64 processes: the files, the start of each process, and the merge.

    python -m benchmarks.scale

The model is exact and cheap, so that the machine of the comparison is measured and not a network. The 64 shares are done
one after another in this process; what each of them would do is the same.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from hso.comparison.runs.judge import judge
from hso.comparison.runs.plan import join, prepare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.runs.work import Shard, work
from hso.comparison.subjects import SubjectSettings, load_subject

HEADS = (
    *("images", "processes", "batch", "files", "MB", "a process joins, ms", "all work, s"),
    *("nothing left to do, ms a process", "merge, s", "peak MB after the work", "peak MB after the merge"),
)


def peak() -> float:
    """Peak memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--batch", type=int, default=500)
    options = parser.parse_args()
    settings = ComparisonSettings(
        SubjectSettings("gaussian"),
        ("ddim",),
        (2,),
        ("trailing", "uniform_lambda"),
        samples=options.images,
        reference_nfe=4,
        batch=options.batch,
    )
    with tempfile.TemporaryDirectory() as name:
        folder, subject = Path(name), load_subject(settings.subject)
        prepare(settings, folder, subject)
        starts, again, began = [], [], time.perf_counter()
        for index in range(options.processes):
            first = time.perf_counter()
            run = join(settings, folder, subject)
            starts.append(time.perf_counter() - first)
            work(run, Shard(index, options.processes))
        worked, grown = time.perf_counter() - began, peak()
        for index in range(options.processes):
            first = time.perf_counter()
            work(join(settings, folder, subject), Shard(index, options.processes))
            again.append(time.perf_counter() - first)
        files = [path for path in folder.rglob("*") if path.is_file()]
        first = time.perf_counter()
        outcome = judge(run, 100)
        merged = time.perf_counter() - first
        size = sum(path.stat().st_size for path in files) / 1e6
    print(f"| {' | '.join(HEADS)} |")
    print(f"|{'---|' * len(HEADS)}")
    numbers = (len(files), size, 1e3 * max(starts), worked, 1e3 * max(again), merged, grown, peak())
    print(
        f"| {outcome.images:,} | {options.processes} | {options.batch} | "
        + " | ".join(f"{number:,.0f}" if number >= 100 else f"{number:.3g}" for number in numbers)
        + " |"
    )


if __name__ == "__main__":
    main()
