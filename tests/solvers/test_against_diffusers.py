"""Our trajectories are those of diffusers' schedulers, on the same nodes, in double precision.

The schedulers keep their tables in float32. Here they get the same tables in float64 after ``set_timesteps``, so what is
compared are the formulas.
"""

from functools import partial

import numpy as np
import pytest

from hso.noise import NoiseSchedule
from hso.schedule import SamplingSchedule
from hso.solvers import DDIM, DEIS, DPMSolverPP, DPMSolverPP2S, Heun, UniPC, make_solver, nodes, sample

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

# diffusers hands tensors to NumPy, which warns about torch.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]

TOLERANCE = {"rtol": 1e-10, "atol": 1e-10}
generator = torch.Generator().manual_seed(0)
MIXING = torch.randn(6, 6, generator=generator, dtype=torch.float64) / 3
X = torch.randn(4, 6, generator=generator, dtype=torch.float64)


class Double(torch.Tensor):
    """Some schedulers round the sample to float32 on purpose; this one stays as it is."""

    def to(self, *args, **kwargs):
        return self


def network(x, node):
    """Smooth, nonlinear, and different at every noise level."""
    return torch.tanh(x @ MIXING + 0.2 * node.lambda_) + 0.1 * torch.sin(x)


def run(scheduler, places, knots, scale=lambda node: 1.0):
    """diffusers' loop on our nodes; ``scale`` turns our state into the one the scheduler keeps."""
    scheduler.set_timesteps(len(knots) - 1)
    scheduler.sigmas = torch.tensor(knots, dtype=torch.float64)
    scheduler.timesteps = torch.tensor([node.timestep for node in places], dtype=torch.float64)
    return loop(scheduler, places, scale)


def loop(scheduler, places, scale):
    x = (X / scale(places[0])).as_subclass(Double)
    for node, t in zip(places, scheduler.timesteps, strict=True):
        seen = scheduler.scale_model_input(x, t)
        torch.testing.assert_close(torch.Tensor(seen), torch.Tensor(x * scale(node)), **TOLERANCE)
        x = scheduler.step(network(seen, node), t, x).prev_sample
    return x.as_subclass(torch.Tensor)


def knots_of(schedule: SamplingSchedule) -> np.ndarray:
    return np.append(schedule.sigmas, np.exp(-schedule.terminal))


FINAL = {"clean": "zero", "t_min": "sigma_min"}


@pytest.mark.parametrize("nfe", [1, 2, 3, 5, 10, 16])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_unipc(discrete, make_schedule, terminal, order, nfe):
    schedule = make_schedule(discrete, nfe, terminal)
    scheduler = diffusers.UniPCMultistepScheduler(solver_order=order, final_sigmas_type=FINAL[terminal])
    expected = run(scheduler, nodes(discrete, schedule), knots_of(schedule))
    torch.testing.assert_close(sample(UniPC(order), network, discrete, schedule, X), expected, **TOLERANCE)


# To a finite terminal only: with bh1 diffusers' step to the clean sample is nan.
@pytest.mark.parametrize("nfe", [1, 2, 3, 5, 10, 16])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_unipc_bh1(discrete, make_schedule, order, nfe):
    schedule = make_schedule(discrete, nfe, "t_min")
    scheduler = diffusers.UniPCMultistepScheduler(solver_order=order, solver_type="bh1")
    expected = run(scheduler, nodes(discrete, schedule), knots_of(schedule))
    found = sample(UniPC(order, variant="bh1"), network, discrete, schedule, X)
    torch.testing.assert_close(found, expected, **TOLERANCE)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_unipc_without_its_corrector(discrete, make_schedule, order):
    schedule = make_schedule(discrete, 8)
    scheduler = diffusers.UniPCMultistepScheduler(solver_order=order, disable_corrector=list(range(8)))
    expected = run(scheduler, nodes(discrete, schedule), knots_of(schedule))
    found = sample(UniPC(order, corrector=False), network, discrete, schedule, X)
    torch.testing.assert_close(found, expected, **TOLERANCE)


@pytest.mark.parametrize("nfe", [1, 2, 3, 5, 14, 15, 20])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_multistep_dpm_solver(discrete, make_schedule, terminal, order, nfe):
    schedule = make_schedule(discrete, nfe, terminal)
    scheduler = diffusers.DPMSolverMultistepScheduler(solver_order=order, final_sigmas_type=FINAL[terminal])
    expected = run(scheduler, nodes(discrete, schedule), knots_of(schedule))
    found = sample(DPMSolverPP(order), network, discrete, schedule, X)
    torch.testing.assert_close(found, expected, **TOLERANCE)


# To a finite terminal only: diffusers' full order to the clean sample is nan.
@pytest.mark.parametrize("nfe", [1, 2, 3, 5, 10])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(
    ("solver", "scheduler"),
    [
        (UniPC, partial(diffusers.UniPCMultistepScheduler, final_sigmas_type="sigma_min")),
        (DPMSolverPP, partial(diffusers.DPMSolverMultistepScheduler, final_sigmas_type="sigma_min")),
        (DEIS, diffusers.DEISMultistepScheduler),
    ],
)
def test_full_order_at_the_end(discrete, make_schedule, solver, scheduler, order, nfe):
    schedule = make_schedule(discrete, nfe, "t_min")
    theirs = scheduler(solver_order=order, lower_order_final=False)
    expected = run(theirs, nodes(discrete, schedule), knots_of(schedule))
    found = sample(solver(order, lower_order_final=False), network, discrete, schedule, X)
    torch.testing.assert_close(found, expected, **TOLERANCE)


# diffusers announces, for an odd number of nodes or a clean end, that it lowers the order of the last step.
@pytest.mark.parametrize("nfe", [1, 2, 3, 5, 6, 16, 17])
def test_singlestep_dpm_solver(discrete, make_schedule, terminal, nfe):
    schedule = make_schedule(discrete, nfe, terminal)
    scheduler = diffusers.DPMSolverSinglestepScheduler(final_sigmas_type=FINAL[terminal])
    expected = run(scheduler, nodes(discrete, schedule), knots_of(schedule))
    torch.testing.assert_close(sample(DPMSolverPP2S(), network, discrete, schedule, X), expected, **TOLERANCE)


@pytest.mark.parametrize("nfe", [1, 2, 3, 5, 14, 15, 20])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_deis(discrete, make_schedule, order, nfe):
    schedule = make_schedule(discrete, nfe, "t_min")
    scheduler = diffusers.DEISMultistepScheduler(solver_order=order)
    expected = run(scheduler, nodes(discrete, schedule), knots_of(schedule))
    torch.testing.assert_close(sample(DEIS(order), network, discrete, schedule, X), expected, **TOLERANCE)


@pytest.mark.parametrize("nfe", [1, 2, 5, 16])
def test_euler(discrete, make_schedule, terminal, nfe):
    schedule = make_schedule(discrete, nfe, terminal)
    places, scheduler = nodes(discrete, schedule), diffusers.EulerDiscreteScheduler()
    # diffusers keeps x / alpha, and so its last state is x / alpha at the terminal.
    ending = 1.0 if schedule.ends_clean else float(np.exp(discrete.log_alpha(schedule.terminal)))
    expected = ending * run(scheduler, places, knots_of(schedule), scale=lambda node: node.alpha)
    torch.testing.assert_close(sample(make_solver("euler"), network, discrete, schedule, X), expected, **TOLERANCE)


@pytest.mark.parametrize("nfe", [1, 2, 5, 16])
def test_heun(discrete, make_schedule, terminal, nfe):
    schedule = make_schedule(discrete, nfe, terminal)
    scheduler = diffusers.HeunDiscreteScheduler()
    scheduler.set_timesteps(nfe)
    first, *others = nodes(discrete, schedule)
    places = [first, *(node for node in others for _ in range(2))]
    knots = torch.tensor(knots_of(schedule), dtype=torch.float64)
    scheduler.sigmas = torch.cat([knots[:1], knots[1:-1].repeat_interleave(2), knots[-1:]])
    scheduler.timesteps = torch.tensor([node.timestep for node in places], dtype=torch.float64)
    ending = 1.0 if schedule.ends_clean else float(np.exp(discrete.log_alpha(schedule.terminal)))
    expected = ending * loop(scheduler, places, lambda node: node.alpha)
    torch.testing.assert_close(sample(Heun(), network, discrete, schedule, X), expected, **TOLERANCE)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("clean", [True, False])
def test_ddim(eta, clean):
    scheduler = diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=clean, steps_offset=1)
    scheduler.alphas_cumprod = torch.cumprod(1 - scheduler.betas.double(), dim=0)
    scheduler.final_alpha_cumprod = torch.ones((), dtype=torch.float64) if clean else scheduler.alphas_cumprod[0]
    scheduler.set_timesteps(5)
    noise = NoiseSchedule.from_alphas_cumprod(scheduler.alphas_cumprod.numpy())
    if clean:
        schedule = SamplingSchedule.from_timesteps(noise, scheduler.timesteps.numpy())
    else:
        times = noise.time_of_index(scheduler.timesteps.numpy())
        schedule = SamplingSchedule.from_times(noise, times, float(noise.time_of_index(0)))
    draws = [torch.randn(X.shape, generator=generator, dtype=torch.float64) for _ in range(5)]
    expected = X
    for node, t, z in zip(nodes(noise, schedule), scheduler.timesteps, draws, strict=True):
        expected = scheduler.step(network(expected, node), t, expected, eta=eta, variance_noise=z).prev_sample
    pending = iter(draws)
    found = sample(DDIM(eta), network, noise, schedule, X, noise_source=lambda x: next(pending))
    torch.testing.assert_close(found, expected, **TOLERANCE)


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
def test_predictions(discrete, make_schedule, prediction):
    schedule = make_schedule(discrete, 6)
    scheduler = diffusers.UniPCMultistepScheduler(prediction_type=prediction)
    expected = run(scheduler, nodes(discrete, schedule), knots_of(schedule))
    found = sample(UniPC(order=2), network, discrete, schedule, X, prediction=prediction)
    torch.testing.assert_close(found, expected, **TOLERANCE)


@pytest.mark.parametrize(
    ("solver", "scheduler"),
    [
        (UniPC(3), diffusers.UniPCMultistepScheduler(solver_order=3, use_flow_sigmas=True)),
        (DPMSolverPP(2), diffusers.DPMSolverMultistepScheduler(use_flow_sigmas=True)),
        (DPMSolverPP2S(), diffusers.DPMSolverSinglestepScheduler(use_flow_sigmas=True)),
    ],
    ids=["unipc", "dpmpp_2m", "dpmpp_2s"],
)
def test_straight_paths(straight, make_schedule, solver, scheduler):
    scheduler.register_to_config(prediction_type="flow_prediction")
    schedule = make_schedule(straight, 7)
    places = nodes(straight, schedule)
    expected = run(scheduler, places, [*(node.sigma for node in places), 0.0])
    found = sample(solver, network, straight, schedule, X, prediction="flow_prediction")
    torch.testing.assert_close(found, expected, **TOLERANCE)
