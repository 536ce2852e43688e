"""From a scheduler's own settings to an attached schedule."""

from __future__ import annotations

import pytest

pytest.importorskip("diffusers")

from benchmarks.recording import HERE, ends_clean, make_scheduler, record, told

import hso
from hso.errors import ArgumentError
from hso.hosts.diffusers import SCHEDULERS, recommend
from hso.objectives import MEP
from hso.solvers import DPMSolverPP, Heun, UniPC

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
