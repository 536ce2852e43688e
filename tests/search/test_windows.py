"""Windows: which knots can keep a distance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from hso import optimize
from hso.errors import ArgumentError
from hso.noise import NoiseSchedule
from hso.search import Boundary, Box, Constraints
from hso.search.windows import ROUNDING, Windows
from tests.search.helpers import mep_problem


@st.composite
def windows(draw):
    ends = [sorted(draw(st.tuples(st.floats(0, 1), st.floats(0, 1)))) for _ in range(draw(st.integers(1, 6)))]
    low, high = np.array(ends).T
    return Windows(low, high)


def widest(given_windows):
    """The largest distance by linear programming; negative where the order cannot be kept."""
    count = len(given_windows.low)
    if count == 1:
        return np.inf
    gaps = np.hstack((np.diff(np.eye(count), axis=0), np.ones((count - 1, 1))))
    bounds = [*zip(given_windows.low, given_windows.high, strict=True), (-2, 2)]
    return -linprog([0.0] * count + [-1.0], A_ub=gaps, b_ub=np.zeros(count - 1), bounds=bounds).fun


@given(windows(), st.floats(0, 0.5))
def test_a_distance_can_be_kept_if_a_linear_program_says_so(given_windows, distance):
    largest = widest(given_windows)
    if abs(largest - distance) < 1e-6:
        return
    assert given_windows.keep(distance) == (largest > distance)
    if largest > distance:
        for times in (given_windows.earliest(distance), given_windows.latest(distance)):
            assert np.all(-np.diff(times) >= distance - 1e-12)
            assert np.all((times >= given_windows.low - 1e-12) & (times <= given_windows.high + 1e-12))


def test_the_box_is_a_window_at_either_end(sd):
    found = mep_problem(sd, 4).windows
    assert found.low.tolist() == [0.96, 0.01, 0.01, 0.01, 0.01]
    assert found.high.tolist() == [1.0, 1.0, 1.0, 1.0, 0.03]


@pytest.mark.parametrize(("terminal", "second"), [("clean", [3, 4]), ("t_min", [3, 4])])
def test_a_boundary_holds_the_first_nodes_above_it_and_the_last_below(sd, terminal, second):
    problem = mep_problem(sd, 5, terminal, boundary=Boundary(0.5, nodes=2))
    found = problem.windows
    assert found.low[:3].tolist() == [0.96, 0.5, 0.01]
    assert found.high[second].tolist() == [0.03 if terminal == "clean" and k == 4 else 0.499 for k in second]
    assert len(found.low) == (5 if terminal == "clean" else 6)
    assert found.high[-1] == 0.03


def test_no_nodes_asked_for_leaves_the_windows_alone(sd):
    bounded = mep_problem(sd, 5, boundary=Boundary(0.5, nodes=0))
    assert np.array_equal(bounded.windows.low, mep_problem(sd, 5).windows.low)
    assert np.array_equal(bounded.windows.high, mep_problem(sd, 5).windows.high)
    assert bounded.objection() == ""


@pytest.mark.parametrize(
    ("boundary", "problem"),
    [
        (Boundary(0.5, 3), "at most 2 nodes on each side"),
        (Boundary(1.0, 2), "room for the nodes"),
        (Boundary(0.0105, 1), "room for the nodes"),
        (Boundary(0.0, 1), "room for the nodes"),
    ],
)
def test_a_boundary_without_room_is_objected_to(sd, boundary, problem):
    assert problem in mep_problem(sd, 4, boundary=boundary).objection()


def test_a_part_is_a_box_with_its_first_node_fixed():
    noise = NoiseSchedule.cosine()
    assert Box().beginning_at(0.6, noise) == Box(t_max=(0.6, 0.6))
    assert Box(t_min=(0.2, 0.3)).beginning_at(0.31, noise).t_min == (0.2, 0.3)
    for start in (0.03, 0.0, -1.0, 0.9999, 1.5, float("nan")):
        with pytest.raises(ArgumentError, match=r"start: expected a time above 0.03, .* up to 0.9946"):
            Box().beginning_at(start, noise)
    with pytest.raises(ArgumentError, match="start: expected none with a range of t_max"):
        Constraints(Box(t_max=(0.9, 1.0)), start=0.6)


@pytest.mark.parametrize(("t", "nodes"), [(-0.1, 1), (1.1, 1), (float("nan"), 1), (0.5, -1), (0.5, 1.0), (0.5, True)])
def test_unusable_boundaries_are_refused(t, nodes):
    with pytest.raises(ArgumentError, match=r"boundary: expected|nodes: expected"):
        Boundary(t, nodes)


@pytest.mark.parametrize("steps", [2, 5, 20, 33, 34])
@pytest.mark.parametrize("strategy", ["exact", "bilevel"])
def test_few_training_steps_are_no_obstacle_to_a_box_that_nobody_asked_for(steps, strategy):
    noise = NoiseSchedule.from_config({"_class_name": "DDIMScheduler", "num_train_timesteps": steps})
    result = optimize(noise, min(steps, 3), strategy=strategy)
    times = result.schedule.times
    # The way from t to lambda and back rounds t.
    assert noise.t_range[0] - ROUNDING <= times[-1] < times[0] <= noise.t_range[1] + ROUNDING
    assert result.constraints.box.t_min == (max(0.01, 1 / steps), max(0.03, 1 / steps))
    if steps < 34:
        with pytest.raises(ArgumentError, match=r"t_min: expected a range that meets"):
            optimize(noise, min(steps, 3), strategy=strategy, constraints=Constraints(Box(t_min=(0.01, 0.02))))
