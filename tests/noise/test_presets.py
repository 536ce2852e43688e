"""The models that are known by name."""

import json
from importlib.resources import files
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pytest

from hso import ArgumentError, optimize
from hso.noise import NoiseSchedule, presets, refusals
from hso.rules import rule_schedule
from hso.solvers import SOLVERS, make_solver

Text = Annotated[str, msgspec.Meta(min_length=3, max_length=120)]
Source = Annotated[str, msgspec.Meta(min_length=20, max_length=200)]
Note = Annotated[str, msgspec.Meta(min_length=20, max_length=280)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.\-]*$")]


Reason = Annotated[str, msgspec.Meta(min_length=30, max_length=200)]


class PresetRecord(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    title: Text
    pipeline: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]\w+Pipeline$")] | None
    config: dict[str, Any]
    default_rule: str | None
    solver: str
    space: Literal["latent", "pixel"] | None
    guidance: Annotated[float, msgspec.Meta(ge=1, le=20)] | None
    source: Source
    boundary: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    guidance_2: Annotated[float, msgspec.Meta(ge=1, le=20)] | None = None
    note: Note | None = None


class RefusalRecord(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    title: Text
    refused: Reason
    source: Source


RECORDS = json.loads(files("hso.noise").joinpath("presets.json").read_text(encoding="utf-8"))


def test_the_file_keeps_its_schema():
    for record in RECORDS:
        msgspec.convert(record, RefusalRecord if "refused" in record else PresetRecord)
    names = [record["name"] for record in RECORDS]
    assert len(names) == len(set(names))
    assert names == [*presets(), *refusals()]
    assert len(presets()) >= 65


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
    assert (
        noise.traits.is_guided == (None if preset.guidance is None else preset.guidance > 1) or noise.traits.is_guided
    )


def test_guidance_of_1_is_none_and_null_is_unknown():
    assert NoiseSchedule.preset("edm-cifar10").traits.is_guided is False
    assert NoiseSchedule.preset("wan2.2-animate").traits.is_guided is False
    assert NoiseSchedule.preset("ddpm").traits.is_guided is None
    assert NoiseSchedule.preset("flux-dev").traits.is_guided is True


@pytest.mark.parametrize(("name", "ratio", "t"), [("wan2.2", 0.875, 7 / 19), ("wan2.2-i2v", 0.9, 9 / 14)])
def test_networks_change_where_the_pipeline_compares_timesteps(name, ratio, t):
    """With shift s, sigma = s t / (1 + (s - 1) t) is told times 1000; s is 12 and 5."""
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
        ("wan2.2", 0.5, 12.0),
        ("wan2.2-i2v", 0.5, 5.0),
        ("ltx-video-0.9.5", 0.5, 1.0),
        ("flux2-dev", 0.5, np.exp(2.02335)),
        ("cogview4", 0.5, 0.75 * 4 + 0.25),
        ("glm-image", 0.5, 0.75 * 4 + 0.25),
        ("ideogram-4", 0.5, 4.0),
        ("ace-step-1.5", 0.5, 3.0),
        ("krea-2", 0.5, np.exp(1.15)),
        ("cosmos-predict2", 1.0, 80.0),
        ("kolors", 1.0, 29.061),
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


def test_the_shift_of_flux_2_depends_on_the_number_of_steps():
    shifting = NoiseSchedule.preset("flux2-dev", image_seq_len=4096).clock.shifting
    assert np.log([shifting.factor(50), shifting.factor(8)]) == pytest.approx([2.02335, 2.26789], abs=1e-5)
    longer = NoiseSchedule.preset("flux2-dev", image_seq_len=8192).clock.shifting
    assert longer.factor(50) == longer.factor(8)


def test_stable_diffusion_3_is_shifted_twice():
    """Between the ends 1 and 3 / 1002, and then once more; trailing would end at 0.3."""
    schedule = rule_schedule(presets()["sd3"].default_rule, NoiseSchedule.preset("sd3"), 8)
    assert schedule.flow_sigmas[-1] == pytest.approx(0.0089, abs=5e-5)
    assert rule_schedule("flow_trailing", NoiseSchedule.preset("sd3"), 8).flow_sigmas[-1] == pytest.approx(0.3)


def test_cosmos_predict_2_explodes_and_its_network_sees_a_flow():
    noise = NoiseSchedule.preset("cosmos-predict2")
    t = noise.time_of_sigma(4.0)
    assert (float(noise.alpha_t(t)), float(noise.sigma_t(t))) == pytest.approx((1.0, 4.0))
    assert float(noise.timestep_of_time(t)) == pytest.approx(4 / 5)
    assert float(np.exp(noise.network_log_sigma(noise.lambda_(t)))) == pytest.approx(4 / 5)


def test_where_sources_disagree_the_preset_says_so():
    for name in ("sd3", "chroma", "z-image", "wan2.1", "wan2.2", "wan2.2-i2v", "stable-audio", "omnigen2"):
        assert presets()[name].note, name
