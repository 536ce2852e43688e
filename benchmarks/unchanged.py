"""Whether the strategies still give, bit for bit, the schedules of an earlier state of the program.

    python benchmarks/unchanged.py                     # exact and bilevel, every preset x NFE 2 to 20 (about three minutes)
    python benchmarks/unchanged.py --strategies all    # published too, with a small population (about an hour)
    python benchmarks/unchanged.py --write             # write the file anew

``unchanged.json`` has, for each preset, strategy and solver, the first 16 digits of the SHA-256 of the 19 schedules'
float64 values. All settings are given, so that a change of the defaults does not matter here. Another processor may round
the elementary functions otherwise and give other digits: write the file on the machine, before the change, that the
comparison will run on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from hso import HSOError, NoiseSchedule, optimize
from hso.files import write_atomic
from hso.noise import presets
from hso.search import Bilevel, Exact, Published, Strategy

FILE = Path(__file__).with_suffix(".json")
STRATEGIES: Mapping[str, Strategy] = {
    "exact": Exact(),
    "exact-training": Exact("training"),
    "bilevel": Bilevel(),
    # The same program as at its default settings, in a hundredth of the time.
    "published-reduced": Published(population=2, generations=2),
}
QUICK = ("exact", "exact-training", "bilevel")
CASES = (("unipc", "t_min"), ("ddim", "clean"))


def families(models: tuple[str, ...], names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each preset, strategy and solver, and the digest of its schedules with 2 to 20 nodes."""
    for preset in models:
        noise = NoiseSchedule.preset(preset)
        for name in names:
            for solver, terminal in CASES[:1] if name == "published-reduced" else CASES:
                found = [digest(noise, nfe, solver, terminal, name) for nfe in range(2, 21)]
                whole = hashlib.sha256(" ".join(found).encode()).hexdigest()[:16]
                yield f"{preset} {name} {solver} {terminal}", whole


def digest(noise: NoiseSchedule, nfe: int, solver: str, terminal: str, name: str) -> str:
    """The digest of one schedule, or the class of the error that the search ends in."""
    try:
        schedule = optimize(
            noise, nfe, solver=solver, terminal=terminal, objective="mep", strategy=STRATEGIES[name]
        ).schedule
    except HSOError as error:
        return type(error).__name__
    return hashlib.sha256(schedule.lambdas.tobytes() + repr(schedule.terminal).encode()).hexdigest()[:16]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", default="quick", help=f"quick ({', '.join(QUICK)}), all, or one")
    parser.add_argument("--presets", default=",".join(presets()), help="presets between commas; all by default")
    parser.add_argument("--write", action="store_true", help="write the file instead of comparing with it")
    chosen = parser.parse_args()
    names = {"quick": QUICK, "all": tuple(STRATEGIES)}.get(chosen.strategies, (chosen.strategies,))
    known: dict[str, str] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    found = dict(families(tuple(chosen.presets.split(",")), names))
    if chosen.write:
        write_atomic(FILE, (json.dumps({**known, **found}, indent=0) + "\n").encode())
        return 0
    changed = [problem for problem in found if problem in known and known[problem] != found[problem]]
    new = [problem for problem in found if problem not in known]
    print(
        f"{len(found)} schedules: {len(found) - len(changed) - len(new)} unchanged, {len(changed)} changed, {len(new)} new"
    )
    for problem in changed[:20]:
        print(f"changed: {problem}")
    return int(bool(changed))


if __name__ == "__main__":
    sys.exit(main())
