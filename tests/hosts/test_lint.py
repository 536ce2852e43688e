"""lint finds each trap, and nothing where there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hso
from hso.errors import ArgumentError
from hso.hosts import HOSTS
from hso.hosts.base import levels
from hso.hosts.lint import guess_kind, lint, lint_schedule

DPM, EULER, FLOW = "diffusers:DPMSolverMultistep", "diffusers:EulerDiscrete", "diffusers:FlowMatchEulerDiscrete"
UNIPC = "diffusers:UniPCMultistep"


def checks(*arguments, **options):
    return {finding.check for finding in lint(*arguments, **options)}


def test_an_optimized_schedule_passes_where_it_fits(sd):
    schedule = hso.optimize(sd, 5, solver="ddim").schedule
    assert lint(schedule.timesteps.tolist(), DPM, "timesteps", noise=sd, nfe=5) == []
    assert lint(levels(schedule), EULER, "sigmas", noise=sd, nfe=5) == []
    assert lint(levels(schedule), "k-diffusion", "sigmas", noise=sd, nfe=5) == []


@pytest.mark.parametrize(
    ("values", "host", "kind", "found"),
    [
        ([], DPM, "timesteps", "empty"),
        ([0], "comfyui", "sigmas", "length"),
        ([999, float("nan")], DPM, "timesteps", "finite"),
        ([1, 500, 999], DPM, "timesteps", "order"),
        ([999, 500, 500, 1], DPM, "timesteps", "duplicates"),
        ([999, 500.7, 500.2, 1], DPM, "timesteps", "duplicates"),
        ([999, 500.5, 1], DPM, "timesteps", "truncation"),
        ([1000, 500], DPM, "timesteps", "range"),
        ([999, -1], DPM, "timesteps", "range"),
        ([1.0, 0.5], DPM, "timesteps", "range"),
        ([14.6, 1.0, -0.1], EULER, "sigmas", "range"),
        ([700.0, 1.0, 0.0], EULER, "sigmas", "range"),
        ([14.6, 1.0, 0.1], EULER, "sigmas", "trailing zero"),
        ([1.0, 0.5, 0.0], FLOW, "sigmas", "trailing zero"),
        ([999, 500], "diffusers:DDIM", "timesteps", "accepted"),
        ([999, 500], UNIPC, "timesteps", "accepted"),
        ([14.6, 1.0, 0.0], "diffusers:HeunDiscrete", "sigmas", "accepted"),
        ([80.0, 1.0, 0.002], "diffusers:EDMEuler", "sigmas", "accepted"),
    ],
)
def test_each_trap_is_found(sd, values, host, kind, found):
    noise = None if host == FLOW else sd
    assert found in checks(values, host, kind, noise=noise)


def test_a_wrong_count_is_found():
    assert checks([999, 749, 499], DPM, "timesteps", nfe=4) == {"length"}
    assert checks([14.6, 1.0, 0.0], EULER, "sigmas", nfe=3) == {"length"}


@pytest.mark.parametrize(
    ("host", "config"),
    [
        (DPM, {"use_karras_sigmas": True}),
        (UNIPC, {"use_beta_sigmas": True}),
        (UNIPC, {"solver_type": "bh1"}),
        (UNIPC, {"lower_order_final": False, "solver_order": 3}),
        (DPM, {"final_sigmas_type": "sigma_min"}),
    ],
)
def test_settings_known_to_fight_or_to_give_nan_are_found(host, config):
    assert "settings" in checks([999, 500], host, "timesteps", config=config)


COMFYUI, FLOW_HOSTS = "comfyui", ["comfyui", "k-diffusion", "a1111", "diffusers-sigmas", FLOW]


@pytest.mark.parametrize("host", FLOW_HOSTS)
def test_sigma_over_alpha_is_found_where_a_flow_model_is_sampled(host):
    noise = hso.NoiseSchedule.preset("sd3")
    schedule = hso.optimize(noise, 5, terminal="clean").schedule
    zero = [] if host in (FLOW, "diffusers-sigmas") else [0.0]
    settings = {"shift": 1.0}
    wrong = [*schedule.sigmas.tolist(), *zero]
    assert "convention" in checks(wrong, host, "sigmas", noise=noise, config=settings)
    right = [*(schedule.sigmas / (1 + schedule.sigmas)).tolist(), *zero]
    assert lint(right, host, "sigmas", noise=noise, config=settings, nfe=5) == []
    assert lint_schedule(schedule, host, "sigmas", noise=noise, config=settings) == []


def test_a_flow_scheduler_tells_the_convention_without_the_model():
    assert checks([72.0, 14.7, 5.9], FLOW, "sigmas") == {"convention"}
    assert checks([72.0, 14.7, 5.9], UNIPC, "sigmas", config={"use_flow_sigmas": True}) == {"convention"}
    assert checks([0.9, 0.5], UNIPC, "sigmas", config={"use_flow_sigmas": True}) == set()
    assert checks([0.9, 0.5, 0.0], UNIPC, "sigmas", config={"use_flow_sigmas": True}) == {"trailing zero"}


def test_flow_models_are_told_timesteps_up_to_the_last():
    noise = hso.NoiseSchedule.preset("sd3")
    assert checks([1000.0, 500.0], FLOW, "timesteps", noise=noise, config={"shift": 1.0}) == set()
    assert checks([1001.0, 500.0], FLOW, "timesteps", noise=noise, config={"shift": 1.0}) == {"range"}


def test_a_schedule_with_noise_left_is_found_where_the_host_ends_clean(sd):
    schedule = hso.optimize(sd, 5, terminal="t_min").schedule
    for host, kind in ((COMFYUI, "sigmas"), (DPM, "timesteps")):
        first, *_ = lint_schedule(schedule, host, kind, noise=sd)
        assert (first.level, first.check) == ("error", "terminal")
    assert [found.check for found in lint_schedule(schedule, "k-diffusion", "sigmas", noise=sd)] == ["trailing zero"]


def test_a_budget_is_counted_in_network_calls():
    heun = "diffusers:HeunDiscrete"
    assert checks([999, 500, 20], heun, "timesteps", nfe=5) == set()
    assert checks([999, 500, 20], heun, "timesteps", nfe=3) == {"length"}
    with pytest.raises(ArgumentError, match="nfe: expected an odd number of network calls"):
        lint([999, 500, 20], heun, "timesteps", nfe=4)


def test_a_double_shift_is_found():
    assert "double shift" in checks([1.0, 0.9, 0.5], FLOW, "sigmas", config={"shift": 3.0})
    assert "double shift" in checks([1.0, 0.9, 0.5], FLOW, "sigmas", config={"use_dynamic_shifting": True})
    assert "double shift" in checks([1.0, 0.9, 0.5], FLOW, "sigmas", config={"shift_terminal": 0.1})
    assert "double shift" in checks([0.9, 0.5], UNIPC, "sigmas", config={"use_flow_sigmas": True, "flow_shift": 5.0})
    assert checks([1.0, 0.9, 0.5], FLOW, "sigmas", config={"shift": 1.0}) == set()
    # Without settings the scheduler is taken for the model's own.
    assert "double shift" in checks([1.0, 0.9, 0.5], FLOW, "sigmas", noise=hso.NoiseSchedule.rectified_flow(3.0))
    assert checks([1.0, 0.9, 0.5], FLOW, "sigmas", noise=hso.NoiseSchedule.rectified_flow(1.0)) == set()


def test_errors_come_first():
    findings = lint([14.6, 1.0, 2.0], EULER, "sigmas")
    assert [finding.level for finding in findings] == ["error", "warning"]


def test_the_kind_is_guessed_from_host_and_values():
    assert guess_kind([999, 1], UNIPC) == "timesteps"
    assert guess_kind([14.6, 0.0], UNIPC) == "sigmas"
    assert guess_kind([14, 0], "k-diffusion") == "sigmas"
    assert guess_kind([999.5], DPM) == "timesteps"
    assert guess_kind([1, 0], FLOW) == "sigmas"


def test_unknown_hosts_are_refused_with_the_nearest():
    with pytest.raises(ArgumentError, match="did you mean 'diffusers:UniPCMultistep'"):
        lint([999], "diffusers:UniPC-Multistep", "timesteps")
    assert lint([999, 1], "diffusers:DPMSolverMultistepScheduler", "timesteps") == []


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=8),
    st.sampled_from(sorted(HOSTS)),
    st.sampled_from(["timesteps", "sigmas"]),
)
def test_it_judges_any_values_without_failing(values, host, kind):
    for finding in lint(values, host, kind):
        assert finding.level in ("error", "warning")
        assert finding.text
