"""Noise schedules that many tests measure on."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest

from hso.noise import NoiseSchedule, Traits

# How long one example takes says more about the machine than about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def plain(name: str, image_seq_len: int | None = None) -> NoiseSchedule:
    """A preset's noise schedule and nothing else of the model: the defaults are then the published ones."""
    return NoiseSchedule.preset(name, image_seq_len=image_seq_len).with_traits(Traits())


TABLE_TIMES = np.linspace(0.001, 1.0, 9)
FAMILIES = {
    "ddpm": lambda: plain("ddpm"),
    "sd2.1": lambda: plain("sd2.1"),
    "linear_vp": NoiseSchedule.linear_vp,
    "cosine": NoiseSchedule.cosine,
    "zero_snr": lambda: NoiseSchedule.from_config({"beta_schedule": "scaled_linear", "rescale_betas_zero_snr": True}),
}
# Families on other paths; many tests of the search know the variance-preserving ones only.
OTHER_FAMILIES = {
    "sub_vp": NoiseSchedule.sub_vp,
    "edm": NoiseSchedule.edm,
    "stable-audio": lambda: plain("stable-audio"),
    "flow": NoiseSchedule.rectified_flow,
    "flow, shift 3": lambda: NoiseSchedule.rectified_flow(3.0),
    "flow, shift 12": lambda: NoiseSchedule.rectified_flow(12.0),
    "flow, dynamic": lambda: plain("flux-dev", image_seq_len=1024),
    "flow, shift_terminal": lambda: plain("ltx-video"),
    "flow, reversed": lambda: plain("mochi"),
    "table": lambda: NoiseSchedule.from_table(
        TABLE_TIMES, NoiseSchedule.rectified_flow(3.0).lambda_(TABLE_TIMES), path="flow"
    ),
}


@pytest.fixture(params=list(FAMILIES))
def any_noise(request: pytest.FixtureRequest) -> NoiseSchedule:
    """Each variance-preserving family in turn."""
    return FAMILIES[request.param]()


@pytest.fixture(params=[*FAMILIES, *OTHER_FAMILIES])
def every_noise(request: pytest.FixtureRequest) -> NoiseSchedule:
    """Each noise family in turn, on any path."""
    return {**FAMILIES, **OTHER_FAMILIES}[request.param]()


@pytest.fixture(params=list(OTHER_FAMILIES))
def other_noise(request: pytest.FixtureRequest) -> NoiseSchedule:
    """Each family in turn whose path does not preserve the variance."""
    return OTHER_FAMILIES[request.param]()


@pytest.fixture
def ddpm() -> NoiseSchedule:
    return plain("ddpm")


@pytest.fixture
def sd() -> NoiseSchedule:
    return plain("sd2.1")
