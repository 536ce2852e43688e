"""The models that are known by name."""

import json
from importlib.resources import files
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pytest

from hso import ArgumentError, optimize
from hso.noise import NoiseSchedule, presets, refusals
from hso.solvers import SOLVERS, make_solver

Text = Annotated[str, msgspec.Meta(min_length=3, max_length=120)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.\-]*$")]


Reason = Annotated[str, msgspec.Meta(min_length=30, max_length=200)]


class PresetRecord(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    title: Text
    config: dict[str, Any]
    solver: str
    space: Literal["latent", "pixel"] | None
    guidance: Annotated[float, msgspec.Meta(gt=1, le=20)] | None
    source: Text
    boundary: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None


class RefusalRecord(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    title: Text
    refused: Reason
    source: Text


RECORDS = json.loads(files("hso.noise").joinpath("presets.json").read_text(encoding="utf-8"))


def test_the_file_keeps_its_schema():
    for record in RECORDS:
        msgspec.convert(record, RefusalRecord if "refused" in record else PresetRecord)
    names = [record["name"] for record in RECORDS]
    assert len(names) == len(set(names))
    assert names == [*presets(), *refusals()]
    assert len(presets()) >= 25


@pytest.mark.parametrize("name", list(presets()))
def test_every_preset_loads_and_is_optimized(name):
    preset, noise = presets()[name], NoiseSchedule.preset(name)
    assert (preset.name, noise.name) == (name, name)
    assert len(preset.source) > 20
    assert preset.solver in SOLVERS
    solver = make_solver(preset.solver)
    result = optimize(noise, solver.nfe(6), solver=solver)
    assert result.feasible
    assert np.all(np.isfinite(result.schedule.sigmas))


@pytest.mark.parametrize("name", list(presets()))
def test_a_preset_s_noise_schedule_knows_its_model(name):
    preset, noise = presets()[name], NoiseSchedule.preset(name)
    assert noise.traits == preset.traits
    assert noise.traits.space == preset.space
    assert noise.fingerprint == NoiseSchedule.from_config(preset.config).fingerprint


@pytest.mark.parametrize(("name", "ratio", "t"), [("wan2.2", 0.875, 0.7), ("wan2.2-i2v", 0.9, 0.75)])
def test_networks_change_where_the_pipeline_compares_timesteps(name, ratio, t):
    """With shift s, sigma = s t / (1 + (s - 1) t) is told times 1000."""
    noise = NoiseSchedule.preset(name)
    assert noise.boundary_time == pytest.approx(t, abs=1e-6)
    assert float(noise.timestep_of_time(noise.boundary_time)) == pytest.approx(1000 * ratio, abs=1e-9)
    assert NoiseSchedule.preset("wan2.2-5b").boundary_time is None


@pytest.mark.parametrize("name", list(refusals()))
def test_distilled_models_are_refused_with_the_reason(name):
    with pytest.raises(ArgumentError) as raised:
        NoiseSchedule.preset(name)
    assert raised.value.argument == "noise"
    assert refusals()[name].refused in str(raised.value)


@pytest.mark.parametrize(
    ("name", "t", "sigma"),
    [
        # Of sigma~; flows by sigma / (1 - sigma).
        ("sd1.5", 1.0, 14.6146),
        ("sd1.5", 0.001, 0.0292),
        ("ddpm", 1.0, 157.4),
        ("svd", 1.0, 700.0),
        ("svd", 0.001, 0.002),
        ("edm2", 1.0, 80.0),
        ("stable-audio", 0.001, 0.3),
        ("sd3", 0.5, 3.0),
        ("wan2.2-5b", 0.5, 5.0),
        ("flux-dev", 0.5, np.exp(1.15)),
        ("cogvideox", 1.0, 2.0**12),
    ],
)
def test_noise_levels_are_the_published_ones(name, t, sigma):
    assert float(NoiseSchedule.preset(name).sigmas(t)) == pytest.approx(sigma, rel=2e-3)


def test_shift_terminal_is_the_last_sigma():
    assert float(NoiseSchedule.preset("ltx-video").sigma_t(0.001)) == pytest.approx(0.1)
    assert float(NoiseSchedule.preset("qwen-image").sigma_t(0.001)) == pytest.approx(0.02)


def test_the_length_of_the_image_sets_a_dynamic_shift():
    small, large = (NoiseSchedule.preset("flux-dev", image_seq_len=n) for n in (256, 4096))
    assert float(small.sigmas(0.5)) == pytest.approx(np.exp(0.5))
    assert large.fingerprint == NoiseSchedule.preset("flux-dev").fingerprint != small.fingerprint
    with pytest.raises(ArgumentError, match="image_seq_len: expected None for a model without dynamic shifting"):
        NoiseSchedule.preset("sd3", image_seq_len=4096)
    with pytest.raises(ArgumentError, match="image_seq_len: expected None"):
        NoiseSchedule.preset("sdxl", image_seq_len=4096)


def test_an_unknown_preset_suggests_the_nearest():
    with pytest.raises(ArgumentError, match=r"did you mean 'sd2.1'\?"):
        NoiseSchedule.preset("sd2-1")
