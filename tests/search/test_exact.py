"""The exact strategy keeps the distance and misses nothing."""

import itertools
import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

import hso
from hso.errors import ArgumentError
from hso.noise import NoiseSchedule
from hso.objectives import d_min
from hso.search import Bilevel, Box, Constraints, Exact
from tests.search.helpers import mep_problem

ROUNDING = 2e-12
optimize = partial(hso.optimize, strategy="exact")


def times_of(problem, strategy):
    return problem.noise.time(strategy.search(problem, 0).knots)


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
@pytest.mark.parametrize("nfe", range(2, 31))
def test_it_is_feasible_for_every_budget(any_noise, nfe, terminal):
    result = optimize(any_noise, nfe, solver="unipc", terminal=terminal)
    schedule = result.schedule
    knots = schedule.times if terminal == "clean" else np.append(schedule.times, schedule.terminal_time)
    assert result.feasible, result.message
    assert np.all(-np.diff(knots) >= d_min(nfe) - ROUNDING)
    assert 0.96 - ROUNDING <= knots[0] <= any_noise.t_range[1]
    assert 0.01 - ROUNDING <= knots[-1] <= 0.03 + ROUNDING
    assert result.penalty < 1e-22


@pytest.mark.parametrize("name", ["ddpm", "sd2.1"])
@pytest.mark.parametrize("terminal", ["clean", "t_min"])
@pytest.mark.parametrize("nfe", [2, 3, 4, 5, 6, 8, 10, 15, 20, 30])
def test_its_fitness_is_never_above_that_of_bilevel(name, terminal, nfe):
    problem = mep_problem(NoiseSchedule.preset(name), nfe, terminal)
    exact, bilevel = (problem.fitness(strategy.search(problem, 0).knots) for strategy in (Exact(), Bilevel()))
    assert exact <= bilevel * (1 + 1e-13)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(8, 16),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.1, 0.2, 0.25]),
    st.integers(0, 10**6),
)
def test_its_training_grid_optimum_is_that_of_brute_force(steps, intervals, distance, seed):
    betas = np.random.default_rng(seed).uniform(0.01, 0.5, steps)
    noise = NoiseSchedule.from_betas(betas)
    problem = mep_problem(noise, intervals, "t_min", distance, Box(t_min=(0.0, 0.25), t_max=(0.75, 1.0)))
    found = Exact("training").search(problem, 0).knots
    grid = noise.time_of_index(np.arange(steps)[::-1])
    paths = [grid[list(path)] for path in itertools.combinations(range(steps), intervals + 1)]
    inside = [path for path in paths if path[0] >= 0.75 and path[-1] <= 0.25 and path[-1] >= 1 / steps]
    best = min(float(problem.fitness(noise.lambda_(path))) for path in inside)
    assert float(problem.fitness(found)) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("nfe", [4, 6, 10, 17, 30])
def test_training_grid_timesteps_are_distinct_and_descending(sd, nfe):
    result = optimize(sd, nfe, solver="ddim", strategy=Exact("training"))
    timesteps = result.schedule.fractional_timesteps
    assert np.allclose(timesteps, np.round(timesteps), atol=1e-9)
    assert np.all(np.diff(result.schedule.timesteps) <= -round(1000 * d_min(nfe) - 1e-6))
    assert result.feasible


@pytest.mark.parametrize(("nfe", "distance"), [(4, 0.15), (6, 0.1325), (8, 0.115), (5, 0.17), (3, 0.0)])
def test_it_agrees_with_a_local_solver_from_many_starts(nfe, distance):
    noise = NoiseSchedule.linear_vp()
    problem = mep_problem(noise, nfe, "t_min", distance)
    exact = times_of(problem, Exact())
    count = nfe + 1
    bounds = [problem.box.t_max, *[(0.01, 1.0)] * (count - 2), problem.box.t_min]
    spacing = LinearConstraint(-np.diff(np.eye(count), axis=0), distance, np.inf)
    rng = np.random.default_rng(0)
    best = np.inf
    for _ in range(5):
        start = np.sort(rng.uniform(0.02, 0.98, count))[::-1]
        found = minimize(
            lambda t: float(problem.function.value(noise.lambda_(np.sort(np.clip(t, 0.005, 1))[::-1]))),
            start,
            method="SLSQP",
            bounds=bounds,
            constraints=[spacing],
            options={"maxiter": 500, "ftol": 1e-13},
        )
        if np.all(-np.diff(found.x) >= distance - 1e-9):
            best = min(best, found.fun)
    assert float(problem.function.value(noise.lambda_(exact))) <= best + 1e-7


def test_without_spacing_it_is_the_newton_optimum(ddpm):
    result = optimize(ddpm, 4, solver="ddim")
    assert result.schedule.times == pytest.approx([0.96, 0.71629, 0.37023, 0.03], abs=1e-5)


@pytest.mark.parametrize("grid", ["continuous", "training"])
def test_where_no_schedule_keeps_the_distance_it_says_so_and_has_the_least_penalty(ddpm, grid):
    result = optimize(ddpm, 10, strategy=Exact(grid), constraints=Constraints(d_min=0.12), terminal="t_min")
    assert not result.feasible
    assert "keep" in result.message
    uniform = np.linspace(1.0, 0.01, 11)
    least = 10 * (0.12 - 0.099) ** 2
    assert result.penalty == pytest.approx(least, rel=1e-9)
    assert np.allclose([*result.schedule.times, result.schedule.terminal_time], uniform, atol=1e-9)


def test_the_least_penalty_on_the_training_grid_is_that_of_brute_force():
    noise = NoiseSchedule.from_betas(np.linspace(0.05, 0.4, 12))
    problem = mep_problem(noise, 4, "t_min", 0.3, Box(t_min=(0.0, 0.2), t_max=(0.8, 1.0)))
    found = Exact("training").search(problem, 0).knots
    grid = noise.time_of_index(np.arange(12)[::-1])
    least = min(
        float(problem.penalty(noise.lambda_(grid[list(path)])))
        for path in itertools.combinations(range(12), 5)
        if grid[path[0]] >= 0.8 and grid[path[-1]] <= 0.2
    )
    assert float(problem.penalty(found)) == pytest.approx(least, rel=1e-12)


def test_tight_spacing_is_kept_to_the_last_digit(ddpm):
    box = Box(t_min=(0.02, 0.02), t_max=(0.98, 0.98))
    result = optimize(ddpm, 8, strategy="exact", constraints=Constraints(box=box, d_min=0.12), terminal="t_min")
    assert result.feasible
    assert np.allclose(-np.diff(result.schedule.times), 0.12, atol=1e-11)


def test_fixed_ends_stay_where_they_are(sd):
    box = Box(t_min=(0.017, 0.017), t_max=(0.9731, 0.9731))
    result = optimize(sd, 6, solver="ddim", constraints=Constraints(box=box))
    assert result.feasible
    assert (result.psi.t_max, result.psi.t_min) == (0.9731, 0.017)


def test_a_thousand_nodes_are_no_trouble(sd):
    result = optimize(sd, 1000, solver="ddim", constraints=Constraints(d_min=0.0))
    assert result.feasible
    assert "optimal" in result.message
    assert len(set(result.schedule.timesteps.tolist())) == 1000


def test_more_knots_than_timesteps_in_the_box_are_refused_on_the_training_grid(sd):
    with pytest.raises(ArgumentError, match="nfe: expected at most 991 knots"):
        optimize(sd, 1000, solver="ddim", strategy=Exact("training"), constraints=Constraints(d_min=0.0))


def test_it_needs_an_additive_objective(sd):
    with pytest.raises(ArgumentError, match="use bilevel, published or local"):
        optimize(sd, 4, objective="dm_nonuniform", strategy="exact", terminal="t_min")


def test_an_unknown_grid_is_refused():
    with pytest.raises(ArgumentError, match="grid: expected one of continuous, training"):
        Exact("integers")


@pytest.mark.parametrize("distance", [1e-4, 1e-5, 1e-320])
def test_a_tiny_least_distance_needs_no_more_memory_and_changes_nothing(sd, distance):
    tracemalloc.start()
    found = optimize(sd, 5, constraints=Constraints(d_min=distance))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6
    free = optimize(sd, 5, constraints=Constraints(d_min=0.0))
    assert found.schedule.times == pytest.approx(free.schedule.times, abs=1e-9)


def test_the_training_grid_refuses_models_of_so_many_steps_that_pairs_do_not_fit_into_memory():
    noise = NoiseSchedule.rectified_flow(train_steps=100_000)
    with pytest.raises(
        ArgumentError, match=r"strategy: expected a model of at most 5000 training timesteps in the box"
    ):
        optimize(noise, 5, strategy="exact:grid=training")
    assert optimize(noise, 5).nfe == 5
