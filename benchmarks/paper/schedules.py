"""The schedules of the paper's methods, with its settings whatever the defaults for a model are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import hso
from hso.comparison.contestants import OPTIMIZED
from hso.search import Published
from hso.solvers import make_solver

HSO, EXACT = "hso", "hso_exact"
BASELINE, BASELINE_LAMBDA = "dm_nonuniform_t", "dm_nonuniform_lambda"
METHODS: Mapping[str, Mapping[str, Any]] = {
    # Finds what the published search finds, in a hundredth of the time.
    HSO: OPTIMIZED["hso_bilevel"],
    **{name: OPTIMIZED[name] for name in (EXACT, BASELINE, BASELINE_LAMBDA)},
}

# Where the paper's experiments let these solvers land.
LANDINGS = {name: Published().terminal(make_solver(name)) for name in ("unipc", "ddim")}


def found_by(names: Iterable[str], noise: hso.NoiseSchedule, nfe: int, solver: str) -> dict[str, hso.SamplingSchedule]:
    """The schedules of methods by name; UniPC's land on t_min, DDIM's on the clean sample."""
    found = {}
    for name in names:
        found[name] = hso.optimize(noise, nfe, solver=solver, terminal=LANDINGS[solver], **METHODS[name]).schedule
    return found
