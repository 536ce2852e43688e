"""The sigmas of a run in ComfyUI."""

import dataclasses

import numpy as np
import pytest
import torch
from benchmarks import comfyui_doubles as doubles

import hso
from hso.errors import ArgumentError
from hso.hosts.comfyui import Run, calibrated, expert_sigmas, read_sampling, sigmas_of, sigmas_of_file
from hso.hosts.comfyui.runs import schedule_of
from hso.noise import Traits
from hso.objectives import Replay

KINDS = doubles.every_sampling()


@pytest.fixture(scope="module")
def discrete():
    return read_sampling(KINDS["discrete, eps"])


@pytest.fixture(scope="module")
def flow():
    return read_sampling(KINDS["discrete flow, shift 12"])


@pytest.mark.parametrize("steps", [2, 5, 12])
def test_a_discrete_model_gets_the_nearest_whole_timesteps(discrete, steps):
    guided = discrete.noise.with_traits(Traits(space="latent"))
    run = Run(steps)
    schedule = schedule_of(discrete, run)
    assert schedule.fractional_timesteps == pytest.approx(schedule.timesteps, abs=1e-9)
    own = hso.optimize(guided, steps, solver=run.solver).schedule
    assert schedule.timesteps.tolist() == own.timesteps.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_with_denoise_begins_at_that_time_and_is_optimized_for_itself(kind):
    sampling = read_sampling(KINDS[kind])
    schedule = schedule_of(sampling, Run(6, denoise=0.6))
    assert schedule.times[0] == pytest.approx(0.6, abs=1e-3)
    whole = schedule_of(sampling, Run(10))
    cut = whole.lambdas[-6:]
    assert not np.allclose(schedule.lambdas, cut, atol=1e-3)
    own = hso.optimize(
        sampling.noise.with_traits(Traits(space="latent")),
        6,
        solver=Run(6).solver,
        constraints=hso.Constraints(start=float(schedule.times[0])),
    )
    # Whole timesteps may lie half a timestep beside the free optimum.
    assert schedule.times == pytest.approx(own.schedule.times, abs=1.5e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_denoise_of_nearly_1_begins_at_the_noisiest_sigma(kind):
    sampling = read_sampling(KINDS[kind])
    assert sigmas_of(sampling, Run(3, denoise=0.9999))[0] == pytest.approx(sampling.sigma_max, rel=2e-2)


def test_a_run_can_begin_at_a_sigma(discrete, flow):
    assert sigmas_of(flow, Run(5, start_sigma=0.7))[0] == pytest.approx(0.7, abs=1e-6)
    # The nearest whole timestep.
    first = sigmas_of(discrete, Run(5, start_sigma=3.0))[0]
    assert first == min(discrete.table, key=lambda sigma: abs(np.log(sigma / 3.0)))
    assert sigmas_of(flow, Run(5, start_sigma=1.0)) == sigmas_of(flow, Run(5))


def test_heun_runs_its_nodes_and_not_half_of_them(flow):
    assert len(sigmas_of(flow, Run(6, sampler="heun"))) == 7


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
    with pytest.raises(ArgumentError, match="steps: expected an integer from 2 to 10000, got 1"):
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
    with pytest.raises(
        ArgumentError, match=r"^steps: expected a number of steps that this model has room for, got 10000"
    ):
        sigmas_of(read_sampling(KINDS[kind]), Run(10_000))


def test_a_start_that_leaves_no_noise_is_refused_in_the_unit_of_the_node(discrete):
    with pytest.raises(ArgumentError, match=r"^denoise: expected more than 0.03, got 0.01 \(nearly no noise"):
        sigmas_of(discrete, Run(8, denoise=0.01))
    with pytest.raises(ArgumentError, match=r"^start_sigma: expected more than 0.167, got 0.1 \(nearly no noise"):
        sigmas_of(discrete, Run(8, start_sigma=0.1))


def test_a_boundary_without_room_is_refused_in_sigma(flow):
    with pytest.raises(
        ArgumentError, match=r"^boundary: expected a sigma below 1 with room for 1 of the steps on each"
    ):
        expert_sigmas(flow, Run(4), 0.0)
    with pytest.raises(ArgumentError, match=r"^boundary: expected a sigma below 0.923\d? with room .*, got 0.95"):
        expert_sigmas(flow, Run(4, denoise=0.5), 0.95)


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
    learned = dataclasses.replace(
        of_sd,
        provenance={"solver": "learned", "settings": {"solver": {"base": "ddim", "offsets": [[0.1], [0.0, 0.2]]}}},
    )
    with pytest.raises(ArgumentError, match=r"nodes for a published solver, got .a schedule for a learned solver"):
        sigmas_of_file(discrete, learned)
    left = hso.SamplingSchedule.from_times(sd, [0.96, 0.5], 0.02)
    with pytest.raises(ArgumentError, match="one that ends at the clean sample"):
        sigmas_of_file(discrete, left)


def _calibration(noise, **settings):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((8, 1, 4, 4))
    # Data of unit variance, but four patterns in place of a Gaussian, so that solvers differ.
    patterns = generator.standard_normal((4, 1, 4, 4))

    def network(state, node):
        noised, variance = state / node.alpha, (node.sigma / node.alpha) ** 2 + 0.02
        distances = np.square(noised[:, None] - patterns[None]).sum((2, 3, 4))
        weights = np.exp(-(distances - distances.min(1, keepdims=True)) / (2 * variance))
        data = np.tensordot(weights / weights.sum(1, keepdims=True), patterns, 1)
        data = noised + (variance - 0.02) / variance * (data - noised)
        return (state - node.alpha * data) / node.sigma

    return hso.calibrate(network, noise, x, prediction="epsilon", points=24, **settings)


@pytest.fixture(scope="module")
def calibration():
    return _calibration(hso.NoiseSchedule.preset("sd1.5"), guidance=7.5)


@pytest.mark.parametrize(
    ("sampler", "denoise", "first_stays"), [("dpmpp_2m", 1.0, False), ("uni_pc", 0.6, True), ("heun", 0.6, True)]
)
def test_a_calibration_gives_whole_timesteps_that_no_move_makes_better(
    discrete, calibration, sampler, denoise, first_stays
):
    run = Run(8, sampler, denoise, calibration=calibration)
    schedule = schedule_of(discrete, run)
    fitted = dataclasses.replace(calibration, noise_fingerprint=discrete.noise.fingerprint)
    function = Replay(fitted).on(discrete.noise, run.solver, "clean", schedule.start)

    def value(timesteps):
        return float(function.value(discrete.noise.lambda_(discrete.noise.time_of_index(timesteps))))

    found = schedule.timesteps
    assert schedule.fractional_timesteps == pytest.approx(found, abs=1e-9)
    start = {"start": schedule.start} if first_stays else {}
    free = hso.optimize(
        discrete.noise,
        run.solver.nfe(8),
        solver=run.solver,
        calibration=fitted,
        constraints=hso.Constraints(**start),
    ).schedule
    assert value(found) <= value(free.timesteps)
    for place in range(1 if first_stays else 0, 8):
        for move in (-1, 1):
            moved = found + move * np.eye(8, dtype=int)[place]
            if moved[0] < 1000 and moved[-1] >= 0 and np.all(np.diff(moved) < 0):
                assert value(moved) >= value(found)


def test_a_calibration_finds_the_sampler_too(discrete, calibration):
    sampler, schedule = calibrated(discrete, Run(6, "auto", calibration=calibration))
    fitted = dataclasses.replace(calibration, noise_fingerprint=discrete.noise.fingerprint)
    losses = {}
    # Six calls are no number that Heun's method can make.
    for name, solver in (("euler", "euler"), ("dpmpp_2m", "dpmpp_2m"), ("uni_pc", "unipc:variant=bh1")):
        losses[name] = hso.optimize(discrete.noise, 6, solver=solver, calibration=fitted).objective
    losses["uni_pc_bh2"] = hso.optimize(discrete.noise, 6, solver="unipc", calibration=fitted).objective
    assert sampler == min(losses, key=losses.get)
    assert schedule.nfe == 6
    with pytest.raises(ArgumentError, match="solver: expected the sampler that will run, got 'auto'"):
        Run(6, "auto")


def test_of_a_flow_model_only_eulers_steps_are_simulated(flow):
    calibration = _calibration(flow.noise)
    assert calibrated(flow, Run(4, "auto", calibration=calibration))[0] == "euler"
    assert sigmas_of(flow, Run(4, "ddim", calibration=calibration))[-1] == 0
    with pytest.raises(ArgumentError, match="solver: expected auto or one of euler, ddim with a calibration of a flow"):
        sigmas_of(flow, Run(4, "dpmpp_2m", calibration=calibration))


def test_a_calibration_of_another_model_or_guidance_is_refused(discrete, flow, calibration):
    with pytest.raises(ArgumentError, match=r"calibration: .*it was made for another model"):
        sigmas_of(flow, Run(4, "ddim", calibration=calibration))
    with pytest.raises(ArgumentError, match=r"solver: expected auto or one of euler, .* with a calibration of a model"):
        sigmas_of(discrete, Run(4, "er_sde", calibration=calibration))
    with pytest.raises(ArgumentError, match=r"cfg: expected 7.5, with which the calibration was made, got 1.0"):
        Run(4, "ddim", guidance=1.0, calibration=calibration)
    assert Run(4, "ddim", guidance=7.5, calibration=calibration)


def test_one_step_and_two_experts_can_have_a_calibration(discrete, calibration):
    run = Run(6, "ddim", calibration=calibration)
    assert len(sigmas_of(discrete, dataclasses.replace(run, steps=1))) == 2
    high, low = expert_sigmas(discrete, run, 2.0, 2)
    assert min(len(high), len(low)) >= 3
    assert high[-1] == low[0] < 2.0 <= high[-2]
