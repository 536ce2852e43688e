"""The closed-form schedules are what their names say."""

import warnings
from itertools import pairwise
from math import gamma

import numpy as np
import pytest
import scipy.stats
from scipy.integrate import quad

from hso import ArgumentError, NoiseSchedule
from hso.rules import (
    ALIASES,
    GRID_RULES,
    NODE_RULES,
    RANGE_RULES,
    RULES,
    TABLES,
    Span,
    rule_schedule,
)

CLOSED_FORMS = [rule for rule in RULES if rule not in TABLES]


@pytest.fixture
def flow():
    return NoiseSchedule.rectified_flow()


@pytest.fixture
def schedulers():
    """diffusers' schedulers of Stable Diffusion, after set_timesteps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        diffusers = pytest.importorskip("diffusers")

        def make(name, nfe, **options):
            config = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
            scheduler = getattr(diffusers, name)(**config, **options)
            scheduler.set_timesteps(nfe)
            return scheduler

        yield make


def equal_steps(values):
    return np.allclose(np.diff(values, 2), 0, atol=1e-9)


def test_each_range_rule_has_equal_steps_in_its_own_variable(any_noise):
    def nodes(rule):
        return rule_schedule(rule, any_noise, 9)

    assert equal_steps(nodes("uniform_t").times)
    assert equal_steps(nodes("uniform_lambda").lambdas)
    assert equal_steps(np.sqrt(nodes("quadratic").times))
    assert equal_steps(nodes("edm").sigmas ** (1 / 7))
    assert equal_steps(np.arctan(nodes("arctan").sigmas))


@pytest.mark.parametrize("rule", RANGE_RULES)
def test_range_rules_begin_and_end_where_they_are_told(sd, rule):
    span = Span(t_max=0.96, t_min=0.03)
    clean = rule_schedule(rule, sd, 6, "clean", span)
    assert clean.times[[0, -1]] == pytest.approx([0.96, 0.03], abs=1e-12)
    landing = rule_schedule(rule, sd, 6, "t_min", span)
    assert landing.nfe == 6
    assert landing.terminal_time == pytest.approx(0.03, abs=1e-12)


@pytest.mark.parametrize("rule", RANGE_RULES)
def test_a_single_node_is_the_noisiest(any_noise, rule):
    assert rule_schedule(rule, any_noise, 1).times[0] == pytest.approx(any_noise.t_range[1], abs=1e-12)


@pytest.mark.parametrize("rule", CLOSED_FORMS)
@pytest.mark.parametrize("nfe", [1, 2, 7, 100])
def test_every_rule_gives_a_valid_schedule(ddpm, rule, nfe):
    assert rule_schedule(rule, ddpm, nfe).nfe == nfe


# linspace has a node at t_min already, and ays_svd is for another model.
@pytest.mark.parametrize("rule", sorted({*GRID_RULES, *NODE_RULES} - {"linspace", "ays_svd"}))
def test_the_terminal_does_not_move_the_nodes_of_grid_and_node_rules(sd, rule):
    clean, landing = rule_schedule(rule, sd, 6), rule_schedule(rule, sd, 6, "t_min", Span(t_min=0.001))
    assert clean.lambdas.tolist() == landing.lambdas.tolist()
    assert landing.terminal_time == pytest.approx(0.001)


def test_an_alias_is_the_rule_it_stands_for(sd):
    for alias, rule in ALIASES.items():
        assert alias not in RULES
        assert rule_schedule(alias, sd, 5) == rule_schedule(rule, sd, 5)
        assert rule_schedule(alias, sd, 5).provenance["rule"] == rule


def test_the_exponents_of_equation_2_go_from_uniform_sigma_to_uniform_lambda(sd):
    assert equal_steps(rule_schedule("edm", sd, 8, span=Span(rho=1.0)).sigmas)
    nearly = rule_schedule("edm", sd, 8, span=Span(rho=1e6)).lambdas
    assert np.allclose(nearly, rule_schedule("uniform_lambda", sd, 8).lambdas, atol=1e-4)


def test_polyexponential_is_a_power_of_uniform_lambda(sd):
    first, *_, last = even = rule_schedule("uniform_lambda", sd, 8).lambdas
    assert np.allclose(rule_schedule("polyexponential", sd, 8).lambdas, even)
    squared = rule_schedule("polyexponential", sd, 8, span=Span(rho=2.0)).lambdas
    assert np.allclose((last - squared) / (last - first), ((last - even) / (last - first)) ** 2)


def test_arctan_goes_from_uniform_sigma_to_its_reciprocal(sd):
    assert np.allclose(np.diff(rule_schedule("arctan", sd, 8, span=Span(sigma_data=1e5)).sigmas, 2), 0, atol=1e-6)
    reciprocal = 1 / rule_schedule("arctan", sd, 8, span=Span(sigma_data=1e-5)).sigmas
    assert np.allclose(np.diff(reciprocal, 2), 0, atol=1e-4)


def test_beta_has_equal_mass_between_its_training_indices(sd):
    indices = rule_schedule("beta", sd, 8).fractional_timesteps
    assert indices[0] == pytest.approx(999)
    masses = [quad(lambda y: (y * (1 - y)) ** -0.4, low, high)[0] for high, low in pairwise([*(indices / 999), 0.0])]
    assert masses == pytest.approx([gamma(0.6) ** 2 / gamma(1.2) / 8] * 8, rel=1e-6)


def test_beta_has_comfyuis_timesteps(sd):
    quantiles = scipy.stats.beta.ppf(1 - np.linspace(0, 1, 12, endpoint=False), 0.6, 0.6)
    assert rule_schedule("beta", sd, 12).timesteps.tolist() == np.rint(quantiles * 999).tolist()


def mochi(steps, threshold=0.025):
    """Genmo's pattern as it is defined: a line, and the parabola that continues it to 1."""
    linear = steps // 2
    slope = threshold / linear
    parabola = np.linalg.solve(
        [[linear**2, linear, 1], [2 * linear, 1, 0], [steps**2, steps, 1]], [threshold, slope, 1.0]
    )
    i = np.arange(steps)
    return 1 - np.where(i < linear, slope * i, np.polyval(parabola, i))


@pytest.mark.parametrize("nfe", [2, 3, 4, 5, 8, 25])
def test_linear_quadratic_is_mochis_on_the_flow_path(flow, nfe):
    schedule = rule_schedule("linear_quadratic", flow, nfe)
    assert np.allclose(schedule.times, mochi(nfe), atol=2e-7)
    assert schedule.ends_clean


def test_linear_quadratic_means_the_same_share_of_noise_on_every_path(sd, flow):
    shares = [1 / (1 + np.exp(rule_schedule("linear_quadratic", noise, 6).lambdas)) for noise in (sd, flow)]
    assert np.allclose(shares[0] / shares[0][0], shares[1] / shares[1][0])


@pytest.mark.parametrize("nfe", [4, 5, 7, 10])
def test_grid_rules_are_those_of_diffusers(sd, schedulers, nfe):
    for rule in ("trailing", "leading", "linspace"):
        scheduler = schedulers("DDIMScheduler", nfe, timestep_spacing=rule)
        assert rule_schedule(rule, sd, nfe).timesteps.tolist() == scheduler.timesteps.tolist()
    multistep = schedulers("UniPCMultistepScheduler", nfe, timestep_spacing="linspace")
    assert rule_schedule("linspace_open", sd, nfe).timesteps.tolist() == multistep.timesteps.tolist()


@pytest.mark.parametrize("nfe", [2, 4, 5, 7, 10, 30])
@pytest.mark.parametrize(
    ("rule", "option"),
    [("karras", "use_karras_sigmas"), ("exponential", "use_exponential_sigmas"), ("beta_sigma", "use_beta_sigmas")],
)
def test_sigma_rules_are_those_of_diffusers(sd, schedulers, rule, option, nfe):
    scheduler = schedulers("EulerDiscreteScheduler", nfe, **{option: True}, timestep_spacing="linspace")
    schedule = rule_schedule(rule, sd, nfe)
    # diffusers has alpha in float32, and 1 - alpha^2 loses digits at the clean end.
    assert scheduler.sigmas.tolist() == pytest.approx([*schedule.sigmas, 0.0], rel=2e-5)
    # diffusers interpolates log sigma between training indices, and this library log alpha.
    assert scheduler.timesteps.tolist() == pytest.approx(schedule.fractional_timesteps.tolist(), abs=0.1)


def test_unusable_requests_are_refused(sd):
    with pytest.raises(ArgumentError, match="did you mean 'trailing'"):
        rule_schedule("trialing", sd, 4)
    with pytest.raises(ArgumentError, match="nfe: expected an integer from 1 to 1000, got 0"):
        rule_schedule("edm", sd, 0)
    with pytest.raises(ArgumentError, match=r"t_min: expected a time below t_max = 0.5"):
        rule_schedule("edm", sd, 4, span=Span(t_max=0.5, t_min=0.6))
    with pytest.raises(ArgumentError, match=r"t_max: expected a number in \[0.001, 0.9946\]"):
        rule_schedule("uniform_t", NoiseSchedule.cosine(), 4, span=Span(t_max=1.0))
    with pytest.raises(ArgumentError, match=r"rho: expected a number of at least 0\.1, got 0"):
        rule_schedule("polyexponential", sd, 4, span=Span(rho=0.0))
    with pytest.raises(ArgumentError, match="sigma_data: expected a number of at least 1e-06, got -1"):
        rule_schedule("arctan", sd, 4, span=Span(sigma_data=-1.0))
    with pytest.raises(ArgumentError, match="terminal: expected a lambda above"):
        rule_schedule("linspace", sd, 4, "t_min")
    for rule in GRID_RULES:
        with pytest.raises(ArgumentError, match="a schedule with training timesteps"):
            rule_schedule(rule, NoiseSchedule.cosine(train_steps=None), 4)


@pytest.mark.parametrize("rule", RULES)
def test_a_part_begins_at_its_start_or_the_rule_says_that_it_cannot(sd, rule):
    for terminal in ("clean", "t_min"):
        if rule in RANGE_RULES:
            schedule = rule_schedule(rule, sd, 5, terminal, Span(t_max=0.6))
            assert schedule.times[0] == pytest.approx(0.6)
            assert schedule.nfe == 5
        else:
            with pytest.raises(ArgumentError, match=f"span: expected a span without t_max for rule {rule}"):
                rule_schedule(rule, sd, 5, terminal, Span(t_max=0.6))
