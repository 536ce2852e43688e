"""The schedules of the paper's methods, with its settings whatever the defaults for a model are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import hso
from hso.comparison.contestants import OPTIMIZED

HSO, EXACT = "hso", "hso_exact"
BASELINE, BASELINE_LAMBDA = "dm_nonuniform_t", "dm_nonuniform_lambda"
METHODS: Mapping[str, Mapping[str, Any]] = {
    # Finds what the published search finds, in a hundredth of the time.
    HSO: OPTIMIZED["hso_bilevel"],
    **{name: OPTIMIZED[name] for name in (EXACT, BASELINE, BASELINE_LAMBDA)},
}


def found_by(names: Iterable[str], noise: hso.NoiseSchedule, nfe: int, solver: str) -> dict[str, hso.SamplingSchedule]:
    """The schedules of methods by name; UniPC's land on t_min, DDIM's on the clean sample."""
    return {name: hso.optimize(noise, nfe, solver=solver, **METHODS[name]).schedule for name in names}
