"""Texts for programs that do something with the numbers, and what becomes of them there."""

import json

import numpy as np
import pytest

import hso
from hso.errors import ArgumentError
from hso.hosts import HOSTS
from hso.hosts.base import SIGMAS, TIMESTEPS
from hso.hosts.lint import lint, lint_schedule
from hso.hosts.text import from_text, to_text

SD, SD3, EDM = hso.NoiseSchedule.preset("sd1.5"), hso.NoiseSchedule.preset("sd3"), hso.NoiseSchedule.edm()
SHIFTING = ("vllm-omni", "fastvideo", "lightx2v")


def shifted(u, shift=3.0):
    """What a program with this shift makes of what it is given."""
    u = np.asarray(u)
    return shift * u / (1 + (shift - 1) * u)


@pytest.mark.parametrize("host", ["vllm-omni", "fastvideo"])
@pytest.mark.parametrize("nfe", [2, 5, 20])
def test_a_program_that_shifts_lands_on_the_sigmas_of_the_schedule(host, nfe):
    schedule = hso.optimize(SD3, nfe).schedule
    given = HOSTS[host].values(schedule, SIGMAS)
    assert shifted(given) == pytest.approx(schedule.flow_sigmas, rel=1e-6)
    assert from_text(to_text(schedule, host), host, SD3).flow_sigmas == pytest.approx(schedule.flow_sigmas, rel=1e-6)


def test_lightx2v_takes_whole_timesteps_before_the_shift():
    schedule = hso.optimize(SD3, 5).schedule
    text = to_text(schedule, "lightx2v")
    steps = json.loads("{" + text + "}")["denoising_step_list"]
    assert all(isinstance(step, int) for step in steps)
    # Its table holds shifted sigmas at u = 1, 0.999, ...
    table = shifted(np.linspace(1, 0, 1001)[:-1])
    landed = table[[1000 - step for step in steps]]
    assert landed == pytest.approx(schedule.flow_sigmas, abs=2e-3)
    assert from_text(text, "lightx2v", SD3).flow_sigmas == pytest.approx(landed, rel=1e-6)


def test_lightx2v_cannot_be_told_nodes_on_one_timestep():
    close = hso.SamplingSchedule.from_times(SD3, [0.9, 0.8999, 0.5])
    with pytest.raises(ArgumentError, match="different whole timesteps before the shift"):
        to_text(close, "lightx2v")


@pytest.mark.parametrize("host", SHIFTING)
def test_programs_for_flow_models_refuse_others(host):
    with pytest.raises(ArgumentError, match="flow models only"):
        to_text(hso.optimize(SD, 5).schedule, host)


def test_stable_diffusion_cpp_gets_an_argument_and_json():
    for noise in (SD, SD3):
        schedule = hso.optimize(noise, 4).schedule
        argument, request = (to_text(schedule, f"stable-diffusion.cpp{kind}") for kind in ("", "-json"))
        sigmas = json.loads(request)["sample_params"]["custom_sigmas"]
        assert argument == f'--sigmas "{sigmas}"'
        assert len(sigmas) == 5
        assert sigmas[-1] == 0
        for text, host in ((argument, "stable-diffusion.cpp"), (request, "stable-diffusion.cpp-json")):
            assert from_text(text, host, noise).lambdas == pytest.approx(schedule.lambdas, abs=1e-9)
    with pytest.raises(ArgumentError, match="ends at the clean sample"):
        to_text(hso.optimize(SD, 4, terminal="t_min").schedule, "stable-diffusion.cpp")


def test_sdnext_takes_three_whole_timesteps_or_more():
    schedule = hso.optimize(SD, 5).schedule
    assert to_text(schedule, "sdnext") == ", ".join(map(str, schedule.timesteps))
    assert all(word.isdigit() for word in to_text(schedule, "sdnext").split(", "))
    assert from_text(to_text(schedule, "sdnext"), "sdnext", SD).timesteps.tolist() == schedule.timesteps.tolist()
    with pytest.raises(ArgumentError, match="at least 3 nodes"):
        to_text(hso.optimize(SD, 2).schedule, "sdnext")
    with pytest.raises(ArgumentError, match="not for flow models"):
        to_text(hso.optimize(SD3, 5).schedule, "sdnext")


def test_edm_gets_the_line_of_its_sampler():
    schedule = hso.optimize(EDM, 5, solver="heun").schedule
    text = to_text(schedule, "edm")
    assert text.startswith("t_steps = torch.tensor([")
    assert from_text(text, "edm", EDM).sigmas == pytest.approx(schedule.sigmas, rel=1e-12)
    with pytest.raises(ArgumentError, match="not flow models"):
        to_text(hso.optimize(SD3, 5).schedule, "edm")


def test_swarmui_takes_the_scheduler_of_its_comfyui():
    with pytest.raises(ArgumentError, match="choose the scheduler hso"):
        to_text(hso.optimize(SD, 5).schedule, "swarmui")


# What lint knows of them.


def checks(found):
    return {finding.check for finding in found}


@pytest.mark.parametrize("host", ["comfyui", "a1111"])
def test_lint_knows_who_tells_the_nearest_whole_timestep(host):
    between = hso.SamplingSchedule.from_timesteps(SD, [959.4, 500.5, 20.0])
    (found,) = [each for each in lint_schedule(between, host, SIGMAS, noise=SD) if each.check == "snapping"]
    assert "the network is told 500 instead of 500.50" in found.text
    whole = hso.SamplingSchedule.from_timesteps(SD, [959, 500, 20])
    assert "snapping" not in checks(lint_schedule(whole, host, SIGMAS, noise=SD))
    assert "snapping" not in checks(lint_schedule(hso.optimize(SD3, 5).schedule, host, SIGMAS, noise=SD3))
    assert "snapping" not in checks(lint_schedule(between, "k-diffusion", SIGMAS, noise=SD))


def test_lint_knows_that_sdnext_needs_three():
    assert checks(lint([999, 499], "sdnext", TIMESTEPS, noise=SD)) == {"length"}
    assert checks(lint([999, 499.5, 20], "sdnext", TIMESTEPS, noise=SD)) == {"truncation"}
    assert checks(lint([999, 499, 20], "sdnext", TIMESTEPS, noise=SD)) == set()


@pytest.mark.parametrize("host", ["vllm-omni", "fastvideo"])
def test_lint_knows_that_a_program_appends_the_zero(host):
    schedule = hso.optimize(SD3, 5).schedule
    assert lint_schedule(schedule, host, SIGMAS, noise=SD3) == []
    assert "trailing zero" in checks(lint([1.0, 0.5, 0.0], host, SIGMAS, noise=SD3))
    assert "accepted" in checks(lint([999, 500], host, TIMESTEPS, noise=SD3))


@pytest.mark.parametrize("host", list(HOSTS))
def test_every_host_says_what_becomes_of_the_numbers_and_what_was_read(host):
    assert HOSTS[host].lands
    assert HOSTS[host].version_read
