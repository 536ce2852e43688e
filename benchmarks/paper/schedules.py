"""The schedules of the paper's methods, with its settings whatever the defaults for a model are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import hso
from hso.search import Local

# The objective of both papers, which costs nothing for the jump to the clean sample.
PUBLISHED: dict[str, Any] = {"p": 2.0, "jump": "free"}
HSO, EXACT = "hso", "hso_exact"
BASELINE, BASELINE_LAMBDA = "dm_nonuniform_t", "dm_nonuniform_lambda"
METHODS: dict[str, dict[str, Any]] = {
    # Finds what the published search finds, in a hundredth of the time.
    HSO: {**PUBLISHED, "strategy": "bilevel"},
    EXACT: {**PUBLISHED, "strategy": "exact"},
    # DM-NonUniform as its authors set it for latent models, and for pixel models.
    BASELINE: {**PUBLISHED, "objective": "dm_nonuniform", "strategy": Local(rule="uniform_t")},
    BASELINE_LAMBDA: {
        **PUBLISHED,
        "objective": "dm_nonuniform",
        "strategy": Local(rule="uniform_lambda"),
        "p": 1.0,
    },
}


def found_by(names: Iterable[str], noise: hso.NoiseSchedule, nfe: int, solver: str) -> dict[str, hso.SamplingSchedule]:
    """The schedules of methods by name; UniPC's land on t_min, DDIM's on the clean sample."""
    return {name: hso.optimize(noise, nfe, solver=solver, **METHODS[name]).schedule for name in names}
