"""Each preset's default rule is what its pipeline in diffusers runs, by that pipeline's own code."""

from __future__ import annotations

import math
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from hso import NoiseSchedule
from hso.noise import presets
from hso.noise.config import read_mapping
from hso.noise.default_rule import FLOW_MATCH_RULES, WITHOUT_SHIFT, read_default_rule
from hso.noise.edm import CosmosReader
from hso.noise.flow import GUARD
from hso.noise.shift import OWN_SHIFTS
from hso.rules import PIPELINE_RULES, RULES, rule_schedule

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    diffusers = pytest.importorskip("diffusers")

from tests.noise.pipeline_code import run_timesteps  # noqa: E402

BUDGETS = (4, 8, 20)
# diffusers computes powers, logarithms and torch's own spacing in float32; NumPy's last bit may be another one there.
ROUNDED = {
    "edm": "a power in float32",
    "uniform_lambda": "an exponential in float32",
    "flow_edm": "a power",
    "flow_logit_normal": "a distribution function of torch",
    "flow_uniform_lambda": "an exponential in float32",
    "uniform_t_open": "torch.linspace",
}
TORCH_SPACED = (
    "ZImagePipeline",
    "ZImageOmniPipeline",
    "ErnieImagePipeline",
    "LongCatAudioDiTPipeline",
    "AceStepPipeline",
    "LTXConditionPipeline",
)
SINGLE = 2.0**-22
WITH_PIPELINE = [name for name, preset in presets().items() if preset.pipeline]


def default_length(preset):
    """The tokens of the image that the preset stands for."""
    return preset.config.get("max_image_seq_len", 4096)


def surroundings(preset):
    """What the pipeline's statements ask for: the size of the image as each counts it."""
    length = default_length(preset)
    side = math.isqrt(length) * 2
    latents = torch.zeros(1, length, 4)
    if preset.pipeline == "ZImagePipeline":
        latents = torch.zeros(1, 4, side, side)
    given = {"latents": latents, "height": side * 8, "width": side * 8, "num_frames": 1}
    if preset.pipeline == "LTXPipeline":
        given |= {"height": 64 * 32, "width": 64 * 32}
    if preset.pipeline == "Ideogram4Pipeline":
        given |= {"height": 2048, "width": 2048}
    network = SimpleNamespace(config=SimpleNamespace(patch_size=2), max_seq=length, dtype=torch.float32)
    config = SimpleNamespace(is_distilled=False, sample_sigmas=None, patch_size=2)
    parts = {
        "transformer": network,
        "config": config,
        "vae_scale_factor": 8,
        "vae_scale_factor_spatial": 8,
        "vae_scale_factor_temporal": 4,
        "transformer_spatial_patch_size": 2,
        "transformer_temporal_patch_size": 1,
        "vae_temporal_compression_ratio": 8,
        "vae_spatial_compression_ratio": 32,
    }
    return given, parts


def run(preset, nfe):
    """The scheduler of a preset's pipeline, after the pipeline has prepared a run."""
    if not hasattr(diffusers, preset.pipeline):
        pytest.skip(f"this diffusers has no {preset.pipeline}")
    pipeline, name = getattr(diffusers, preset.pipeline), preset.config["_class_name"]
    if not hasattr(pipeline, "_optional_components"):
        pytest.skip(f"{preset.pipeline} needs a package that is not installed")
    if not hasattr(getattr(diffusers, name), "_compatibles"):
        pytest.skip(f"{name} needs torchsde")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = getattr(diffusers, name).from_config(preset.config)
        if preset.pipeline in CosmosReader.pipelines:
            # What the pipeline's own __init__ does.
            scheduler.register_to_config(sigma_max=80.0, sigma_min=0.002, sigma_data=1.0, final_sigmas_type="sigma_min")
        given, parts = surroundings(preset)
        run_timesteps(pipeline, scheduler, nfe, given, parts)
    return scheduler


def numbers(tensor):
    return np.asarray(tensor, dtype=np.float64)


@pytest.mark.parametrize("nfe", BUDGETS)
@pytest.mark.parametrize("name", WITH_PIPELINE)
def test_the_default_rule_is_what_the_pipeline_runs(name, nfe):
    preset, noise = presets()[name], NoiseSchedule.preset(name)
    schedule, scheduler = rule_schedule(preset.default_rule, noise, nfe), run(preset, nfe)
    if preset.default_rule == "uniform_t_open":
        times = numbers(scheduler.timesteps)[:-1]
        assert schedule.times == pytest.approx(np.clip(times, *noise.t_range), abs=1e-7)
    elif noise.path.name == "vp":
        assert_training_indices(schedule, scheduler)
    elif noise.path.name == "flow":
        assert_flow_sigmas(preset, schedule, scheduler)
    else:
        assert schedule.sigmas == pytest.approx(numbers(scheduler.sigmas)[:nfe], rel=1e-5)


def assert_training_indices(schedule, scheduler):
    """Whole numbers, so equal. PNDM calls the network twice at its second node."""
    told = list(dict.fromkeys(numbers(scheduler.timesteps).tolist()))
    assert np.array_equal(np.round(schedule.fractional_timesteps, 6), told)


def assert_flow_sigmas(preset, schedule, scheduler):
    """Equal in float32, where the guard stands for 1; some schedulers hold 1 - sigma."""
    ours, held = np.float32(schedule.flow_sigmas), numbers(scheduler.sigmas)[: len(schedule.times)]
    if scheduler.config.get("invert_sigmas"):
        ours, held = 1 - ours, np.float32(np.maximum(held, GUARD))
    held = np.float32(np.minimum(held, 1 - GUARD))
    if preset.default_rule in ROUNDED or preset.pipeline in TORCH_SPACED:
        assert ours == pytest.approx(held, rel=SINGLE)
    else:
        assert np.array_equal(ours, held)


@pytest.mark.parametrize("name", WITH_PIPELINE)
def test_the_rule_is_read_from_the_pipeline_s_configuration(name):
    preset = presets()[name]
    assert read_default_rule(preset.pipeline, preset.config) == preset.default_rule


def test_every_default_rule_is_known():
    rules = {preset.default_rule for preset in presets().values()} - {None}
    assert rules <= {*RULES, *PIPELINE_RULES}
    assert set(PIPELINE_RULES) - rules == {"leading_open"}


@pytest.mark.parametrize("name", FLOW_MATCH_RULES)
def test_the_rule_of_every_pipeline_with_a_flow_matching_scheduler(name):
    rule = FLOW_MATCH_RULES[name]
    shift = 1.0 if rule in WITHOUT_SHIFT or name in OWN_SHIFTS else 3.0
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": shift, "num_train_timesteps": 1000}
    if name in CosmosReader.pipelines:
        config |= {"use_karras_sigmas": True}
    preset = presets()["sd3"]._replace(pipeline=name, config=config, default_rule=rule)
    noise = NoiseSchedule(*read_mapping(config, pipeline=name), name)
    schedule, scheduler = rule_schedule(rule, noise, 8), run(preset, 8)
    assert read_default_rule(name, config) == rule
    if noise.path.name == "ve_flow":
        assert schedule.sigmas == pytest.approx(numbers(scheduler.sigmas)[:8], rel=1e-5)
    else:
        assert_flow_sigmas(preset, schedule, scheduler)


@pytest.mark.parametrize(
    ("pipeline", "config"),
    [
        ("NobodysPipeline", {"_class_name": "FlowMatchEulerDiscreteScheduler"}),
        ("MochiPipeline", {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}),
        ("StableDiffusionPipeline", {"_class_name": "UniPCMultistepScheduler", "use_karras_sigmas": True}),
        ("StableDiffusionPipeline", {"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": True}),
        ("StableDiffusionPipeline", {"_class_name": "DDIMScheduler", "steps_offset": 7}),
        ("StableDiffusionPipeline", {"_class_name": "KDPM2DiscreteScheduler"}),
    ],
)
def test_a_rule_that_is_not_known_is_not_guessed(pipeline, config):
    assert read_default_rule(pipeline, config) is None


@pytest.mark.parametrize("name", ["UniPCMultistepScheduler", "DPMSolverMultistepScheduler"])
@pytest.mark.parametrize("nfe", BUDGETS)
def test_solvers_of_several_steps_leave_out_the_cleanest_of_leading_ones(name, nfe):
    """What Stable Diffusion XL's configuration becomes on another scheduler."""
    config = {**presets()["sdxl"].config, "_class_name": name}
    scheduler = getattr(diffusers, name).from_config(config)
    scheduler.set_timesteps(nfe)
    rule = read_default_rule("StableDiffusionXLPipeline", config)
    assert rule == "leading_open"
    assert_training_indices(rule_schedule(rule, NoiseSchedule.preset("sdxl"), nfe), scheduler)
