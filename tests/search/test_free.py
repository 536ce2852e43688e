"""Free search keeps every constraint by construction and finds what is known to be best."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hso
from hso.errors import ArgumentError
from hso.noise import NoiseSchedule
from hso.objectives import MEP, KnotFunction, SmoothFunction
from hso.search import Boundary, Box, Constraints, Exact, Free, Problem
from hso.search.descent import Sticks, descend
from hso.search.windows import ROUNDING, Windows
from hso.solvers import DDIM

NOISE = NoiseSchedule.preset("sd1.5")
# Knots 0.05 apart fit with room to spare.
WINDOWS = Windows(np.array([0.7, 0.3, 0.1, 0.001, 0.001]), np.array([1.0, 1.0, 0.8, 0.5, 0.3]))
free_variables = st.lists(st.floats(-12, 12), min_size=5, max_size=5)


class Bowl(SmoothFunction):
    """The squared distance to given knots, with different weights."""

    noise = NOISE

    def __init__(self, target):
        self.target, self.weights = target, 2.0 ** np.arange(len(target))

    def value(self, knots):
        return (self.weights * (knots - self.target) ** 2).sum(axis=-1)

    def gradient(self, knots):
        return 2 * self.weights * (knots - self.target)


@given(free=free_variables, distance=st.floats(0, 0.1))
@settings(max_examples=200, deadline=None)
def test_free_variables_always_give_feasible_times(free, distance):
    times = Sticks(NOISE, WINDOWS, distance).times(np.array([free]))[0]
    assert WINDOWS.hold(times)
    assert np.all(-np.diff(times) >= distance - ROUNDING)


@given(free=st.lists(st.floats(-6, 6), min_size=5, max_size=5), distance=st.floats(1e-6, 0.1))
@settings(max_examples=50, deadline=None)
def test_knots_and_free_variables_are_one_to_one(free, distance):
    sticks = Sticks(NOISE, WINDOWS, distance)
    knots = sticks.knots(np.array([free]))
    np.testing.assert_allclose(sticks.knots(sticks.free(knots)), knots, rtol=1e-6, atol=1e-6)


def test_knots_outside_of_the_windows_move_inside():
    sticks = Sticks(NOISE, WINDOWS, 0.05)
    times = sticks.times(sticks.free(NOISE.lambda_([[1.0, 0.999, 0.998, 0.9, 0.8], [0.4, 0.3, 0.2, 0.1, 0.001]])))
    for row in times:
        assert WINDOWS.hold(row)
        assert np.all(-np.diff(row) >= 0.05 - ROUNDING)


def test_derivatives_go_through_the_variables():
    rng = np.random.default_rng(0)
    sticks, target = Sticks(NOISE, WINDOWS, 0.05), np.linspace(-2.0, 2.0, 5)
    free, bowl, h = rng.normal(size=(6, 5)), Bowl(target), 1e-5
    found = sticks.pull(free, bowl.gradient(sticks.knots(free)))
    for k, unit in enumerate(np.eye(5)):
        ahead, behind = (bowl.value(sticks.knots(free + sign * h * unit)) for sign in (1, -1))
        np.testing.assert_allclose(found[:, k], (ahead - behind) / (2 * h), rtol=2e-4, atol=1e-5)


def test_all_starts_descend_to_the_bottom_of_a_bowl():
    sticks = Sticks(NOISE, WINDOWS, 0.01)
    bottom = sticks.knots(np.random.default_rng(1).normal(size=(1, 5)))[0]
    starts = np.random.default_rng(2).normal(size=(8, 5)) * 2
    found = descend(Bowl(bottom), sticks, starts, 200)
    np.testing.assert_allclose(found.values, 0.0, atol=1e-6)
    np.testing.assert_allclose(sticks.knots(found.free), np.tile(bottom, (8, 1)), atol=1e-2)


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
@pytest.mark.parametrize("nodes", [3, 5, 10])
@pytest.mark.parametrize("d_min", [0.0, 0.03])
def test_it_finds_the_optimum_that_is_proved_for_sums_of_edge_costs(terminal, nodes, d_min):
    objective = MEP(p=2)
    constraints = Constraints(box=Box(), d_min=d_min).filled_in(NOISE, objective, objective.distance(nodes))
    problem = Problem(objective.on(NOISE, DDIM(), terminal), nodes, terminal, constraints)
    exact, free = Exact().search(problem, 0), Free().search(problem, 0)
    assert problem.function.value(free.knots) == pytest.approx(problem.function.value(exact.knots), rel=1e-4)


@pytest.mark.parametrize("nfe", [2, 4, 6])
def test_it_searches_where_the_jump_has_a_cost(nfe):
    found, best = (
        hso.optimize(hso.NoiseSchedule.preset("sd1.5"), nfe, objective=MEP(jump="costed"), strategy=strategy)
        for strategy in ("free", "exact")
    )
    assert found.objective == pytest.approx(best.objective, rel=1e-4)


def test_a_boundary_is_kept():
    constraints = Constraints(box=Box(t_min=(0.01, 0.2), t_max=(0.6, 1.0)), d_min=0.01, boundary=Boundary(0.9, 2))
    target = NOISE.lambda_(np.array([0.8, 0.7, 0.5, 0.3, 0.1]))
    problem = Problem(Bowl(target), 5, "clean", constraints)
    found = Free().search(problem, 0)
    assert problem.windows.hold(NOISE.time(found.knots))


def test_the_same_seed_gives_the_same_knots():
    problem = Problem(Bowl(np.linspace(-2.0, 2.0, 4)), 4, "clean", Constraints(box=Box()))
    first, second = (Free().search(problem, 3) for _ in range(2))
    np.testing.assert_array_equal(first.knots, second.knots)
    assert first.evaluations == second.evaluations


def test_minima_are_ordered_and_differ():
    class TwoBowls(Bowl):
        """The lower of two bowls."""

        def value(self, knots):
            return np.minimum(super().value(knots), 0.5 + super().value(knots - 1.0))

        def gradient(self, knots):
            first = super().value(knots) < 0.5 + super().value(knots - 1.0)
            return np.where(first[..., None], super().gradient(knots), super().gradient(knots - 1.0))

    box = Box(t_min=(0.001, 0.4), t_max=(0.41, 1.0))
    problem = Problem(TwoBowls(NOISE.lambda_(np.array([0.9, 0.6, 0.3]))), 3, "clean", Constraints(box=box))
    found = Free(changes=0).minima(problem, NOISE.lambda_(np.array([[0.9, 0.6, 0.3], [0.6, 0.3, 0.1]])))
    np.testing.assert_allclose(found.values[:2], [0.0, 0.5], atol=1e-4)


def test_what_it_cannot_search_is_refused():
    class Rough(KnotFunction):
        noise = NOISE

        def value(self, knots):
            return knots.sum(axis=-1)

    problem = Problem(Rough(), 3, "clean", Constraints(box=Box()))
    with pytest.raises(ArgumentError, match="a gradient for strategy free"):
        Free().search(problem, 0)
    crowded = dataclasses.replace(problem, function=Bowl(np.arange(3.0)), constraints=Constraints(box=Box(), d_min=0.9))
    with pytest.raises(ArgumentError, match="d_min"):
        Free().search(crowded, 0)


def test_optimize_takes_it_by_its_name():
    found = hso.optimize(NOISE, 4, solver="ddim", strategy="free", objective="mep")
    exact = hso.optimize(NOISE, 4, solver="ddim", strategy="exact", objective="mep")
    assert found.objective == pytest.approx(exact.objective, rel=1e-4)
