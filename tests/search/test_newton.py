"""The batched Newton method finds the minimum that other methods find."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from hso.noise import NoiseSchedule
from hso.objectives.mep import MidpointSum
from hso.rules import edm_lambdas
from hso.search.newton import minimize_interior


def starts(noise, count, size):
    rng = np.random.default_rng(count)
    first, last = noise.lambda_(rng.uniform(0.96, 0.99, size)), noise.lambda_(rng.uniform(0.01, 0.03, size))
    return edm_lambdas(first, last, rng.uniform(3, 16, size), count)


@pytest.mark.parametrize("p", [0, 1, 2])
@pytest.mark.parametrize("count", [3, 4, 9, 40])
def test_the_gradient_vanishes_at_its_result(any_noise, p, count):
    objective = MidpointSum(any_noise, p)
    knots, _ = minimize_interior(objective, starts(any_noise, count, 20))
    assert np.all(np.diff(knots) > 0)
    assert np.abs(objective.gradient(knots)[:, 1:-1]).max() < 1e-10 * objective.value(knots).max()


@pytest.mark.parametrize("count", [3, 9, 40])
def test_knots_that_run_together_stay_in_order(any_noise, count):
    """For p = 3 one long step costs less than two: there is no minimum inside."""
    objective = MidpointSum(any_noise, 3)
    start = starts(any_noise, count, 20)
    knots, _ = minimize_interior(objective, start)
    assert np.all(np.diff(knots) > 0)
    assert np.all(objective.value(knots) <= objective.value(start))


def test_it_agrees_with_scipy(ddpm):
    objective = MidpointSum(ddpm)
    start = starts(ddpm, 6, 1)[0]
    knots, _ = minimize_interior(objective, start[None])
    reference = minimize(
        lambda x: objective.value(np.concatenate((start[:1], x, start[-1:]))),
        start[1:-1],
        jac=lambda x: objective.gradient(np.concatenate((start[:1], x, start[-1:])))[1:-1],
        method="BFGS",
        options={"gtol": 1e-10},
    )
    assert np.allclose(knots[0, 1:-1], reference.x, atol=1e-7)


def test_members_of_a_batch_do_not_influence_each_other(ddpm):
    batch = starts(ddpm, 7, 8)
    together, _ = minimize_interior(MidpointSum(ddpm), batch)
    alone = np.concatenate([minimize_interior(MidpointSum(ddpm), row[None])[0] for row in batch])
    assert np.allclose(together, alone, atol=1e-9)


def test_every_exponent_of_equation_2_leads_to_the_same_knots(ddpm):
    """rho is not identifiable: the lower level forgets it."""
    rho = np.linspace(3, 16, 27)
    start = edm_lambdas(ddpm.lambda_(0.96), ddpm.lambda_(0.03), rho, 5)
    knots, _ = minimize_interior(MidpointSum(ddpm), np.broadcast_to(start, (27, 5)))
    assert np.ptp(knots, axis=0).max() < 1e-9


@settings(max_examples=200)
@example([0.125, 1.0, 0.125])
@given(st.lists(st.floats(0.02, 1), min_size=2, max_size=9))
def test_any_start_leads_to_the_same_knots(gaps):
    noise = NoiseSchedule.preset("sd2.1")
    first, last = noise.lambda_([0.98, 0.02])
    shape = np.concatenate(([0.0], np.cumsum(gaps) / sum(gaps)))
    start = first + (last - first) * shape
    uniform = np.linspace(first, last, len(start))
    knots, _ = minimize_interior(MidpointSum(noise), np.stack([start, uniform]))
    assert np.allclose(knots[0], knots[1], atol=1e-8)


def test_two_knots_leave_nothing_to_do(ddpm):
    ends = ddpm.lambda_(np.array([[0.96, 0.03]]))
    knots, evaluations = minimize_interior(MidpointSum(ddpm), ends)
    assert np.array_equal(knots, ends)
    assert evaluations == 1
