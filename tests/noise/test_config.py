"""diffusers configurations are read as diffusers reads them."""

import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest

from hso.errors import ArgumentError, FileError
from hso.noise import NoiseSchedule, Traits

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
DYNAMIC = {**FLOW, "use_dynamic_shifting": True}
CONTINUOUS = {"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous", "prediction_type": "v_prediction"}
CONFIGS = [
    {},
    SD,
    {"beta_schedule": "squaredcos_cap_v2"},
    {"beta_schedule": "linear", "beta_start": 0.0015, "beta_end": 0.0195, "num_train_timesteps": 500},
    {"trained_betas": np.linspace(0.001, 0.02, 100).tolist(), "num_train_timesteps": 100},
    {**SD, "rescale_betas_zero_snr": True},
    {"rescale_betas_zero_snr": True},
]


@pytest.fixture(scope="module")
def unipc():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("diffusers").UniPCMultistepScheduler


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_alphas_equal_those_of_diffusers(unipc, config):
    scheduler = unipc(**config)
    noise = NoiseSchedule.from_config(scheduler)
    steps = len(scheduler.alphas_cumprod)
    assert noise.train_steps == steps
    alphas = noise.alpha_t(noise.time_of_index(np.arange(steps))) ** 2
    # diffusers computes in float32.
    assert np.allclose(alphas, scheduler.alphas_cumprod.double().numpy(), rtol=1e-4, atol=1e-7)


def test_file_folder_dict_scheduler_and_pipeline_agree(unipc, tmp_path):
    folder = tmp_path / "some-model"
    (folder / "scheduler").mkdir(parents=True)
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({"_class_name": "DDIMScheduler", **SD}))
    scheduler = unipc(**SD)
    pipeline = type("Pipeline", (), {"scheduler": scheduler})()
    sources = [file, str(file), folder, file.parent, SD, scheduler, pipeline]
    schedules = [NoiseSchedule.from_config(source) for source in sources]
    assert {noise.fingerprint for noise in schedules} == {NoiseSchedule.preset("sd1.5").fingerprint}
    assert [noise.name for noise in schedules[:4]] == ["some-model"] * 4


def test_zero_terminal_snr_ends_at_the_guard():
    noise = NoiseSchedule.from_config({**SD, "rescale_betas_zero_snr": True})
    assert float(noise.lambda_(1.0)) == pytest.approx(-12 * math.log(2), abs=1e-6)
    assert float(noise.alpha_t(0.001)) == pytest.approx(math.sqrt(1 - 0.00085), abs=1e-12)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"sample_size": 64}, "config: expected a known _class_name; or at least one of beta_end"),
        ({**SD, "beta_schedule": "scaled_linaer"}, "did you mean 'scaled_linear'"),
        ({**SD, "beta_start": "small"}, "beta_start: expected a number"),
        ({**SD, "beta_end": None}, "beta_end: expected a number"),
        ({**SD, "beta_start": -1}, "beta_start: expected"),
        ({**SD, "beta_end": math.nan}, "beta_end: expected"),
        ({**SD, "num_train_timesteps": 1}, "num_train_timesteps: expected an integer"),
        ({**SD, "num_train_timesteps": 10.5}, "num_train_timesteps: expected an integer"),
        ({"trained_betas": [0.1, 2.0], "num_train_timesteps": 2}, "betas: expected values in"),
        ({"trained_betas": "many"}, "trained_betas: expected a sequence"),
        ({**SD, "_class_name": "DDIMSheduler"}, r"_class_name: expected one of .*did you mean 'DDIMScheduler'"),
        ({**SD, "snr_shift_scale": 0}, "snr_shift_scale: expected"),
        ({**SD, "snr_shift_scale": None}, "snr_shift_scale: expected"),
        ({**SD, "_class_name": "LCMScheduler"}, "distilled onto fixed noise levels"),
        ({"_class_name": "FlowMatchLCMScheduler"}, "distilled onto fixed noise levels"),
        ({**FLOW, "shift": 0}, "shift: expected a number in"),
        ({**FLOW, "shift": -3}, "shift: expected a number in"),
        ({**FLOW, "shift": math.nan}, "shift: expected a number in"),
        ({**FLOW, "num_train_timesteps": 0}, "num_train_timesteps: expected an integer from 2"),
        (
            {"trained_betas": [0.01] * 500, "num_train_timesteps": 1000},
            "trained_betas: expected as many values as num_tr",
        ),
        ({"trained_betas": [0.01] * 500}, "num_train_timesteps = 1000, got '?500 values"),
        ({"_class_name": "DDPMWuerstchenScheduler", "scaler": 2.0}, "scaler: expected 1"),
        ({"_class_name": "DDPMWuerstchenScheduler", "s": -1}, "s: expected a number"),
        ({**FLOW, "shift_terminal": 2}, "shift_terminal: expected"),
        ({**FLOW, "shift_terminal": 1e-6}, "shift_terminal: expected a number in"),
        ({**DYNAMIC, "time_shift_type": "cubic"}, "time_shift_type: expected one of"),
        ({**DYNAMIC, "max_image_seq_len": 256}, "max_image_seq_len: expected an integer above"),
        ({**DYNAMIC, "max_shift": 50}, "mu: expected"),
        ({**DYNAMIC, "max_shift": -1, "time_shift_type": "linear"}, "mu: expected"),
        ({"use_flow_sigmas": True, "flow_shift": 0}, "flow_shift: expected a number in"),
        ({"_class_name": "EDMEulerScheduler", "sigma_min": 90}, "sigma_max: expected a number above sigma_min = 90"),
        ({"_class_name": "EDMEulerScheduler", "sigma_min": -1}, "sigma_min: expected"),
        ({"_class_name": "EDMEulerScheduler", "sigma_max": math.nan}, "sigma_max: expected"),
        ({"_class_name": "EDMEulerScheduler", "sigma_data": 0}, "sigma_data: expected"),
        (CONTINUOUS, "config: expected sigma_min and sigma_max with continuous timesteps"),
        ({**SD, "use_flow_sigmas": "false"}, "use_flow_sigmas: expected true or false, got 'false' .write it without"),
        ({**SD, "rescale_betas_zero_snr": 1}, "rescale_betas_zero_snr: expected true or false, got 1"),
        ({**FLOW, "use_dynamic_shifting": "yes"}, "use_dynamic_shifting: expected true or false"),
        ({**FLOW, "invert_sigmas": "false"}, "invert_sigmas: expected true or false"),
        (3, "config: expected a path, a dict, a diffusers scheduler or a pipeline"),
    ],
    ids=str,
)
def test_unusable_configurations_are_refused(config, problem):
    with pytest.raises(ArgumentError, match=problem):
        NoiseSchedule.from_config(config)


@pytest.mark.parametrize("betas", [(0.875, 0.02), (0.02, 0.875)])
def test_noise_levels_beyond_what_a_float_holds_are_refused(betas):
    config = {"_class_name": "DDIMScheduler", "beta_schedule": "linear", "beta_start": betas[0], "beta_end": betas[1]}
    with pytest.raises(ArgumentError, match="noise: expected noise levels with lambda within 300 of 0"):
        NoiseSchedule.from_config(config)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '"text"', "\x00", '{"a": ' * 100_000, "\xff"])
def test_files_that_hold_no_configuration_are_refused(tmp_path, content):
    file = tmp_path / "scheduler_config.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(FileError, match="expected a"):
        NoiseSchedule.from_config(file)


def test_a_name_that_no_file_can_have_is_a_missing_file():
    for name in ("x" * 5000, "folder/" + "x" * 5000, "x" * 5000 + ".json"):
        with pytest.raises(FileError, match="cannot read the scheduler configuration"):
            NoiseSchedule.from_config(name)


def test_a_missing_file_and_a_folder_without_scheduler_are_named(tmp_path):
    with pytest.raises(FileError, match=r"nowhere.json: cannot read"):
        NoiseSchedule.from_config(tmp_path / "nowhere.json")
    with pytest.raises(FileError, match="expected a diffusers folder"):
        NoiseSchedule.from_config(tmp_path)


PARTS = {"vae": ["diffusers", "AutoencoderKLWan"], "transformer": ["diffusers", "WanTransformer3DModel"]}
INDICES = [
    ({**PARTS, "boundary_ratio": 0.875}, Traits("latent", None, 0.875)),
    ({**PARTS, "boundary_ratio": None}, Traits("latent")),
    ({**PARTS, "boundary_ratio": 1.0}, Traits("latent")),
    ({"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDPMScheduler"]}, Traits("pixel")),
    ({"vqvae": ["diffusers", "VQModel"], "unet": ["diffusers", "UNet2DModel"]}, Traits("latent")),
    ({**PARTS, "vae": [None, None]}, Traits()),
    ({"prior": ["diffusers", "PriorTransformer"]}, Traits()),
    ({"_class_name": "SomePipeline"}, Traits()),
]


@pytest.mark.parametrize(("index", "traits"), INDICES, ids=str)
def test_a_pipeline_s_parts_say_what_model_it_is(unipc, tmp_path, index, traits):
    (tmp_path / "scheduler_config.json").write_text(json.dumps(SD))
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    found = NoiseSchedule.from_config(tmp_path).traits
    assert replace(found, default_rule=None) == traits
    # A pipeline's own configuration has pairs where the file has lists.
    config = {name: tuple(part) if isinstance(part, list) else part for name, part in index.items()}
    pipeline = type("Pipeline", (), {"scheduler": unipc(**SD), "config": config})()
    noise = NoiseSchedule.from_config(pipeline)
    assert noise.traits == replace(traits, default_rule="linspace_open")
    assert noise.fingerprint == NoiseSchedule.preset("sd1.5").fingerprint
    assert NoiseSchedule.from_config(pipeline.scheduler).traits == Traits()


def test_a_boundary_that_is_no_share_is_refused(tmp_path):
    (tmp_path / "scheduler_config.json").write_text(json.dumps(SD))
    for ratio in ("high", 875, -0.1):
        (tmp_path / "model_index.json").write_text(json.dumps({"boundary_ratio": ratio}))
        with pytest.raises(ArgumentError, match="boundary_ratio: expected a number in"):
            NoiseSchedule.from_config(tmp_path)


@pytest.mark.parametrize("sigma", [0.0, -1.0, 0.01, 15.0, math.inf, math.nan, "high"])
def test_a_noise_level_that_the_model_has_not_is_refused(sigma):
    with pytest.raises(ArgumentError, match=r"sigma: expected a number in \[0.0291672, 14.6146\].*\(sigma / alpha\)"):
        NoiseSchedule.preset("sd2.1").time_of_sigma(sigma)


def test_the_ends_are_noise_levels(every_noise):
    low, high = every_noise.t_range
    assert every_noise.time_of_sigma(float(every_noise.sigmas(high))) == pytest.approx(high)
    assert every_noise.time_of_sigma(float(every_noise.sigmas(low))) == pytest.approx(low)


def test_one_training_timestep_means_that_the_network_is_told_sigma():
    noise = NoiseSchedule.from_config({**FLOW, "num_train_timesteps": 1, "shift": 3.0})
    assert (noise.train_steps, noise.t_range) == (None, (0.001, 1.0))
    assert float(noise.timestep_of_time(0.5)) == pytest.approx(0.75)
    omnigen = NoiseSchedule.preset("omnigen")
    assert float(omnigen.timestep_of_time(0.25)) == pytest.approx(0.75)


def test_wuerstchen_is_told_the_time_of_the_cosine_schedule():
    noise = NoiseSchedule.from_config({"_class_name": "DDPMWuerstchenScheduler"})
    assert noise.fingerprint == NoiseSchedule.cosine(train_steps=None).fingerprint
    scheduler = pytest.importorskip("diffusers").DDPMWuerstchenScheduler()
    t = np.linspace(0.01, 0.99, 50)
    import torch

    ours = noise.alpha_t(t) ** 2
    assert ours == pytest.approx(scheduler._alpha_cumprod(torch.tensor(t), "cpu").double().numpy(), rel=1e-4)


def test_zero_terminal_snr_of_linear_betas_ends_below_the_guard():
    """The value before the last is already below 2**-24 there."""
    noise = NoiseSchedule.from_config({"beta_schedule": "linear", "rescale_betas_zero_snr": True})
    before, last = noise.alpha_t(np.array([0.999, 1.0]))
    assert last == pytest.approx(before / 2)
    assert last**2 < 2.0**-24


def folder(tmp_path, index, config):
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    return tmp_path


def test_a_folder_s_pipeline_says_how_mu_is_computed(tmp_path):
    path = folder(tmp_path, {"_class_name": "Flux2Pipeline"}, DYNAMIC)
    found = NoiseSchedule.from_config(path, image_seq_len=1024)
    assert found.fingerprint == NoiseSchedule.preset("flux2-dev", image_seq_len=1024).fingerprint
    assert found.fingerprint != NoiseSchedule.from_config(DYNAMIC, image_seq_len=1024).fingerprint
    assert found.traits.default_rule == "flow_trailing"


def test_a_folder_of_cosmos_predict_2_is_read_as_what_it_is(tmp_path):
    path = folder(tmp_path, {"_class_name": "Cosmos2VideoToWorldPipeline"}, {**FLOW, "use_karras_sigmas": True})
    assert NoiseSchedule.from_config(path).fingerprint == NoiseSchedule.preset("cosmos-predict2").fingerprint


def test_a_pipeline_that_says_it_is_distilled_is_refused(tmp_path):
    path = folder(tmp_path, {"_class_name": "Krea2Pipeline", "is_distilled": True}, DYNAMIC)
    with pytest.raises(ArgumentError, match=r"is_distilled: true.*distilled onto a few steps"):
        NoiseSchedule.from_config(path)
