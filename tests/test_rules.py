"""The closed-form schedules are what their names say."""

import warnings

import numpy as np
import pytest

from hso import ArgumentError, NoiseSchedule
from hso.rules import GRID_RULES, RANGE_RULES, RULES, Span, rule_schedule


def equal_steps(values):
    return np.allclose(np.diff(values, 2), 0, atol=1e-9)


def test_each_range_rule_has_equal_steps_in_its_own_variable(any_noise):
    def nodes(rule):
        return rule_schedule(rule, any_noise, 9)

    assert equal_steps(nodes("uniform_t").times)
    assert equal_steps(nodes("uniform_lambda").lambdas)
    assert equal_steps(np.sqrt(nodes("quadratic").times))
    assert equal_steps(nodes("edm").sigmas ** (1 / 7))


@pytest.mark.parametrize("rule", RANGE_RULES)
def test_range_rules_begin_and_end_where_they_are_told(sd, rule):
    span = Span(t_max=0.96, t_min=0.03)
    clean = rule_schedule(rule, sd, 6, "clean", span)
    assert clean.times[[0, -1]] == pytest.approx([0.96, 0.03], abs=1e-12)
    landing = rule_schedule(rule, sd, 6, "t_min", span)
    assert landing.nfe == 6
    assert landing.terminal_time == pytest.approx(0.03, abs=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("nfe", [2, 7, 100])
def test_every_rule_gives_a_valid_schedule(ddpm, rule, nfe):
    assert rule_schedule(rule, ddpm, nfe).nfe == nfe


@pytest.mark.parametrize("nfe", [4, 5, 7, 10])
def test_grid_rules_are_those_of_diffusers(sd, nfe):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diffusers = pytest.importorskip("diffusers")
    config = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
    for rule in ("trailing", "leading", "linspace"):
        scheduler = diffusers.DDIMScheduler(**config, timestep_spacing=rule)
        scheduler.set_timesteps(nfe)
        assert rule_schedule(rule, sd, nfe).timesteps.tolist() == scheduler.timesteps.tolist()
    multistep = diffusers.UniPCMultistepScheduler(**config, timestep_spacing="linspace")
    multistep.set_timesteps(nfe)
    assert rule_schedule("linspace_open", sd, nfe).timesteps.tolist() == multistep.timesteps.tolist()


def test_the_exponents_of_equation_2_go_from_uniform_sigma_to_uniform_lambda(sd):
    assert equal_steps(rule_schedule("edm", sd, 8, span=Span(rho=1.0)).sigmas)
    nearly = rule_schedule("edm", sd, 8, span=Span(rho=1e6)).lambdas
    assert np.allclose(nearly, rule_schedule("uniform_lambda", sd, 8).lambdas, atol=1e-4)


def test_unusable_requests_are_refused(sd):
    with pytest.raises(ArgumentError, match="did you mean 'trailing'"):
        rule_schedule("trialing", sd, 4)
    with pytest.raises(ArgumentError, match="nfe: expected an integer from 1 to 1000, got 0"):
        rule_schedule("edm", sd, 0)
    with pytest.raises(ArgumentError, match=r"t_min: expected a time below t_max = 0.5"):
        rule_schedule("edm", sd, 4, span=Span(t_max=0.5, t_min=0.6))
    with pytest.raises(ArgumentError, match=r"t_max: expected a number in \[0.001, 0.9946\]"):
        rule_schedule("uniform_t", NoiseSchedule.cosine(), 4, span=Span(t_max=1.0))
    with pytest.raises(ArgumentError, match="terminal: expected a lambda above"):
        rule_schedule("linspace", sd, 4, "t_min")
    for rule in GRID_RULES:
        with pytest.raises(ArgumentError, match="a schedule with training timesteps"):
            rule_schedule(rule, NoiseSchedule.cosine(train_steps=None), 4)
