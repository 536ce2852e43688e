"""The network is called at the nodes, and the solver steps through the same levels, for every scheduler."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from benchmarks.recording import HERE, POINT, ends_clean, made_for, make_scheduler, record, take, told  # noqa: E402

import hso  # noqa: E402
from hso.errors import HostError  # noqa: E402
from hso.hosts.diffusers import attach  # noqa: E402

# diffusers calls NumPy functions on tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
MULTISTEP = ("DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "UniPCMultistepScheduler")
STOCHASTIC = (
    "CogVideoXDPMScheduler",
    "CosineDPMSolverMultistepScheduler",
    "DDPMScheduler",
    "EulerAncestralDiscreteScheduler",
    "LCMScheduler",
    "SASolverScheduler",
    "TCDScheduler",
)
# These cast the sample to float32 whatever it is.
SINGLE = (
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "EDMEulerScheduler",
)
CASES = [
    *((name, {}, clean) for name in HERE for clean in (True, False)),
    *((name, FLOW, clean) for name in MULTISTEP for clean in (True, False)),
    ("DEISMultistepScheduler", FLOW, False),
    ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True, "shift_terminal": 0.1}, True),
]
UNABLE = {("DEISMultistepScheduler", True), ("SASolverScheduler", True), ("LCMScheduler", False)}
SUPPORTED = [case for case in CASES if (case[0], case[2]) not in UNABLE]
# float32 holds a timestep below 1000 to this.
ROUNDING = 6.2e-5


def name_of(case):
    name, settings, clean = case
    return f"{name}-{'flow-' if settings else ''}{'clean' if clean else 't_min'}"


@pytest.mark.parametrize("case", SUPPORTED, ids=name_of)
def test_network_is_called_at_the_nodes(case):
    name, settings, clean = case
    for nfe in range(2, 21):
        scheduler = make_scheduler(name, **settings)
        schedule = made_for(scheduler, nfe, clean)
        attach(scheduler, schedule)
        seen = record(scheduler, schedule)
        assert len(seen.timesteps) == (2 * nfe - 1 if "Heun" in name else nfe)
        assert seen.deviation(schedule, told(scheduler, schedule)) <= ROUNDING / 2
        assert torch.isfinite(seen.sample).all()


@pytest.mark.parametrize("case", [c for c in SUPPORTED if c[0] not in STOCHASTIC], ids=name_of)
def test_solver_steps_through_the_same_levels(case):
    name, settings, clean = case
    scheduler = make_scheduler(name, **settings)
    schedule = made_for(scheduler, 7, clean)
    attach(scheduler, schedule)
    seen = record(scheduler, schedule)
    close = 2e-5 if name in SINGLE else 1e-11
    assert seen.departure < close
    if clean:
        assert (seen.sample - POINT).abs().max() < close


@pytest.mark.parametrize("name", ["DDIMScheduler", "TCDScheduler"])
@pytest.mark.parametrize("clean", [True, False])
def test_without_noise_the_levels_are_exact_to_the_last_bit(name, clean):
    scheduler = make_scheduler(name)
    schedule = made_for(scheduler, 6, clean)
    attach(scheduler, schedule)
    seen = record(scheduler, schedule, eta=0.0)
    assert seen.departure < 1e-13
    alpha = np.sqrt(1 / (1 + np.exp(-2 * schedule.terminal)))
    sigma = np.sqrt(1 / (1 + np.exp(2 * schedule.terminal)))
    noise = torch.randn((1, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (seen.sample - (alpha * POINT + sigma * noise)).abs().max() < 1e-13


@pytest.mark.parametrize(
    ("name", "clean"), [(n, c) for n in STOCHASTIC for c in (True, False) if (n, c) not in UNABLE and "Cosine" not in n]
)
def test_fresh_noise_has_the_size_of_the_level(name, clean):
    scheduler = make_scheduler(name)
    schedule = made_for(scheduler, 6, clean)
    attach(scheduler, schedule)
    scheduler.set_timesteps(6)
    generator = torch.Generator().manual_seed(0)
    shape = (1, 1, 400, 400)
    sigmas = schedule.sigmas
    scale = 1 if scheduler.init_noise_sigma == 1 else float(np.hypot(1, sigmas[0]))
    alphas = 1 / np.hypot(1, sigmas)
    x = (
        alphas[0] * POINT + alphas[0] * sigmas[0] * torch.randn(shape, generator=generator, dtype=torch.float64)
    ) * scale
    for node, t in enumerate(scheduler.timesteps):
        noise = (scheduler.scale_model_input(x, t) - alphas[node] * POINT) / (alphas[node] * sigmas[node])
        assert abs(float(noise.std()) - 1) < 0.01
        assert abs(float(noise.mean())) < 0.02
        x = take(scheduler, noise, t, x, generator=generator)
    # LCM's boundary scalings mix a trace of the sample into its prediction.
    assert (x - POINT).abs().max() < 1e-4 if clean else abs(float(x.std()) - np.exp(-schedule.terminal)) < 0.02


NATIVE = {
    "DDIMScheduler": {"timestep_spacing": "trailing"},
    "DDPMScheduler": {"timestep_spacing": "linspace"},
    "DPMSolverMultistepScheduler": {},
    "DPMSolverSinglestepScheduler": {"lower_order_final": True},
    "UniPCMultistepScheduler": {"solver_order": 3},
    "EulerDiscreteScheduler": {},
    "EulerAncestralDiscreteScheduler": {},
    "HeunDiscreteScheduler": {},
    "LMSDiscreteScheduler": {},
    "LCMScheduler": {},
}


FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
FLAGGED = ("EulerDiscreteScheduler", "HeunDiscreteScheduler", "LMSDiscreteScheduler", *MULTISTEP)


@pytest.mark.parametrize(
    ("name", "flag"),
    [*((name, flag) for name in FLAGGED for flag in FLAGS), ("DPMSolverMultistepScheduler", "use_lu_lambdas")],
)
def test_flags_that_build_other_tables_have_no_say(name, flag):
    scheduler = make_scheduler(name, **{flag: True})
    schedule = made_for(scheduler, 8)
    attach(scheduler, schedule)
    seen = record(scheduler, schedule)
    assert seen.deviation(schedule, told(scheduler, schedule)) <= ROUNDING / 2
    assert seen.departure < 2e-5


@pytest.mark.parametrize("name", MULTISTEP)
def test_dynamic_shift_has_no_say(name):
    scheduler = make_scheduler(name, **FLOW, use_dynamic_shifting=True)
    schedule = made_for(scheduler, 6)
    shift = scheduler.config.flow_shift
    with attach(scheduler, schedule):
        scheduler.set_timesteps(6, mu=1.3)
        np.testing.assert_allclose(scheduler.timesteps, told(scheduler, schedule), rtol=1e-6)
    assert scheduler.config.flow_shift == shift


def test_sigmas_that_flow_pipelines_pass_are_replaced():
    scheduler = make_scheduler("FlowMatchEulerDiscreteScheduler", shift=3.0)
    schedule = made_for(scheduler, 4)
    attach(scheduler, schedule)
    scheduler.set_timesteps(sigmas=np.linspace(1, 0.25, 4), device="cpu")
    np.testing.assert_allclose(scheduler.timesteps, told(scheduler, schedule), rtol=1e-6)
    np.testing.assert_allclose(scheduler.sigmas[:-1], told(scheduler, schedule) / 1000, rtol=1e-6)


def test_inverted_sigmas_are_landed_inverted():
    scheduler = make_scheduler("FlowMatchEulerDiscreteScheduler", invert_sigmas=True)
    schedule = made_for(scheduler, 4)
    attach(scheduler, schedule)
    np.testing.assert_allclose(scheduler.sigmas[:-1], 1 - told(scheduler, schedule) / 1000, rtol=1e-5)
    assert scheduler.sigmas[-1] == 1


def test_continuous_euler_is_an_edm_scheduler():
    edm = {"timestep_type": "continuous", "prediction_type": "v_prediction", "sigma_min": 0.002, "sigma_max": 700.0}
    scheduler = make_scheduler("EulerDiscreteScheduler", **edm, use_karras_sigmas=True)
    schedule = made_for(scheduler, 5)
    attach(scheduler, schedule)
    np.testing.assert_allclose(scheduler.timesteps, np.log(schedule.sigmas) / 4, rtol=1e-6)
    np.testing.assert_allclose(scheduler.sigmas, [*schedule.sigmas, 0], rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in HERE if "Flow" not in n and "EDM" not in n and "Cosine" not in n])
def test_whole_timesteps_keep_the_scheduler_s_dtype(name):
    scheduler = make_scheduler(name)
    scheduler.set_timesteps(4)
    own = scheduler.timesteps.dtype
    noise = hso.NoiseSchedule.from_config(scheduler)
    knots = noise.time_of_index([999, 700, 300, 40])
    schedule = hso.SamplingSchedule.from_times(noise, knots, 0.0 if ends_clean(name) else 0.01)
    attach(scheduler, schedule)
    assert scheduler.timesteps.dtype == own
    assert list(dict.fromkeys(scheduler.timesteps.tolist())) == [999, 700, 300, 40]


@pytest.mark.parametrize("name", HERE)
def test_half_precision_samples_stay_half_precision_and_finite(name):
    scheduler = make_scheduler(name)
    schedule = made_for(scheduler, 6, ends_clean(name))
    attach(scheduler, schedule)
    seen = record(scheduler, schedule, torch.bfloat16)
    assert seen.sample.dtype == torch.bfloat16
    assert torch.isfinite(seen.sample).all()


@pytest.mark.parametrize("name", [n for n in HERE if "EDM" not in n and "Cosine" not in n])
def test_a_sample_is_noised_to_the_level_of_a_node(name):
    scheduler = make_scheduler(name)
    schedule = made_for(scheduler, 5, ends_clean(name))
    attach(scheduler, schedule)
    scheduler.set_timesteps(5)
    begin = 2 * scheduler.order
    left = scheduler.timesteps[begin:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    noise = torch.randn((2, 1, 200, 200), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    times = left[:1].repeat(2)
    x = (
        scheduler.scale_noise(torch.full_like(noise, POINT), times, noise)
        if "Flow" in name
        else scheduler.add_noise(torch.full_like(noise, POINT), noise, times)
    )
    ratio = float(x.std() / x.mean()) * POINT
    assert ratio == pytest.approx(schedule.sigmas[2], rel=0.02)
    # But a run from there would leave two nodes out.
    with pytest.raises(HostError, match="the attached schedule begins at timestep"):
        take(scheduler, x, left[0], x)
