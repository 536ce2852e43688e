"""From a scheduler's own settings to an attached schedule."""

from __future__ import annotations

import pytest

pytest.importorskip("diffusers")

from benchmarks.recording import make_scheduler, record, told

import hso
from hso.hosts.diffusers import HOSTS, recommend
from hso.objectives import MEP

# diffusers calls NumPy functions on tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


@pytest.mark.parametrize("name", HOSTS)
def test_every_scheduler_gets_a_schedule_that_it_keeps(name):
    scheduler = make_scheduler(name)
    schedule = recommend(scheduler, 6)
    seen = record(scheduler, schedule)
    assert schedule.nfe == 6
    assert schedule.ends_clean == (not name.startswith("DEIS"))
    assert seen.deviation(schedule, told(scheduler, schedule)) < 3.1e-5
    assert seen.sample.isfinite().all()


def test_final_sigmas_type_decides_the_terminal_and_survives_attaching():
    scheduler = make_scheduler("UniPCMultistepScheduler", final_sigmas_type="sigma_min")
    assert not recommend(scheduler, 5).ends_clean
    assert recommend(scheduler, 5, terminal="clean").ends_clean
    assert not recommend(scheduler, 8).ends_clean


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
