"""How long a cold ``hso optimize --json`` takes, against importing NumPy and SciPy's optimizers.

Whole processes, started in turns so that a busy machine slows both alike. Exits with 1 if the ratio of the medians is
above the limit.

    python benchmarks/cold_start.py --runs 15
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

LIMIT = 2.5
COMMANDS = {
    "import numpy, scipy.optimize": [sys.executable, "-c", "import numpy, scipy.optimize"],
    "hso optimize --noise sd2.1 --nfe 5 --json": [
        sys.executable,
        "-c",
        "import sys; from hso.cli import main; sys.exit(main())",
        *["optimize", "--noise", "sd2.1", "--nfe", "5", "--json"],
    ],
}


def seconds(command: list[str]) -> float:
    """Wall time of a process from its start to its end."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def medians(runs: int) -> dict[str, float]:
    """Median wall time of each command; one run of each before is not counted."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for run in range(runs + 1):
        for name, command in COMMANDS.items():
            taken = seconds(command)
            if run > 0:
                times[name].append(taken)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    found = medians(parser.parse_args().runs)
    for name, median in found.items():
        print(f"{median * 1000:7.0f} ms  {name}")
    baseline, measured = found.values()
    print(f"ratio {measured / baseline:.2f}, limit {LIMIT}")
    return int(measured > LIMIT * baseline)


if __name__ == "__main__":
    sys.exit(main())
