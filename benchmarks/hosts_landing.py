"""What the networks of real pipelines are told, against the schedule: 2 to 20 nodes, every scheduler that each runs with.

    python -m benchmarks.hosts_landing           # 11 pipelines x their schedulers x NFE 2 to 20 (a few minutes)
    python -m benchmarks.hosts_landing --quick   # NFE 2, 5 and 20

Prints the largest deviation for each pipeline and scheduler, in training timesteps (EDM: in log sigma / 4). float32 holds
a timestep below 1000 to 3.1e-5. Exits with 1 above twice that (Flux rounds a second time, dividing by 1000), or if a
final sample is not finite.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import Any

import numpy as np
import torch
from benchmarks.recording import made_for_pipeline, told
from benchmarks.tiny_pipelines import PIPELINES, Tiny, make, recorded

from hso.hosts.diffusers import attach, call_arguments

LIMIT = 2 * 3.1e-5


def deviation(tiny: Tiny, pipe: Any, nfe: int) -> tuple[float, int]:
    """Largest difference over one call, and the number of nodes that the network was told."""
    schedule = made_for_pipeline(pipe, nfe)
    attach(pipe, schedule)
    seen, sample = recorded(tiny.calling(**call_arguments(pipe, schedule)), pipe, nfe)
    distinct = np.array(list(dict.fromkeys(seen)))
    wanted = told(pipe.scheduler, schedule)
    if len(distinct) != nfe or not torch.as_tensor(sample).isfinite().all():
        return float("inf"), len(distinct)
    return float(np.abs(distinct - wanted).max()), len(distinct)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="NFE 2, 5 and 20 only")
    budgets = (2, 5, 20) if parser.parse_args().quick else range(2, 21)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    worst, calls = 0.0, 0
    print("| pipeline | scheduler | calls | nodes told | largest deviation |\n|---|---|---|---|---|")
    for name, tiny in PIPELINES.items():
        for scheduler, settings in tiny.schedulers:
            pipe = make(tiny, scheduler, settings)
            found = [deviation(tiny, pipe, nfe) for nfe in budgets]
            largest = max(value for value, _ in found)
            print(f"| {name} | {scheduler} | {len(found)} | {sum(n for _, n in found)} | {largest:.1e} |", flush=True)
            worst, calls = max(worst, largest), calls + len(found)
    print(f"\nlargest deviation of {calls} calls of {len(PIPELINES)} pipelines: {worst:.2e}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
