"""From a scheduler's own settings to an attached schedule."""

from __future__ import annotations

import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from benchmarks.recording import HERE, ends_clean, make_scheduler, record, told  # noqa: E402
from benchmarks.tiny_pipelines import PIPELINES  # noqa: E402

import hso  # noqa: E402
from hso.errors import ArgumentError, HostError  # noqa: E402
from hso.hosts.diffusers import (  # noqa: E402
    SCHEDULERS,
    PipelineNetwork,
    PlannedScheduler,
    attach,
    call_arguments,
    detach,
    recommend,
)
from hso.objectives import MEP  # noqa: E402
from hso.search import Learn  # noqa: E402
from hso.solvers import DPMSolverPP, Heun, UniPC, made_for, sample  # noqa: E402

# diffusers calls NumPy functions on tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


@pytest.mark.parametrize("name", HERE)
def test_every_scheduler_gets_a_schedule_that_it_keeps(name):
    scheduler = make_scheduler(name)
    schedule = recommend(scheduler, 5)
    seen = record(scheduler, schedule)
    assert len(seen.timesteps) == 5
    assert schedule.nfe == (3 if "Heun" in name else 5)
    assert schedule.ends_clean == ends_clean(name)
    assert seen.deviation(schedule, told(scheduler, schedule)) < 3.1e-5
    assert seen.sample.isfinite().all()


def test_final_sigmas_type_decides_the_terminal_and_survives_attaching():
    scheduler = make_scheduler("UniPCMultistepScheduler", final_sigmas_type="sigma_min")
    assert not recommend(scheduler, 5).ends_clean
    assert recommend(scheduler, 5, terminal="clean").ends_clean
    assert not recommend(scheduler, 8).ends_clean


def test_a_budget_that_heun_cannot_spend_is_refused_with_the_nearest():
    with pytest.raises(ArgumentError, match=r"nfe: expected .* 5 or 7, got 6"):
        recommend(make_scheduler("HeunDiscreteScheduler"), 6)


def test_the_solver_is_the_scheduler_s_own_with_its_order():
    solvers = {"DPMSolverMultistepScheduler": DPMSolverPP(3), "UniPCMultistepScheduler": UniPC(3)}
    for name, solver in solvers.items():
        scheduler = make_scheduler(name, solver_order=3)
        assert SCHEDULERS[name].solver(scheduler.config) == solver
    assert SCHEDULERS["HeunDiscreteScheduler"].solver({}) == Heun()


def test_options_reach_the_optimizer():
    scheduler = make_scheduler("DDIMScheduler")
    noise = hso.NoiseSchedule.from_config(scheduler)
    assert (
        recommend(scheduler, 5, objective=MEP(p=1.0))
        == hso.optimize(noise, 5, solver="ddim", objective=MEP(p=1.0)).schedule
    )


def test_a_pipeline_s_scheduler_is_found():
    class Pipeline:
        scheduler = make_scheduler("DDIMScheduler")

    schedule = recommend(Pipeline(), 4)
    assert Pipeline.scheduler.timesteps.tolist() == pytest.approx(schedule.fractional_timesteps.tolist(), abs=1e-4)


def tiny_pipeline(name="StableDiffusion", scheduler="UniPCMultistepScheduler", **settings):
    return PIPELINES[name].build(make_scheduler(scheduler, **settings))


def test_another_solver_comes_with_a_scheduler_that_runs_it(caplog):
    pipe = tiny_pipeline(solver_order=3)
    own = pipe.scheduler
    with caplog.at_level("INFO"):
        schedule = recommend(pipe, 5, solver="heun")
    assert (pipe.scheduler.schedule, pipe.scheduler.solver) == (schedule, Heun())
    assert "PlannedScheduler runs heun" in caplog.text
    assert schedule.ends_clean
    recommend(pipe, 6, solver="dpmpp_2m")
    assert pipe.scheduler.solver == DPMSolverPP(2)
    recommend(pipe, 5)
    assert pipe.scheduler is own
    recommend(pipe, 5, solver="deis")
    detach(pipe)
    assert pipe.scheduler is own
    own.set_timesteps(7)


SAME_STEPS = [
    ("StableDiffusion", "UniPCMultistepScheduler", {"solver_order": 3}, "unipc"),
    ("StableDiffusion", "DPMSolverMultistepScheduler", {}, "dpmpp_2m"),
    ("StableDiffusion", "DDIMScheduler", {}, "euler"),
    ("StableDiffusion", "EulerDiscreteScheduler", {}, "ddim"),
    ("StableDiffusion", "HeunDiscreteScheduler", {}, "heun"),
    ("Flux", "FlowMatchEulerDiscreteScheduler", {"shift": 3.0}, "ddim"),
]
OTHER_STEPS = [
    ("StableDiffusion", "UniPCMultistepScheduler", {"solver_order": 2}, "unipc"),
    ("StableDiffusion", "UniPCMultistepScheduler", {"solver_order": 2, "solver_type": "bh1"}, "unipc:order=2"),
    ("StableDiffusion", "UniPCMultistepScheduler", {"disable_corrector": [1], "solver_order": 3}, "unipc"),
    ("StableDiffusion", "DPMSolverMultistepScheduler", {"solver_type": "heun"}, "dpmpp_2m"),
    ("StableDiffusion", "DDIMScheduler", {"thresholding": True}, "ddim"),
    ("StableDiffusion", "DDPMScheduler", {}, "ddim"),
    ("StableDiffusion", "EulerAncestralDiscreteScheduler", {}, "euler"),
    ("StableDiffusion", "LMSDiscreteScheduler", {}, "euler"),
    ("Flux", "FlowMatchHeunDiscreteScheduler", {"shift": 3.0}, "heun"),
]


@pytest.mark.parametrize(("pipeline", "name", "settings", "solver"), [*SAME_STEPS, *OTHER_STEPS])
def test_the_own_scheduler_stays_where_it_takes_the_same_steps(pipeline, name, settings, solver):
    pipe = tiny_pipeline(pipeline, name, **settings)
    own = pipe.scheduler
    schedule = recommend(pipe, 5, solver=solver)
    if (pipeline, name, settings, solver) in SAME_STEPS:
        assert pipe.scheduler is own
        assert own.timesteps.tolist()[0] == pytest.approx(told(own, schedule)[0])
    else:
        assert isinstance(pipe.scheduler, PlannedScheduler)
        assert pipe.scheduler.own is own


def test_a_scheduler_by_itself_cannot_be_replaced():
    scheduler = make_scheduler("DDIMScheduler")
    with pytest.raises(
        HostError, match=r"the schedule is for heun, and a scheduler cannot .*; pass the pipeline instead"
    ):
        recommend(scheduler, 5, solver="heun")
    assert recommend(scheduler, 5, solver="ddim").nfe == 5


@pytest.fixture(scope="module")
def calibrated():
    pipe = tiny_pipeline(scheduler="DDIMScheduler")
    call = {**PIPELINES["StableDiffusion"].call(), "num_images_per_prompt": 8}
    network = PipelineNetwork(pipe, call)
    x = network.states(torch.Generator().manual_seed(0))
    return pipe, call, network, x, hso.calibrate(network, network.noise, x, network.prediction, points=8)


CHOICES = [
    (3, {"solver": "auto"}),
    (5, {"solver": ["heun", "unipc:order=2,variant=bh1"]}),
    (4, {"strategy": Learn(turns=1)}),
]


@pytest.mark.parametrize(("nfe", "options"), CHOICES)
def test_what_a_calibration_chose_is_what_the_pipeline_runs(calibrated, nfe, options, monkeypatch):
    pipe, call, network, x, calibration = calibrated
    results = []

    def watched(*args, **given):
        results.append(hso.optimize(*args, **given))
        return results[-1]

    monkeypatch.setattr(sys.modules["hso.hosts.diffusers.recommend"], "optimize", watched)
    schedule = recommend(pipe, nfe, calibration=calibration, **options)
    (found,) = results
    assert (found.schedule, found.nfe) == (schedule, nfe)
    assert made_for(schedule) == found.solver
    theirs = pipe(
        **call, **call_arguments(pipe, schedule), generator=torch.Generator().manual_seed(0), output_type="latent"
    )[0]
    detach(pipe)
    ours = sample(found.solver, network, network.noise, schedule, x, prediction=network.prediction)
    assert float((theirs - ours).abs().max() / ours.abs().max()) < 1e-6
    if "strategy" in options:
        with pytest.raises(
            ArgumentError, match=r"recommend\(pipeline, ...\), or pipeline.scheduler = PlannedScheduler"
        ):
            attach(pipe, schedule)
