"""Every family has the noise levels of diffusers' own schedulers."""

import inspect
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hso import HSOError, NoiseSchedule, SamplingSchedule
from hso.errors import ArgumentError
from hso.noise import dynamic_shift
from hso.noise.betas import BETA_CLASSES, BETA_FIELDS, DEFAULTS
from hso.noise.config import known_classes
from hso.noise.edm import EDMReader

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    diffusers = pytest.importorskip("diffusers")

# diffusers computes in float32.
SINGLE = 3e-6


def scheduler(name, **config):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(diffusers, name)(**config)


def needs_torchsde(name):
    """These classes are placeholders without torchsde."""
    return not hasattr(getattr(diffusers, name), "_compatibles")


def numbers(tensor):
    return tensor.double().numpy()


@pytest.mark.parametrize("name", ["FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"])
@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0, 12.0])
def test_static_shift(name, shift):
    host = scheduler(name, shift=shift)
    noise = NoiseSchedule.from_config(host)
    t = np.arange(1000, 0, -1) / 1000
    assert np.allclose(noise.sigma_t(t), numbers(host.sigmas), rtol=SINGLE)
    assert np.allclose(noise.timestep_of_time(t), numbers(host.timesteps), rtol=SINGLE)


@pytest.mark.parametrize("kind", ["exponential", "linear"])
@pytest.mark.parametrize("length", [64, 1024, 4096, 9000])
@pytest.mark.parametrize("terminal", [None, 0.1])
def test_dynamic_shift_and_shift_terminal(kind, length, terminal):
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    host = scheduler(
        "FlowMatchEulerDiscreteScheduler",
        use_dynamic_shifting=True,
        time_shift_type=kind,
        shift_terminal=terminal,
        base_shift=0.6,
    )
    ramp = np.linspace(1.0, 1 / 1000, 1000)
    host.set_timesteps(sigmas=ramp, mu=calculate_shift(length, base_shift=0.6))
    noise = NoiseSchedule.from_config(host, image_seq_len=length)
    assert np.allclose(noise.sigma_t(ramp), numbers(host.sigmas)[:-1], rtol=2e-5)
    assert np.allclose(noise.timestep_of_time(ramp), numbers(host.timesteps), rtol=2e-5)


def test_the_longest_sequence_is_the_default():
    host = scheduler("FlowMatchEulerDiscreteScheduler", use_dynamic_shifting=True, max_image_seq_len=2048)
    explicit = NoiseSchedule.from_config(host, image_seq_len=2048)
    assert NoiseSchedule.from_config(host).fingerprint == explicit.fingerprint
    assert explicit.fingerprint == NoiseSchedule.rectified_flow(float(np.exp(1.15))).fingerprint


def test_what_pipelines_run_is_the_trailing_rule():
    host = scheduler("FlowMatchEulerDiscreteScheduler", shift=3.0)
    host.set_timesteps(sigmas=np.linspace(1.0, 1 / 8, 8))
    schedule = SamplingSchedule.from_times(NoiseSchedule.from_config(host), np.arange(8, 0, -1) / 8)
    assert np.allclose(schedule.network_timesteps, numbers(host.timesteps), rtol=SINGLE)


def test_a_shift_set_later_counts():
    host = scheduler("FlowMatchEulerDiscreteScheduler")
    host.set_shift(7.0)
    assert NoiseSchedule.from_config(host).fingerprint == NoiseSchedule.rectified_flow(7.0).fingerprint


def test_mochi_is_told_the_share_of_signal():
    host = scheduler("FlowMatchEulerDiscreteScheduler", invert_sigmas=True)
    ramp = np.array([1.0, 0.9, 0.5, 0.1])
    host.set_timesteps(sigmas=ramp)
    noise = NoiseSchedule.from_config(host)
    assert np.allclose(noise.timestep_of_time(ramp), numbers(host.timesteps), atol=1e-3)


FLOW_SIGMAS = [
    name for name in BETA_CLASSES if "use_flow_sigmas" in inspect.signature(getattr(diffusers, name)).parameters
]


@pytest.mark.parametrize("name", [n for n in FLOW_SIGMAS if "Inverse" not in n])
@pytest.mark.parametrize("shift", [1.0, 5.0])
def test_flow_sigmas_of_the_other_solvers(name, shift):
    host = scheduler(name, use_flow_sigmas=True, flow_shift=shift, prediction_type="flow_prediction")
    host.set_timesteps(10)
    noise = NoiseSchedule.from_config(host)
    ramp = np.linspace(1, 0.001, 11)[:-1] if name == "UniPCMultistepScheduler" else 1 - np.linspace(0.001, 1, 11)[:-1]
    # At t = 1 UniPC has a guard of its own, of 1e-6.
    assert np.allclose(noise.sigma_t(ramp), numbers(host.sigmas)[:-1], rtol=SINGLE)


@pytest.mark.parametrize("name", EDMReader.classes)
def test_edm(name):
    if needs_torchsde(name):
        pytest.skip("torchsde is not installed")
    host = scheduler(name, **EDMReader.classes[name])
    host.set_timesteps(12)
    noise = NoiseSchedule.from_config(host)
    sigmas = numbers(host.sigmas)[:-1]
    assert float(noise.sigmas(noise.t_range[1])) == pytest.approx(sigmas[0])
    assert float(noise.sigmas(noise.t_range[0])) == pytest.approx(sigmas[-1])
    told = noise.timestep_of_time(noise.time(-np.log(sigmas)))
    assert np.allclose(told, numbers(host.timesteps), rtol=1e-5, atol=1e-6)
    assert noise.sigma_data == host.config.sigma_data


def test_stable_video_diffusion_is_edm():
    host = scheduler(
        "EulerDiscreteScheduler",
        sigma_min=0.002,
        sigma_max=700.0,
        timestep_type="continuous",
        prediction_type="v_prediction",
        use_karras_sigmas=True,
    )
    host.set_timesteps(9)
    noise = NoiseSchedule.from_config(host)
    sigmas = numbers(host.sigmas)[:-1]
    assert sigmas[[0, -1]] == pytest.approx(noise.sigmas(np.array(noise.t_range[::-1])), rel=1e-5)
    assert np.allclose(noise.timestep_of_time(noise.time(-np.log(sigmas))), numbers(host.timesteps), atol=1e-5)
    assert noise.fingerprint == NoiseSchedule.preset("svd").fingerprint


@pytest.mark.parametrize("name", ["CogVideoXDDIMScheduler", "CogVideoXDPMScheduler"])
@pytest.mark.parametrize("config", [{}, {"snr_shift_scale": 1.0}, {"rescale_betas_zero_snr": True}], ids=str)
def test_cogvideox_shifts_the_snr(name, config):
    host = scheduler(name, **config)
    noise = NoiseSchedule.from_config(host)
    alphas = noise.alpha_t(np.arange(1, 1001) / 1000) ** 2
    assert np.allclose(alphas, numbers(host.alphas_cumprod), rtol=1e-4, atol=1e-7)


def test_stable_audio_is_told_the_arc_tangent():
    noise = NoiseSchedule.preset("stable-audio")
    sigmas = np.array([500.0, 1.0, 0.3])
    told = noise.timestep_of_time(noise.time(-np.log(sigmas)))
    assert told == pytest.approx(np.arctan(sigmas) / np.pi * 2)


@pytest.mark.parametrize("name", BETA_CLASSES)
def test_defaults_are_those_of_the_class(name):
    if needs_torchsde(name):
        pytest.skip("torchsde is not installed")
    parameters = inspect.signature(getattr(diffusers, name)).parameters
    ours = {**DEFAULTS, **BETA_CLASSES[name]}
    for field in (*BETA_FIELDS - {"trained_betas"}, "num_train_timesteps"):
        assert ours[field] == parameters[field].default, field
    assert ours.get("snr_shift_scale") == getattr(parameters.get("snr_shift_scale"), "default", None)


def test_a_model_with_a_distilled_scheduler_is_refused_and_the_bare_scheduler_is_not():
    host = scheduler("LCMScheduler")
    pipeline = type("Pipeline", (), {"scheduler": host})()
    with pytest.raises(ArgumentError, match="distilled onto fixed noise levels"):
        NoiseSchedule.from_config(pipeline)
    assert NoiseSchedule.from_config(host).fingerprint == NoiseSchedule.preset("sd1.5").fingerprint


def test_a_class_derived_from_a_known_one_is_read_like_it():
    kind = type("Mine", (diffusers.FlowMatchEulerDiscreteScheduler,), {})
    assert NoiseSchedule.from_config(kind(shift=3.0)).fingerprint == NoiseSchedule.preset("sd3").fingerprint


def test_dynamic_shift_of_what_is_no_length_is_refused():
    with pytest.raises(ArgumentError, match="image_seq_len: expected an integer"):
        dynamic_shift(0)
    with pytest.raises(ArgumentError, match=r"mu: expected .*image_seq_len = 1000000"):
        dynamic_shift(10**6)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3000),
    st.sampled_from([10**400, -(10**400), 1.5, "scaled_linear", "linear", "exponential", "squaredcos_cap_v2"]),
    st.floats(),
    st.floats(0, 20),
    st.text(max_size=5),
    st.lists(st.one_of(st.floats(0, 1), st.text(max_size=2), st.none()), max_size=5),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)
FIELDS = [
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "rescale_betas_zero_snr",
    "snr_shift_scale",
    "use_flow_sigmas",
    "flow_shift",
    "shift",
    "use_dynamic_shifting",
    "base_shift",
    "max_shift",
    "base_image_seq_len",
    "max_image_seq_len",
    "time_shift_type",
    "shift_terminal",
    "invert_sigmas",
    "sigma_min",
    "sigma_max",
    "sigma_data",
    "timestep_type",
    "prediction_type",
]


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(st.sampled_from(known_classes()), VALUES),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6),
    st.one_of(st.none(), VALUES),
)
def test_any_configuration_gives_a_schedule_or_a_named_error(class_name, config, length):
    try:
        noise = NoiseSchedule.from_config({"_class_name": class_name, **config}, image_seq_len=length)
    except HSOError:
        return
    low, high = noise.t_range
    t = np.linspace(low, high, 50)
    assert np.all(np.isfinite(noise.lambda_(t)))
    assert np.all(np.isfinite(noise.timestep_of_time(t)))
    # Neighbours that float64 can tell apart.
    assert np.allclose(noise.time(noise.lambda_(t)), t, atol=1e-6)
