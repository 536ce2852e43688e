"""What is written for another program can be read back."""

import ast
import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hso
from hso.errors import ArgumentError, FileError
from hso.hosts.pasted import numbers, read_values
from hso.hosts.text import from_text, to_text

EXACT = ["a1111", "comfyui", "diffusers-sigmas", "diffusers:EulerDiscrete", "k-diffusion", "python"]
SAY_WHERE_THEY_END = [host for host in EXACT if host != "comfyui"]


FLOWS = ["sd3", "flux-dev"]
FLOW_HOSTS = [host.replace("EulerDiscrete", "FlowMatchEulerDiscrete") for host in EXACT] + ["diffusers:UniPCMultistep"]
CLEAN_AND_T_MIN = [
    *((host, "clean") for host in EXACT),
    *((host, "t_min") for host in SAY_WHERE_THEY_END),
]


@pytest.mark.parametrize(("target", "terminal"), CLEAN_AND_T_MIN)
@pytest.mark.parametrize("nfe", [1, 2, 5, 20])
def test_every_host_reads_what_it_wrote(sd, target, terminal, nfe):
    schedule = hso.optimize(sd, nfe, terminal=terminal).schedule
    back = from_text(to_text(schedule, target), target, sd)
    assert back.nfe == nfe
    assert np.allclose(back.lambdas, schedule.lambdas, atol=1e-12)
    assert back.terminal == pytest.approx(schedule.terminal, abs=1e-12)


@pytest.mark.parametrize("target", FLOW_HOSTS)
@pytest.mark.parametrize("name", FLOWS)
def test_flow_schedules_are_written_and_read_as_flow_sigmas(name, target):
    noise = hso.NoiseSchedule.preset(name)
    schedule = hso.optimize(noise, 5, terminal="clean").schedule
    back = from_text(to_text(schedule, target), target, noise)
    # Near sigma = 1 a double holds 1 - sigma to 1e-16, so lambda to a billionth.
    assert np.allclose(back.lambdas, schedule.lambdas, atol=1e-8)
    assert back.ends_clean
    if target != "python":
        written = numbers(to_text(schedule, target))
        wanted = schedule.sigmas / (1 + schedule.sigmas)
        assert written[:5] == pytest.approx(wanted.tolist(), rel=1e-12)
        # diffusers' flow schedulers append the 0 themselves.
        assert written[5:] == ([] if target.startswith("diffusers") else [0.0])


def test_hosts_of_flow_models_read_sigma_and_not_sigma_over_alpha():
    noise = hso.NoiseSchedule.preset("sd3")
    pasted = [1.0, 0.9, 0.7, 0.3]
    for host in ("comfyui", "k-diffusion", "a1111", "diffusers-sigmas", "diffusers:FlowMatchEulerDiscrete"):
        schedule = from_text("1.0,0.9,0.7,0.3,0", host, noise)
        assert schedule.network_timesteps == pytest.approx([1000 * sigma for sigma in pasted], rel=1e-6)
        with pytest.raises(ArgumentError, match=r"sigmas: expected values in \[.*, 1\], the range of sd3"):
            from_text("14.6,3.1,0.8,0", host, noise)
    with pytest.raises(ArgumentError, match="sigmas: expected values in"):
        from_text("1.0001,0.9,0", "comfyui", noise)


def test_flow_sigmas_for_diffusers_say_that_they_are_shifted_again():
    schedule = hso.optimize(hso.NoiseSchedule.preset("sd3"), 5, terminal="clean").schedule
    first, second = to_text(schedule, "diffusers-sigmas").splitlines()
    assert first.startswith("# for a scheduler with shift=1.0")
    assert second.startswith("sigmas=[0.")


@given(st.integers(2, 30))
def test_timesteps_come_back_rounded(nfe):
    noise = hso.NoiseSchedule.preset("sd2.1")
    schedule = hso.optimize(noise, nfe, solver="ddim").schedule
    back = from_text(to_text(schedule, "diffusers-timesteps"), "diffusers-timesteps", noise)
    assert back.timesteps.tolist() == schedule.timesteps.tolist()


@pytest.mark.parametrize("target", ["diffusers-timesteps", "comfyui", "diffusers:DDPM"])
def test_a_host_that_ends_clean_refuses_a_schedule_that_does_not(sd, target):
    schedule = hso.optimize(sd, 4, terminal="t_min").schedule
    with pytest.raises(
        ArgumentError, match=r"the schedule ends at t_min = 0\.001, and .* ends at the clean sample; .*end_clean"
    ):
        to_text(schedule, target)
    ended = from_text(to_text(schedule, target, end_clean=True), target, sd)
    assert ended.ends_clean
    assert ended.timesteps.tolist() == schedule.timesteps.tolist()


def test_flow_sigmas_of_diffusers_end_clean_only():
    schedule = hso.optimize(hso.NoiseSchedule.preset("sd3"), 4, terminal="t_min").schedule
    with pytest.raises(ArgumentError, match="ends at the clean sample"):
        to_text(schedule, "diffusers-sigmas")


def test_a_scheduler_that_takes_nothing_has_no_text(sd):
    schedule = hso.optimize(sd, 4, solver="ddim").schedule
    for host in ("diffusers:DDIM", "diffusers:EDMEuler"):
        with pytest.raises(ArgumentError, match=r"a host that takes timesteps or sigmas.*attach the schedule"):
            to_text(schedule, host)
    with pytest.raises(ArgumentError, match=r"a host that takes timesteps or sigmas.*hold for equal steps in t only"):
        to_text(schedule, "diffusers:PNDM")


@given(st.lists(st.integers(1, 10**8 - 1), min_size=1, max_size=8, unique=True))
def test_text_for_comfyui_has_no_exponents(levels):
    noise = hso.NoiseSchedule.edm(1e-8, 1.0)
    sigmas = np.sort(levels)[::-1] / 1e8
    schedule = hso.SamplingSchedule.from_knots(noise, -np.log(sigmas), "clean")
    text = to_text(schedule, "comfyui")
    assert set(text) <= set("0123456789., ")
    # Its parser: numbers between commas and spaces.
    assert numbers(text) == [*schedule.sigmas.tolist(), 0.0]


MODELS = {
    "preset": lambda: hso.NoiseSchedule.preset("sd2.1"),
    "flow": lambda: hso.NoiseSchedule.rectified_flow(2.7),
    "edm": lambda: hso.NoiseSchedule.edm(0.01, 50.0),
    "continuous": lambda: hso.NoiseSchedule.linear_vp(train_steps=None),
    "table": lambda: hso.NoiseSchedule.from_table([0.0, 0.5, 1.0], [5.0, 0.0, -4.0], name="measured"),
}


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
@pytest.mark.parametrize("model", MODELS)
def test_python_text_is_the_very_schedule_for_every_model(model, terminal):
    schedule = hso.optimize(MODELS[model](), 5, terminal=terminal).schedule
    namespace: dict = {}
    exec(to_text(schedule, "python"), namespace)
    made = namespace["schedule"]
    assert made == schedule
    assert made.network_timesteps.tolist() == schedule.network_timesteps.tolist()
    assert (made.terminal, made.terminal_time, made.noise_name) == (
        schedule.terminal,
        schedule.terminal_time,
        schedule.noise_name,
    )


def test_python_text_says_where_a_run_begins(sd):
    schedule = hso.optimize(sd, 4, constraints=hso.Constraints(start=0.6)).schedule
    text = to_text(schedule, "python")
    namespace: dict = {}
    exec(text, namespace)
    assert namespace["schedule"] == schedule
    assert from_text(text, "python", sd).start == schedule.start == pytest.approx(0.6)


def test_python_text_of_another_model_is_refused(sd):
    text = to_text(hso.optimize(sd, 5).schedule, "python")
    with pytest.raises(ArgumentError, match="noise: expected the noise schedule that the text was written for"):
        from_text(text, "python", hso.NoiseSchedule.linear_vp())


HOSTILE = [
    "x\nimport os",
    'x"""\nimport os\n"""',
    "x'''; import os",
    "x\\",
    "x'); import os; ('",
    "{nfe}",
    "\udcff",
]


@pytest.mark.parametrize("host", ["python", "a1111", "k-diffusion", "diffusers-sigmas", "comfyui"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_never_becomes_code(sd, name, host):
    plain = hso.optimize(sd, 3, solver="ddim").schedule
    hostile = dataclasses.replace(plain, noise_name=name, provenance={})

    def shape(schedule):
        tree = ast.parse(to_text(schedule, host))
        return [type(node).__name__ for node in ast.walk(tree)], [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)
        ]

    (kinds, _), (wanted, _) = shape(hostile), shape(plain)
    assert kinds == wanted
    if host == "python":
        assert name in shape(hostile)[1]


@pytest.fixture
def scheduler_function(sd):
    """What the text for A1111 defines, and the schedule."""
    pytest.importorskip("torch")
    schedule = hso.optimize(sd, 4, solver="ddim").schedule
    namespace: dict = {}
    exec(to_text(schedule, "a1111"), namespace)
    return namespace["hso_scheduler"], schedule


def test_a1111_text_defines_a_scheduler(scheduler_function):
    function, schedule = scheduler_function
    sigmas = function(n=4, sigma_min=0.03, sigma_max=14.6, device="cpu")
    assert sigmas[:-1].numpy() == pytest.approx(schedule.sigmas, rel=1e-6)
    assert float(sigmas[-1]) == 0


def test_a1111_samplers_that_delete_the_last_but_one_are_left_with_the_schedule(scheduler_function):
    import torch

    function, _ = scheduler_function
    longer = function(n=5, sigma_min=0.03, sigma_max=14.6, device="cpu")
    assert bool((longer.diff() < 0).all())
    kept = torch.cat([longer[:-2], longer[-1:]])
    assert torch.equal(kept, function(n=4, sigma_min=0.03, sigma_max=14.6, device="cpu"))


@pytest.mark.parametrize("steps", [3, 6, 20])
def test_a1111_is_told_when_it_asks_for_other_steps(scheduler_function, steps):
    with pytest.raises(ValueError, match=f"this schedule has 4 steps, and {steps} were asked for"):
        scheduler_function[0](n=steps, sigma_min=0.03, sigma_max=14.6, device="cpu")


def test_numbers_are_found_in_what_people_paste():
    assert numbers("sigmas = torch.tensor([14.6, 1e0, .5, 0.0]).cuda(0)") == [14.6, 1.0, 0.5, 0.0]
    assert numbers("999,749  499\n249") == [999, 749, 499, 249]


@pytest.mark.parametrize("text", ["14.6, 3.1x, 0", "schedule5", "14.6, none, 0", "sigmas=[14.6, torch.pi]", ""])
def test_a_word_among_the_numbers_is_not_left_out(text):
    with pytest.raises(ArgumentError, match="values: expected numbers between commas"):
        numbers(text)


def test_values_that_are_no_numbers_are_read_as_such():
    assert numbers("14.6,NaN,Infinity,-inf,0")[0] == 14.6
    assert [np.isfinite(value) for value in numbers("14.6,NaN,Infinity,-inf,0")] == [True, False, False, False, True]


def test_a_long_text_is_no_name_of_a_file(tmp_path):
    long = ", ".join(["14.6"] * 200)
    assert read_values(long) == long
    assert read_values("14.6\0") == "14.6\0"
    with pytest.raises(FileError, match=r"absent\.json: there is no such file"):
        read_values(str(tmp_path / "absent.json"))
    with pytest.raises(FileError, match=r"schedule5\.txt: there is no such file"):
        read_values("schedule5.txt")


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
        ("timesteps=[999, 3]", "k-diffusion", "what k-diffusion takes"),
    ],
)
def test_what_is_no_schedule_is_refused(sd, text, source, problem):
    with pytest.raises(ArgumentError, match=problem):
        from_text(text, source, sd)


def test_unknown_formats_are_refused(sd):
    with pytest.raises(ArgumentError, match="did you mean 'comfyui'"):
        to_text(hso.optimize(sd, 4).schedule, "comfy-ui")
