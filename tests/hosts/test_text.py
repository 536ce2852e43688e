"""What is written for another program can be read back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hso
from hso.errors import ArgumentError
from hso.hosts.text import FORMATS, from_text, numbers, to_text

EXACT = sorted(set(FORMATS) - {"diffusers-timesteps"})


@pytest.mark.parametrize("target", EXACT)
@pytest.mark.parametrize("terminal", ["clean", "t_min"])
@pytest.mark.parametrize("nfe", [1, 2, 5, 20])
def test_every_format_reads_what_it_wrote(sd, target, terminal, nfe):
    schedule = hso.optimize(sd, nfe, terminal=terminal).schedule
    back = from_text(to_text(schedule, target), target, sd)
    assert back.nfe == nfe
    assert np.allclose(back.lambdas, schedule.lambdas, atol=1e-12)
    assert back.terminal == pytest.approx(schedule.terminal, abs=1e-12)


@given(st.integers(2, 30))
def test_timesteps_come_back_rounded(nfe):
    noise = hso.NoiseSchedule.preset("sd2.1")
    schedule = hso.optimize(noise, nfe, solver="ddim").schedule
    back = from_text(to_text(schedule, "diffusers-timesteps"), "diffusers-timesteps", noise)
    assert back.timesteps.tolist() == schedule.timesteps.tolist()


def test_timesteps_cannot_say_where_a_schedule_with_noise_left_ends(sd):
    schedule = hso.optimize(sd, 4, terminal="t_min").schedule
    with pytest.raises(ArgumentError, match=r"this schedule ends at t_min = 0\.03"):
        to_text(schedule, "diffusers-timesteps")


def test_python_text_is_python(sd):
    schedule = hso.optimize(sd, 5).schedule
    namespace = {"hso": hso}
    exec(to_text(schedule, "python"), namespace)
    assert np.allclose(namespace["schedule"].lambdas, schedule.lambdas, atol=1e-12)


def test_a1111_text_defines_a_scheduler(sd):
    torch = pytest.importorskip("torch")
    schedule = hso.optimize(sd, 4, solver="ddim").schedule
    namespace: dict = {}
    exec(to_text(schedule, "a1111"), namespace)
    sigmas = namespace["hso_scheduler"](4, 0.03, 14.6, torch.device("cpu"))
    assert sigmas[:-1].numpy() == pytest.approx(schedule.sigmas, rel=1e-6)
    assert float(sigmas[-1]) == 0


def test_numbers_are_found_in_what_people_paste():
    assert numbers("sigmas = torch.tensor([14.6, 1e0, .5, 0.0]).cuda(0)") == [14.6, 1.0, 0.5, 0.0]
    assert numbers("999,749  499\n249") == [999, 749, 499, 249]


@pytest.mark.parametrize(
    ("text", "source", "problem"),
    [
        ("none", "k-diffusion", "values: expected numbers"),
        ("[]", "k-diffusion", "values: expected numbers"),
        ("[14.6]", "k-diffusion", "sigmas: expected at least two values"),
        ("[14.6, nan, 0.0]", "k-diffusion", "positive values, and 0 only at the end"),
        ("[0.0, 14.6, 0.0]", "k-diffusion", "positive values, and 0 only at the end"),
        ("[700.0, 1.0, 0.0]", "k-diffusion", r"values in \[0.02917, 14.61\], the range of sd2.1"),
        ("[1.0, 2.0, 0.0]", "k-diffusion", "lambdas: expected strictly increasing"),
        ("[1000, 3]", "diffusers-timesteps", "t: expected times"),
        ("[3, 1000]", "diffusers-timesteps", "t: expected times"),
        ("[3, 3]", "diffusers-timesteps", "strictly increasing"),
    ],
)
def test_what_is_no_schedule_is_refused(sd, text, source, problem):
    with pytest.raises(ArgumentError, match=problem):
        from_text(text, source, sd)


def test_unknown_formats_are_refused(sd):
    with pytest.raises(ArgumentError, match="did you mean 'comfyui'"):
        to_text(hso.optimize(sd, 4).schedule, "comfy-ui")
