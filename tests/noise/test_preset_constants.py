"""What diffusers itself holds of a preset: noise levels, shifts, guidance."""

from __future__ import annotations

import inspect
import math
import warnings

import numpy as np
import pytest

from hso import NoiseSchedule
from hso.noise import presets
from hso.noise.shift import MU_READERS, flux2_mu, ideogram4_mu, read_linear_mu, read_square_root_mu

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    diffusers = pytest.importorskip("diffusers")

LENGTHS = (64, 256, 1024, 4096, 4300, 4301, 8192, 16384)
BETAS = [name for name, preset in presets().items() if "beta_schedule" in preset.config]
STATIC = [
    name
    for name, preset in presets().items()
    if preset.config.get("_class_name") == "FlowMatchEulerDiscreteScheduler"
    and not preset.config.get("use_dynamic_shifting")
    and NoiseSchedule.preset(name).path.name == "flow"
    and preset.config["num_train_timesteps"] > 1
    and preset.pipeline != "Ideogram4Pipeline"
]


def scheduler_of(preset):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(diffusers, preset.config["_class_name"]).from_config(preset.config)


def numbers(tensor):
    return np.asarray(tensor, dtype=np.float64)


@pytest.mark.parametrize("name", BETAS)
def test_the_noise_levels_of_a_preset_with_betas_are_its_scheduler_s(name):
    theirs = numbers(scheduler_of(presets()[name]).alphas_cumprod)
    noise = NoiseSchedule.preset(name)
    assert len(theirs) == noise.train_steps
    ours = noise.alpha_t(noise.time_of_index(np.arange(len(theirs)))) ** 2
    # A guard stands for zero terminal SNR.
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", STATIC)
def test_the_noise_levels_of_a_preset_with_a_shift_are_its_scheduler_s(name):
    noise = NoiseSchedule.preset(name)
    t = np.arange(1000, 0, -1) / 1000
    assert noise.sigma_t(t) == pytest.approx(numbers(scheduler_of(presets()[name]).sigmas)[:1000], rel=3e-6)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("steps", [4, 8, 20, 50, 200])
def test_the_mu_of_flux_2_is_that_of_its_pipelines(length, steps):
    module = pytest.importorskip("diffusers.pipelines.flux2.pipeline_flux2")
    assert flux2_mu(length, steps) == pytest.approx(module.compute_empirical_mu(length, steps), abs=1e-12)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", ["cogview4.pipeline_cogview4", "glm_image.pipeline_glm_image"])
def test_the_mu_of_cogview4_and_glm_image_is_that_of_their_pipelines(length, name):
    module = pytest.importorskip(f"diffusers.pipelines.{name}")
    ours = read_square_root_mu(presets()["cogview4"].config)(length, 8)
    assert ours == pytest.approx(module.calculate_shift(length, 256, 0.25, 0.75), abs=1e-12)


@pytest.mark.parametrize("side", [512, 1024, 2048])
def test_the_mu_of_ideogram_4_is_that_of_its_pipeline(side):
    module = pytest.importorskip("diffusers.pipelines.ideogram4.pipeline_ideogram4")
    assert ideogram4_mu((side // 16) ** 2, 8) == pytest.approx(module._resolution_aware_mu(side, side, 0.0))


@pytest.mark.parametrize("name", ["flux-dev", "qwen-image", "krea-2", "ltx-video", "longcat-image"])
def test_the_usual_mu_is_that_of_flux(name):
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    config = presets()[name].config
    fields = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
    for length in LENGTHS:
        theirs = calculate_shift(length, *(config[field] for field in fields))
        assert read_linear_mu(config)(length, 8) == pytest.approx(theirs, abs=1e-12)


def test_every_pipeline_with_a_mu_of_its_own_is_there():
    missing = [name for name in MU_READERS if not hasattr(diffusers, name)]
    assert missing in ([], [name for name in MU_READERS if "Flux2" in name or "Glm" in name])


# Where a preset has another guidance than the default of its pipeline, and why.
PLUS_ONE = "the pipeline writes c + w (c - u)"
OTHER_GUIDANCE = {
    "kandinsky-3": PLUS_ONE,
    "z-image": PLUS_ONE,
    "krea-2": PLUS_ONE,
    "cosmos-1": PLUS_ONE,
    "cosmos-predict2": PLUS_ONE,
    "cosmos-predict2.5": PLUS_ONE,
    "chroma": "the documentation has 3",
    "ltx-video-0.9.7": "the documentation has 5",
    "sd3.5": "the official program has 4.5",
    "sd3.5-medium": "the official program has 5",
    "wan2.1-flf2v": "the documentation has 5.5",
    "wan2.2": "the official program has (3, 4)",
    "wan2.2-i2v": "the official program has 3.5",
    "stable-cascade-decoder": "0 is none, which is 1 here",
}


@pytest.mark.parametrize("name", [name for name, preset in presets().items() if preset.pipeline and preset.guidance])
def test_the_guidance_is_the_default_of_the_pipeline_unless_another_source_is_named(name):
    preset = presets()[name]
    if not hasattr(diffusers, preset.pipeline):
        pytest.skip(f"this diffusers has no {preset.pipeline}")
    parameters = inspect.signature(getattr(diffusers, preset.pipeline).__call__).parameters
    names = ("true_cfg_scale", "guidance_scale", "max_guidance_scale")
    usual = {parameters[each].default for each in names if each in parameters} - {None, inspect.Parameter.empty}
    if not usual:
        pytest.skip("the pipeline has no default")
    if OTHER_GUIDANCE.get(name) == PLUS_ONE:
        assert preset.guidance - 1 in usual
    elif name in OTHER_GUIDANCE:
        assert preset.guidance not in usual
    else:
        assert preset.guidance in usual


def test_a_shift_s_factor_is_positive_whatever_the_length():
    for length in LENGTHS:
        assert NoiseSchedule.preset("ideogram-4", image_seq_len=length).clock.shift == pytest.approx(
            math.sqrt(length / 1024)
        )
