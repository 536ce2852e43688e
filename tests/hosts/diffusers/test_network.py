"""The network of a pipeline, asked one state at a time, is the network that the pipeline samples with."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from benchmarks.recording import make_scheduler  # noqa: E402
from benchmarks.tiny_pipelines import PIPELINES  # noqa: E402

import hso  # noqa: E402
from hso.hosts.diffusers import attach  # noqa: E402
from hso.hosts.diffusers.network import PipelineNetwork  # noqa: E402
from hso.solvers import make_solver, nodes, sample  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
CASES = [
    ("StableDiffusion", "DDIMScheduler", {}, "ddim"),
    (
        "StableDiffusion",
        "EulerDiscreteScheduler",
        {"prediction_type": "v_prediction", "timestep_spacing": "leading"},
        "euler",
    ),
    ("StableDiffusionXL", "DPMSolverMultistepScheduler", {}, "dpmpp_2m"),
    ("PixArtAlpha", "DDIMScheduler", {}, "ddim"),
    ("StableDiffusion3", "FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, "euler"),
    ("Flux", "FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, "euler"),
    ("Wan", "FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, "euler"),
    ("Wan", "FlowMatchEulerDiscreteScheduler", {"shift": 3.0, "invert_sigmas": True}, "euler"),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}-{len(case[2])}")
def case(request):
    return request.param


def made(name, scheduler, settings):
    tiny = PIPELINES[name]
    return tiny, tiny.build(make_scheduler(scheduler, **settings))


def test_our_loop_with_it_ends_where_the_pipeline_ends(case):
    name, scheduler, settings, solver = case
    tiny, pipe = made(name, scheduler, settings)
    network = PipelineNetwork(pipe, tiny.call())
    schedule = hso.optimize(network.noise, 4, solver=solver).schedule
    first = nodes(network.noise, schedule)[0]
    unit = network.states(torch.Generator().manual_seed(0))
    scale = (first.alpha**2 + first.sigma**2) ** 0.5 if network.noise.path.name == "vp" else 1.0
    ours = sample(make_solver(solver), network, network.noise, schedule, unit * scale, prediction=network.prediction)
    with attach(pipe, schedule):
        generator = torch.Generator().manual_seed(0)
        theirs = pipe(**tiny.call(), num_inference_steps=4, generator=generator, output_type="latent")[0]
    assert torch.as_tensor(theirs).reshape(ours.shape).numpy() == pytest.approx(ours.numpy(), abs=2e-3)


def test_the_pipeline_is_as_it_was_afterwards(case):
    name, scheduler, settings, _ = case
    tiny, pipe = made(name, scheduler, settings)
    before = pipe.scheduler
    network = PipelineNetwork(pipe, tiny.call())
    assert len(network.states(torch.Generator().manual_seed(0))) == 1
    assert pipe.scheduler is before


def test_a_pipeline_can_be_calibrated():
    tiny, pipe = made("StableDiffusion", "DDIMScheduler", {})
    network = PipelineNetwork(pipe, {**tiny.call(), "num_images_per_prompt": 8})
    x = network.states(torch.Generator().manual_seed(0))
    calibration = hso.calibrate(network, network.noise, x, network.prediction, points=16)
    found = hso.optimize(network.noise, 4, solver="ddim", calibration=calibration)
    assert found.schedule.nfe == 4


def test_a_scheduler_that_scales_the_input_is_refused():
    from diffusers import EDMEulerScheduler

    tiny = PIPELINES["StableDiffusion"]
    with pytest.raises(hso.HSOError, match="scales the input of the network by itself"):
        PipelineNetwork(tiny.build(EDMEulerScheduler()), tiny.call())
