"""Schedules a second for services that ask for one with each request.

    python -m benchmarks.service

A thousand requests with different models, budgets and strengths are searched one after another, and then asked for again.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import hso
from hso.cache import ScheduleCache

MODELS = ("sd2.1", "sdxl", "sd3", "wan2.1", "edm-cifar10", "stable-audio")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1000)
    options = parser.parse_args()
    rng, cache = np.random.default_rng(0), ScheduleCache()
    models = [hso.NoiseSchedule.preset(name) for name in MODELS]
    requests = [
        (models[index % len(models)], int(rng.integers(4, 13)), hso.Constraints(start=float(rng.uniform(0.4, 0.9))))
        for index in range(options.requests)
    ]
    print("| requests | schedules a second | median ms | slowest ms |")
    print("|---|---|---|---|")
    for what in ("searched", "asked for again"):
        seconds = []
        for noise, nfe, constraints in requests:
            began = time.perf_counter()
            cache.optimize(noise, nfe, constraints=constraints)
            seconds.append(time.perf_counter() - began)
        middle, slowest = 1e3 * float(np.median(seconds)), 1e3 * max(seconds)
        print(f"| {len(requests)} {what} | {len(requests) / sum(seconds):,.0f} | {middle:.3g} | {slowest:.3g} |")


if __name__ == "__main__":
    main()
