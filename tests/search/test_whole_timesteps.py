"""Descent among whole timesteps."""

import numpy as np
import pytest

import hso
from hso.objectives import MEP
from hso.search import Box, Constraints, Problem
from hso.search.whole_timesteps import descend_on_timesteps
from hso.solvers import DDIM

NOISE = hso.NoiseSchedule.preset("sd1.5")
FUNCTION = MEP().on(NOISE, DDIM(), "clean")


def value(timesteps):
    return float(FUNCTION.value(NOISE.lambda_(NOISE.time_of_index(np.asarray(timesteps)))))


def problem(nodes, t_min, t_max):
    return Problem(FUNCTION, nodes, "clean", Constraints(Box(t_min=t_min, t_max=t_max), d_min=0.0))


@pytest.mark.parametrize("nodes", [2, 5, 10])
def test_from_the_rounded_optimum_it_finds_the_best_of_whole_timesteps(nodes):
    free, best = (
        hso.optimize(
            NOISE, nodes, solver="ddim", objective="mep", strategy=strategy, constraints=Constraints(d_min=0.0)
        )
        for strategy in ("exact", "exact:grid=training")
    )
    found = descend_on_timesteps(Problem(FUNCTION, nodes, "clean", free.constraints), free.schedule.timesteps)
    assert value(found) == pytest.approx(value(best.schedule.timesteps), rel=1e-9)


def test_a_first_node_whose_window_is_a_point_stays():
    start = np.array([699, 600, 500])
    found = descend_on_timesteps(problem(3, (0.001, 0.6), (0.7, 0.7)), start)
    assert found[0] == 699
    assert value(found) < value(start)
    assert start.tolist() == [699, 600, 500]


def test_nodes_outside_of_their_windows_are_moved_in():
    found = descend_on_timesteps(problem(3, (0.1, 0.2), (0.9, 0.95)), np.array([999, 500, 3]))
    assert 899 <= found[0] <= 949
    assert 99 <= found[-1] <= 199
    assert np.all(np.diff(found) < 0)


def test_one_node_stays():
    assert descend_on_timesteps(problem(1, (0.0, 0.1), (0.5, 0.5)), np.array([499])).tolist() == [499]
