"""The exact strategy on a part of the range, and with nodes for both of two networks."""

import itertools
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

import hso
from hso.errors import ArgumentError
from hso.noise import NoiseSchedule, presets
from hso.objectives import MEP
from hso.objectives.mep import MidpointSum
from hso.rules import Span, rule_schedule
from hso.search import Boundary, Box, Constraints, Exact
from tests.search.helpers import mep_problem

ROUNDING = 2e-9
optimize = partial(hso.optimize, strategy="exact")


def knots_of(schedule):
    return schedule.times if schedule.ends_clean else np.append(schedule.times, schedule.terminal_time)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 14),
    st.integers(2, 5),
    st.integers(1, 2),
    st.sampled_from(["clean", "t_min"]),
    st.sampled_from([0.0, 0.1, 0.2, 0.3]),
    st.integers(2, 12),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_its_training_grid_optimum_is_that_of_brute_force(steps, nfe, nodes, terminal, distance, change, part, seed):
    """With room for the distance it is the least J, without the least fitness."""
    noise = NoiseSchedule.from_betas(np.random.default_rng(seed).uniform(0.01, 0.5, steps))
    t = min(change, steps) / steps
    box = Box(t_min=(0.0, 0.25), t_max=(0.75, 1.0))
    box = Box(t_min=box.t_min, t_max=((steps - 2) / steps,) * 2) if part else box
    problem = mep_problem(noise, nfe, terminal, distance, box, Boundary(t, nodes))
    assume(not problem.objection())
    grid = noise.time_of_index(np.arange(steps)[::-1])
    paths = [grid[list(path)] for path in itertools.combinations(range(steps), problem.intervals + 1)]
    inside = [
        path
        for path in paths
        if problem.box.t_max[0] <= path[0] <= problem.box.t_max[1]
        and path[-1] <= problem.box.t_min[1]
        and (path[:nfe] >= t - 1e-12).sum() >= nodes
        and (path[:nfe] < t - 1e-12).sum() >= nodes
    ]
    assume(inside)
    kept = [path for path in inside if np.all(-np.diff(path) >= distance - 1e-12)]
    found = Exact("training").search(problem, 0)
    best = min(float(problem.fitness(noise.lambda_(path))) for path in kept or inside)
    assert float(problem.fitness(found.knots)) == pytest.approx(best, rel=1e-9)
    assert ("keeps d_min" in found.message) == (not kept)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(list(presets())),
    st.integers(2, 20),
    st.sampled_from(["clean", "t_min"]),
    st.floats(0.032, 0.99),
    st.one_of(st.none(), st.floats(0.02, 0.98)),
    st.integers(1, 6),
)
def test_nodes_fall_from_the_start_and_lie_on_both_sides(name, nfe, terminal, start, change, nodes):
    options = {"terminal": terminal, "objective": MEP(jump="free")}
    noise = NoiseSchedule.preset(name)
    assume(start <= noise.t_range[1])
    boundary = None if change is None else Boundary(change, nodes)
    if boundary and 2 * nodes > nfe:
        with pytest.raises(ArgumentError, match="boundary: expected at most"):
            optimize(noise, nfe, **options, constraints=Constraints(Box(), start=start, boundary=boundary))
        return
    if boundary and not has_room(noise, start, boundary, terminal):
        with pytest.raises(ArgumentError, match=r"boundary: expected .* with room for the nodes"):
            optimize(noise, nfe, **options, constraints=Constraints(Box(), start=start, boundary=boundary))
        return
    result = optimize(noise, nfe, **options, constraints=Constraints(Box(), start=start, boundary=boundary))
    knots = knots_of(result.schedule)
    assert knots[0] == pytest.approx(start, abs=1e-9)
    assert result.constraints.start == start == result.psi.t_max
    assert np.all(np.diff(knots) < 0)
    assert 0.01 - ROUNDING <= knots[-1] <= 0.03 + ROUNDING
    if boundary is not None:
        assert (result.schedule.times >= change - ROUNDING).sum() >= nodes
        assert (result.schedule.times <= change - 1 / noise.max_nfe + ROUNDING).sum() >= nodes
    if boundary is None:
        assert result.feasible, result.message
    assert result.feasible == ("keeps d_min" not in result.message)


def has_room(noise, start, boundary, terminal):
    """With as many millionths of t between the nodes."""
    above, below = start - boundary.t, boundary.t - 1 / noise.max_nfe - max(0.01, noise.t_range[0])
    tail = boundary.nodes if terminal == "t_min" else boundary.nodes - 1
    return above >= 1e-6 * (boundary.nodes - 1) and below >= 1e-6 * tail


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
@pytest.mark.parametrize("nfe", range(2, 21))
def test_a_part_is_feasible_wherever_the_whole_is(every_noise, nfe, terminal):
    for start in (0.1, 0.6, 0.96):
        result = optimize(every_noise, nfe, terminal=terminal, constraints=Constraints(start=start))
        assert result.feasible, result.message
        assert np.all(-np.diff(knots_of(result.schedule)) >= result.constraints.d_min - ROUNDING)


@pytest.mark.parametrize("name", ["sd2.1", "flux-dev", "wan2.1"])
@pytest.mark.parametrize("nfe", [4, 8])
def test_on_a_part_the_rules_between_the_same_ends_are_within_a_hundredth(name, nfe):
    """As docs/method.md says: there is little to gain in J."""
    noise = NoiseSchedule.preset(name)
    result = optimize(noise, nfe, terminal="t_min", constraints=Constraints(start=0.6))
    span = Span(t_max=0.6, t_min=result.schedule.terminal_time)
    for rule in ("uniform_t", "uniform_lambda", "edm"):
        peer = rule_schedule(rule, noise, nfe, "t_min", span)
        value = float(MidpointSum(noise).value(np.append(peer.lambdas, peer.terminal)))
        assert value == pytest.approx(result.objective, rel=0.01)


def test_the_distance_is_in_proportion_to_the_part(sd):
    whole = optimize(sd, 6, terminal="t_min")
    assert optimize(sd, 6, constraints=Constraints(start=1.0), terminal="t_min").constraints.d_min == pytest.approx(
        whole.constraints.d_min
    )
    assert optimize(sd, 6, constraints=Constraints(start=0.505), terminal="t_min").constraints.d_min == pytest.approx(
        whole.constraints.d_min / 2
    )
    assert optimize(sd, 6, constraints=Constraints(start=0.505, d_min=0.05), terminal="t_min").constraints.d_min == 0.05


@pytest.mark.parametrize(("nfe", "start", "distance"), [(4, 0.6, None), (6, 0.6, 0.09), (5, 0.3, 0.0)])
def test_a_part_agrees_with_a_local_solver_from_many_starts(nfe, start, distance):
    noise = NoiseSchedule.linear_vp()
    result = optimize(noise, nfe, constraints=Constraints(start=start, d_min=distance), terminal="t_min")
    problem = mep_problem(noise, nfe, "t_min", result.constraints.d_min, Box(t_max=(start, start)))
    best = local_minimum(problem, [(start, start), *[(0.01, start)] * (nfe - 1), (0.01, 0.03)])
    assert result.objective <= best + 1e-7


@pytest.mark.parametrize(("nfe", "t", "nodes"), [(4, 0.6, 2), (6, 0.4, 2), (6, 0.3, 3), (6, 0.7, 3), (5, 0.85, 2)])
def test_a_boundary_agrees_with_a_local_solver_from_many_starts(nfe, t, nodes):
    noise = NoiseSchedule.linear_vp()
    result = optimize(noise, nfe, constraints=Constraints(boundary=Boundary(t, nodes), d_min=0.07), terminal="t_min")
    problem = mep_problem(noise, nfe, "t_min", 0.07, boundary=Boundary(t, nodes))
    best = local_minimum(problem, list(zip(problem.windows.low, problem.windows.high, strict=True)))
    assert result.feasible
    assert result.objective <= best + 1e-7


def local_minimum(problem, bounds):
    """The least J of five local searches."""
    noise, count = problem.noise, problem.intervals + 1
    spacing = LinearConstraint(-np.diff(np.eye(count), axis=0), problem.d_min, np.inf)
    low, high = np.array(bounds).T
    rng = np.random.default_rng(0)
    best = np.inf
    for _ in range(5):
        found = minimize(
            lambda t: float(problem.function.value(noise.lambda_(np.sort(np.clip(t, 0.005, 1))[::-1]))),
            np.sort(rng.uniform(low, high))[::-1],
            method="SLSQP",
            bounds=bounds,
            constraints=[spacing],
            options={"maxiter": 500, "ftol": 1e-13},
        )
        if np.all(-np.diff(found.x) >= problem.d_min - 1e-9):
            best = min(best, found.fun)
    assert np.isfinite(best)
    return best


def test_a_boundary_that_holds_nothing_changes_nothing(sd):
    free, bounded = (
        optimize(sd, 5, terminal="t_min"),
        optimize(sd, 5, constraints=Constraints(boundary=Boundary(0.5)), terminal="t_min"),
    )
    assert bounded.schedule.times == pytest.approx(free.schedule.times, abs=1e-8)


def test_a_boundary_costs_what_it_costs(sd):
    free = optimize(sd, 8, constraints=Constraints(d_min=0.0), terminal="t_min")
    costs = [
        optimize(sd, 8, constraints=Constraints(d_min=0.0, boundary=Boundary(0.9, nodes)), terminal="t_min").objective
        for nodes in (1, 2, 3, 4)
    ]
    assert costs[0] == pytest.approx(free.objective, rel=1e-9)
    assert costs == sorted(costs)
    assert costs[3] > 1.005 * costs[0]


def test_where_both_sides_leave_no_room_it_says_so_and_the_fitness_is_least():
    noise = NoiseSchedule.preset("sd2.1")
    boundary = Boundary(0.7, 4)
    result = optimize(noise, 8, solver="ddim", constraints=Constraints(boundary=boundary))
    assert not result.feasible
    assert "no schedule with these nodes on each side keeps d_min" in result.message
    # The shortfall is shared by the edges that have no room.
    assert -np.diff(result.schedule.times)[:3] == pytest.approx([0.1] * 3, abs=1e-6)
    assert np.all(-np.diff(result.schedule.times)[3:] >= result.constraints.d_min - 1e-6)
    training = optimize(noise, 8, solver="ddim", strategy=Exact("training"), constraints=Constraints(boundary=boundary))
    assert result.fitness <= training.fitness


def test_a_tight_boundary_is_kept_to_the_last_digit(sd):
    """Room for the distance and no more: between the points of any grid."""
    boundary, distance = Boundary(0.7231, 3), (0.96 - 0.7231) / 2
    result = optimize(
        sd, 6, solver="ddim", constraints=Constraints(boundary=boundary, d_min=distance, box=Box(t_max=(0.9, 0.96)))
    )
    assert result.feasible
    assert result.schedule.times[:3] == pytest.approx([0.96, 0.96 - distance, 0.7231], abs=1e-9)


def test_a_start_off_the_training_grid_is_refused_there(sd):
    on_grid = optimize(sd, 4, strategy=Exact("training"), constraints=Constraints(start=0.6), terminal="t_min")
    assert on_grid.schedule.timesteps[0] == 599
    with pytest.raises(ArgumentError, match=r"start: expected a training timestep, such as 0\.6, for grid"):
        optimize(sd, 4, strategy=Exact("training"), constraints=Constraints(start=0.6004), terminal="t_min")
