"""What hosts cannot run is refused, in words that name what can."""

import numpy as np
import pytest

import hso
from hso.errors import ArgumentError
from hso.hosts import HOSTS
from hso.hosts.lint import lint_schedule
from hso.hosts.text import to_text

NOISE = hso.NoiseSchedule.preset("sd2.1")
PLAIN = hso.SamplingSchedule.from_timesteps(NOISE, [999, 749, 499, 249])
TOLD = PLAIN.telling(NOISE, PLAIN.times - np.array([0.0, 0.02, 0.01, 0.01]))


@pytest.mark.parametrize("host", HOSTS)
def test_no_text_tells_a_network_other_times(host):
    with pytest.raises(
        ArgumentError, match=r"to: expected nodes.*a network that is told other times.*PlannedScheduler"
    ):
        to_text(TOLD, host)


def test_lint_says_so():
    found = lint_schedule(TOLD, "diffusers-timesteps", "timesteps")
    assert any("told other times" in str(one) for one in found)
    assert not any("told other times" in str(one) for one in lint_schedule(PLAIN, "diffusers-timesteps", "timesteps"))


def test_the_own_schedulers_of_diffusers_refuse_it():
    diffusers = pytest.importorskip("diffusers")
    from hso.hosts.diffusers import attach

    scheduler = diffusers.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    with pytest.raises(ArgumentError, match=r"schedule: expected nodes.*told other times.*PlannedScheduler"):
        attach(scheduler, TOLD)
