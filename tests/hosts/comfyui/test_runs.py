"""The sigmas of a run in ComfyUI."""

import dataclasses

import numpy as np
import pytest
import torch
from benchmarks import comfyui_doubles as doubles

import hso
from hso.errors import ArgumentError
from hso.hosts.comfyui import Run, expert_sigmas, read_sampling, sigmas_of, sigmas_of_file
from hso.hosts.comfyui.runs import SOLVER_OF_SAMPLER, schedule_of
from hso.solvers import SOLVERS

KINDS = doubles.every_sampling()


@pytest.fixture(scope="module")
def discrete():
    return read_sampling(KINDS["discrete, eps"])


@pytest.fixture(scope="module")
def flow():
    return read_sampling(KINDS["discrete flow, shift 12"])


@pytest.mark.parametrize("steps", [2, 5, 12])
def test_a_discrete_model_gets_the_best_of_whole_timesteps(discrete, steps):
    guided = discrete.noise.with_traits(hso.NoiseSchedule.preset("sd1.5").traits)
    schedule = schedule_of(discrete, Run(steps))
    assert schedule.fractional_timesteps == pytest.approx(schedule.timesteps, abs=1e-9)
    assert schedule == hso.optimize(guided, steps, strategy="exact:grid=training").schedule


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_with_denoise_begins_at_that_time_and_is_optimized_for_itself(kind):
    sampling = read_sampling(KINDS[kind])
    schedule = schedule_of(sampling, Run(6, denoise=0.6))
    assert schedule.times[0] == pytest.approx(0.6, abs=1e-3)
    whole = schedule_of(sampling, Run(10))
    cut = whole.lambdas[-6:]
    assert not np.allclose(schedule.lambdas, cut, atol=1e-3)
    own = hso.optimize(
        sampling.noise.with_traits(hso.NoiseSchedule.preset("sd1.5").traits),
        6,
        constraints=hso.Constraints(start=float(schedule.times[0])),
    )
    # Whole timesteps may lie half a timestep beside the free optimum.
    assert schedule.times == pytest.approx(own.schedule.times, abs=1.5e-3)


def test_a_run_can_begin_at_a_sigma(discrete, flow):
    assert sigmas_of(flow, Run(5, start_sigma=0.7))[0] == pytest.approx(0.7, abs=1e-6)
    # The nearest whole timestep.
    first = sigmas_of(discrete, Run(5, start_sigma=3.0))[0]
    assert first == min(discrete.table, key=lambda sigma: abs(np.log(sigma / 3.0)))
    assert sigmas_of(flow, Run(5, start_sigma=1.0)) == sigmas_of(flow, Run(5))


def test_heun_runs_its_nodes_and_not_half_of_them(flow):
    assert len(sigmas_of(flow, Run(6, sampler="heun"))) == 7


def test_every_sampler_that_is_named_is_a_solver():
    assert set(SOLVER_OF_SAMPLER.values()) <= set(SOLVERS)


def test_guidance_is_what_the_schedule_is_made_for(flow):
    assert sigmas_of(flow, Run(4, guidance=5.0)) == sigmas_of(flow, Run(4))
    assert sigmas_of(flow, Run(4, guidance=1.0)) != sigmas_of(flow, Run(4))


@pytest.mark.parametrize(("steps", "least"), [(4, 1), (8, 1), (8, 3), (9, 4), (20, 2)])
@pytest.mark.parametrize("boundary", [0.875, 0.9])
def test_experts_share_a_run_at_the_boundary(flow, steps, least, boundary):
    high, low = expert_sigmas(flow, Run(steps), boundary, least)
    assert high[-1] == low[0]
    assert low[-1] == 0
    assert len(high) - 1 >= least
    assert len(low) - 1 >= least
    assert len(high) + len(low) - 2 == steps
    # The first network is called at the sigmas that are not the last of its list.
    assert all(sigma >= boundary for sigma in high[:-1])
    assert all(sigma < boundary for sigma in low)


def test_experts_need_a_step_each(flow):
    with pytest.raises(ArgumentError, match="least: expected an integer from 1 to 0"):
        expert_sigmas(flow, Run(1), 0.875)
    with pytest.raises(ArgumentError, match="least"):
        expert_sigmas(flow, Run(4), 0.875, 3)
    with pytest.raises(ArgumentError, match="boundary: expected a number in"):
        expert_sigmas(flow, Run(4), 1.5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps: expected an integer from 1 to 10000, got 0"),
        ({"steps": 10_001}, "steps: expected an integer from 1 to 10000, got 10001"),
        ({"steps": 4, "denoise": 0.0}, "denoise: expected a number above 0"),
        ({"steps": 4, "denoise": float("nan")}, "denoise: expected a number"),
        ({"steps": 4, "denoise": 0.5, "start_sigma": 0.5}, "start_sigma: expected none with a denoise below 1"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ArgumentError, match=message):
        Run(**settings)


@pytest.mark.parametrize("kind", KINDS)
def test_more_steps_than_the_model_has_levels_are_refused_in_words_of_the_node(kind):
    with pytest.raises(ArgumentError, match=r"^steps: expected a value that this model can be run with, got 10000"):
        sigmas_of(read_sampling(KINDS[kind]), Run(10_000))


def test_a_denoise_that_leaves_no_room_is_refused_in_words_of_the_node(discrete):
    with pytest.raises(ArgumentError, match=r"^denoise: expected a value that this model can be run with, got 0.01"):
        sigmas_of(discrete, Run(8, denoise=0.01))


def test_a_file_of_the_same_model_lands_and_one_of_another_is_refused(discrete, flow):
    sd, sd3 = (hso.NoiseSchedule.preset(name) for name in ("sd1.5", "sd3"))
    of_sd, of_sd3 = (hso.SamplingSchedule.from_times(noise, [0.96, 0.5, 0.25]) for noise in (sd, sd3))
    told = KINDS["discrete, eps"].timestep(torch.FloatTensor(sigmas_of_file(discrete, of_sd)[:-1]))
    assert told.tolist() == of_sd.timesteps.tolist()
    # What a flow network is told is sigma, whatever the shift is.
    assert sigmas_of_file(flow, of_sd3)[:-1] == pytest.approx(of_sd3.flow_sigmas.tolist())
    other = hso.SamplingSchedule.from_times(hso.NoiseSchedule.preset("ddpm"), [0.96, 0.5, 0.25])
    for sampling, schedule in ((discrete, of_sd3), (flow, of_sd), (discrete, other)):
        with pytest.raises(ArgumentError, match="it was made for another model"):
            sigmas_of_file(sampling, schedule)
    left = hso.SamplingSchedule.from_times(sd, [0.96, 0.5], 0.02)
    with pytest.raises(ArgumentError, match="one that ends at the clean sample"):
        sigmas_of_file(discrete, left)


def _calibration(noise):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((8, 1, 4, 4))

    def network(state, node):
        # The score of data of unit variance: the noise is predicted exactly on average.
        return state * float(np.exp(noise.log_sigma(noise.lambda_(node.t))))

    return hso.calibrate(network, noise, x, prediction="epsilon", points=12)


def test_a_calibration_of_the_same_model_is_used_and_one_of_another_refused(discrete, flow):
    calibration = _calibration(hso.NoiseSchedule.preset("sd1.5"))
    run = Run(4, sampler="ddim", calibration=calibration)
    sigmas = sigmas_of(discrete, run)
    fitted = dataclasses.replace(calibration, noise_fingerprint=discrete.noise.fingerprint)
    best = hso.optimize(discrete.noise, 4, solver="ddim", calibration=fitted).schedule
    assert sigmas[:-1] == discrete.table[best.timesteps].tolist()
    with pytest.raises(ArgumentError, match=r"calibration: .*it was made for another model"):
        sigmas_of(flow, run)
    with pytest.raises(ArgumentError, match=r"solver: expected one of ddim, .* with a calibration"):
        Run(4, sampler="er_sde", calibration=calibration)
