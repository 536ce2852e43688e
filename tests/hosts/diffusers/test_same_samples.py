"""A scheduler with an attached schedule draws the samples of our own solver on the same nodes.

DPM-Solver++ and Euler round the sample to float32 inside ``step``; so that their float64 arithmetic can be compared, the
samples here are of a tensor type that stays as it is.
"""

import numpy as np
import pytest

import hso
from hso.solvers import DDIM, DPMSolverPP, Heun, UniPC, nodes, sample

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from hso.hosts.diffusers import attach  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning")
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
# Scheduler, its settings, our solver, and whether the scheduler keeps x / alpha instead of x.
PAIRS = {
    "DDIM": ("DDIMScheduler", {"clip_sample": False}, DDIM(), False),
    "DPM-Solver++ 2M": ("DPMSolverMultistepScheduler", {"solver_order": 2}, DPMSolverPP(2), False),
    "UniPC-2": ("UniPCMultistepScheduler", {"solver_order": 2}, UniPC(2), False),
    "UniPC-3": ("UniPCMultistepScheduler", {"solver_order": 3}, UniPC(3), False),
    "Euler": ("EulerDiscreteScheduler", {}, DDIM(), True),
    "Heun": ("HeunDiscreteScheduler", {}, Heun(), True),
}


class Exact(torch.Tensor):
    """Refuses to be rounded."""

    def to(self, *args, **kwargs):
        return self


def network(x, t):
    """Smooth, nonlinear, and different at every timestep."""
    return torch.tanh(x.flip(-1) + 0.002 * float(t)) + 0.1 * torch.sin(x)


def through_host(name, settings, schedule, noise, x, scaled):
    scheduler = getattr(diffusers, name)(**SD, **settings)
    alphas = [node.alpha for node in nodes(noise, schedule)]
    with attach(scheduler, schedule):
        scheduler.set_timesteps(schedule.nfe)
        x = x / alphas[0] if scaled else x
        for t in scheduler.timesteps:
            x = scheduler.step(network(scheduler.scale_model_input(x, t), t), t, x).prev_sample
    alpha_end = 1.0 if schedule.ends_clean else float(noise.alpha_t(schedule.terminal_time))
    return x * alpha_end if scaled else x


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
@pytest.mark.parametrize("nfe", [2, 3, 5, 8, 20])
@pytest.mark.parametrize("method", PAIRS)
def test_in_double_precision_they_agree_to_1e_9(method, nfe, terminal):
    name, settings, solver, scaled = PAIRS[method]
    noise = hso.NoiseSchedule.from_config(SD)
    schedule = hso.optimize(noise, nfe, terminal=terminal).schedule
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(nfe), dtype=torch.float64)
    # The timestep is what both networks are told; the host holds it in float32.
    ours = sample(solver, lambda x, node: network(x, np.float32(node.timestep)), noise, schedule, x)
    theirs = through_host(name, settings, schedule, noise, x.as_subclass(Exact), scaled)
    assert float((ours - theirs.as_subclass(torch.Tensor)).abs().max()) < 1e-9


@pytest.mark.parametrize("nfe", [3, 5, 10])
@pytest.mark.parametrize("method", PAIRS)
def test_in_single_precision_they_agree_to_1e_4(method, nfe):
    name, settings, solver, scaled = PAIRS[method]
    noise = hso.NoiseSchedule.from_config(SD)
    schedule = hso.optimize(noise, nfe, terminal="clean").schedule
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(nfe))
    ours = sample(solver, lambda x, node: network(x, node.timestep), noise, schedule, x)
    theirs = through_host(name, settings, schedule, noise, x, scaled)
    assert ours.dtype == theirs.dtype == torch.float32
    assert float((ours - theirs).abs().max()) < 1e-4
