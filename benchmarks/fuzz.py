"""Fuzz for minutes: thousands of inputs of every kind, from a seed that is printed.

    python -m benchmarks.fuzz                        # make fuzz
    python -m benchmarks.fuzz --inputs 100 --seed 7

Runs ``tests/fuzz`` with so many inputs for each test (a tenth of them where one runs a model), and prints how many were
tried and how many of them were refused. A test that fails prints the input and the line that tries it again; keep it as an
``@example`` of that test. Exits with 1 if a test fails.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests" / "fuzz"


def main() -> int:
    """Run the tests in this process, and print what was tried."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1500, help="inputs of each test")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options, more = parser.parse_known_args()
    os.environ["FUZZ_INPUTS"] = str(options.inputs)
    import pytest

    print(f"seed {options.seed}", flush=True)
    status = pytest.main([str(TESTS), f"--hypothesis-seed={options.seed}", "-p", "no:cacheprovider", *more])
    from tests.fuzz.checks import tried

    print("\n| kind of input | tried | refused |\n|---|---|---|")
    kinds = [kind for kind in tried if not kind.endswith(", refused")]
    for kind in sorted(kinds):
        print(f"| {kind} | {tried[kind]:,} | {tried[f'{kind}, refused']:,} |")
    print(f"| all | {sum(tried[kind] for kind in kinds):,} | {sum(tried[f'{kind}, refused'] for kind in kinds):,} |")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
