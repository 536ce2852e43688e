"""Noise schedules that many tests measure on."""

from __future__ import annotations

import pytest

from hso.noise import NoiseSchedule

FAMILIES = {
    "ddpm": lambda: NoiseSchedule.preset("ddpm"),
    "sd2.1": lambda: NoiseSchedule.preset("sd2.1"),
    "linear_vp": NoiseSchedule.linear_vp,
    "cosine": NoiseSchedule.cosine,
    "zero_snr": lambda: NoiseSchedule.from_config({"beta_schedule": "scaled_linear", "rescale_betas_zero_snr": True}),
}


@pytest.fixture(params=list(FAMILIES))
def any_noise(request: pytest.FixtureRequest) -> NoiseSchedule:
    """Each noise family in turn."""
    return FAMILIES[request.param]()


@pytest.fixture
def ddpm() -> NoiseSchedule:
    return NoiseSchedule.preset("ddpm")


@pytest.fixture
def sd() -> NoiseSchedule:
    return NoiseSchedule.preset("sd2.1")
