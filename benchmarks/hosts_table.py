"""Writes docs/hosts.md: how a schedule lands on each diffusers scheduler, by the registry and by running each.

    python -m benchmarks.hosts_table            # writes docs/hosts.md
    python -m benchmarks.hosts_table --print    # prints it instead

*exact*: for 2 to 20 nodes at fractional timesteps, the network was told each node to the rounding of float32.
*rounded*: to the nearest training timestep. *refused*: ``attach`` raises an error with the reason.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

from benchmarks.recording import made_for, make_scheduler, record, told

from hso.errors import HostError
from hso.hosts.diffusers import HOSTS, REFUSED, attach

FLOW: dict[str, Any] = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
FLOW_TOO = (
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
)
BUDGETS = range(2, 21)
ROUNDING = 3.1e-5
TARGET = Path(__file__).parents[1] / "docs" / "hosts.md"
HEAD = """# diffusers schedulers

How a schedule lands on each scheduler when attached with `hso.hosts.diffusers.attach`. This file is written by
`python -m benchmarks.hosts_table`, which runs every scheduler with 2 to 20 nodes at fractional timesteps and records
what the network is told; a test keeps it current.

- **exact**: the network is told every node to the rounding of float32, and the solver steps through the same levels.
- **refused**: `attach` raises a `HostError` with the reason.
- *ends*: where the last step can land, on the clean sample or at t_min.
- *calls*: network calls for N nodes.

| scheduler | result | ends | calls | note |
|---|---|---|---|---|
"""
TAIL = """
With whole timesteps (`SamplingSchedule.from_timesteps(noise, schedule.timesteps)`) the scheduler's own integer dtype is
kept, for networks that cannot take fractions.
"""


def rows() -> list[str]:
    """One row for each scheduler."""
    variants: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in HOSTS] + [(name, FLOW) for name in FLOW_TOO]
    lines = [_row(name, settings) for name, settings in variants]
    return lines + [f"| {name} | refused | | | {reason} |" for name, reason in REFUSED.items()]


def page() -> str:
    """The whole file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # diffusers calls NumPy functions on tensors
        return HEAD + "\n".join(rows()) + "\n" + TAIL


def _row(name: str, settings: dict[str, Any]) -> str:
    ends = [
        (end, *found) for end, clean in (("clean", True), ("t_min", False)) if (found := _run(name, settings, clean))
    ]
    worst = max(deviation for _, deviation, _ in ends)
    result = "exact" if worst <= ROUNDING else "rounded" if worst <= 0.5 else "wrong"
    note = (type(HOSTS[name]).__doc__ or "").strip().splitlines()[0].replace("``", "`")
    label = f"{name}, `use_flow_sigmas`" if settings else name
    return f"| {label} | {result} | {', '.join(end for end, _, _ in ends)} | {ends[0][2]} | {note} |"


def _run(name: str, settings: dict[str, Any], clean: bool) -> tuple[float, str] | None:
    """Largest deviation over all budgets, and the number of calls; None where this end is refused."""
    worst, calls = 0.0, "N"
    for nfe in BUDGETS:
        scheduler = make_scheduler(name, **settings)
        schedule = made_for(scheduler, nfe, clean)
        try:
            attach(scheduler, schedule)
        except HostError:
            return None
        seen = record(scheduler, schedule)
        worst = max(worst, seen.deviation(schedule, told(scheduler, schedule)))
        calls = "N" if len(seen.timesteps) == nfe else "2N - 1" if len(seen.timesteps) == 2 * nfe - 1 else "?"
    return worst, calls


def main() -> None:
    """Write or print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print instead of writing docs/hosts.md")
    text = page()
    if parser.parse_args().print:
        print(text)
    else:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
