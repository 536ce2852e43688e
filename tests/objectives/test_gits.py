"""GITS minimizes what it says, over all paths."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from hso.models.gaussian import GaussianModel
from hso.models.mixture import GaussianMixture
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.objectives import GITS, TabulatedSum
from hso.objectives.gits import deviation_costs
from hso.optimize import optimize
from hso.search import Box, Constraints, Exact, Problem

MIXTURE = GaussianMixture([2, 1], [[-1.0, 0.5, 0.0], [0.8, 0.0, -0.4]], [[0.01, 0.3, 0.1], [0.2, 0.05, 0.02]])
X = 80 * np.random.default_rng(0).standard_normal((12, 3))


def gits(teacher, nfe, terminal="clean", gamma=1.15):
    return optimize(teacher.noise, nfe, solver="ddim", objective=GITS(teacher, gamma), terminal=terminal).schedule


def best_path(costs, edges, gamma):
    """The points that strategy exact chooses from a table of costs, both ends fixed."""
    noise = NoiseSchedule.edm()
    times = np.linspace(1.0, noise.t_range[0], len(costs))
    function = TabulatedSum(noise, noise.lambda_(times), costs, gamma, costs_jump=True)
    ends = Constraints(Box(t_min=(times[-1], times[-1]), t_max=(1.0, 1.0)), d_min=0.0)
    found = Exact().search(Problem(function, edges, "clean", ends), 0)
    path = np.searchsorted(-times, -noise.time(found.knots) - 1e-9)
    assert float(function.value(found.knots)) == pytest.approx(
        sum(gamma**k * costs[i, j] for k, (i, j) in enumerate(pairwise(path)))
    )
    return path


def upper(costs):
    costs = costs.copy()
    costs[np.tril_indices(len(costs))] = np.inf
    return costs


@pytest.mark.parametrize("gamma", [0.8, 1.0, 1.15, 1.5])
@pytest.mark.parametrize("edges", [1, 2, 3, 5, 8])
def test_the_path_is_the_best_of_all(edges, gamma):
    costs = upper(np.random.default_rng(edges).normal(size=(9, 9)))
    paths = [(0, *inner, 8) for inner in combinations(range(1, 8), edges - 1)]
    totals = [sum(gamma**k * costs[i, j] for k, (i, j) in enumerate(pairwise(p))) for p in paths]
    assert best_path(costs, edges, gamma).tolist() == list(paths[int(np.argmin(totals))])


def test_the_sum_is_the_authors_recursion():
    gamma, edges = 1.2, 4
    costs = upper(np.random.default_rng(0).uniform(size=(12, 12)))
    values = costs[:, -1]
    for _ in range(edges - 1):
        # The last point is reached by the last step only.
        onward = costs[:, :-1] + gamma * values[:-1]
        values = onward.min(axis=1)
    path = best_path(costs, edges, gamma)
    total = sum(gamma**k * costs[i, j] for k, (i, j) in enumerate(pairwise(path)))
    assert total == pytest.approx(values[0])


def test_costs_are_distances_from_the_chord():
    teacher = Teacher(MIXTURE, NoiseSchedule.edm(), X, points=12, rule="edm")
    path = teacher.trajectory

    def deviation(z):
        to_end, chord = path.states[-1] - z, path.states[-1] - path.states[0]
        unit = chord / np.linalg.norm(chord, axis=1, keepdims=True)
        return np.linalg.norm(to_end - np.sum(to_end * unit, axis=1, keepdims=True) * unit, axis=1)

    costs = deviation_costs(path)
    for i, j in combinations(range(12), 2):
        euler = path.states[i] + (path.sigmas[j] - path.sigmas[i]) * path.slopes[i]
        expected = np.mean(deviation(euler) - deviation(path.states[j]))
        assert costs[i, j] == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert np.all(np.isinf(costs[np.tril_indices(12)]))


def test_a_straight_trajectory_costs_nothing():
    model = GaussianModel(np.zeros(3), np.full(3, 0.25))
    costs = deviation_costs(Teacher(model, NoiseSchedule.edm(), X, points=12, rule="edm").trajectory)
    assert np.abs(costs[np.triu_indices(12, 1)]).max() < 1e-5


def test_a_higher_gamma_moves_steps_to_the_clean_end():
    teacher = Teacher(MIXTURE, NoiseSchedule.edm(), X, points=61, rule="edm")
    early, late = (gits(teacher, 6, gamma=gamma).lambdas[1:].mean() for gamma in (1.0, 1.5))
    assert late > early


def test_the_clean_sample_takes_the_place_of_the_last_point():
    teacher = Teacher(MIXTURE, NoiseSchedule.edm(), X, points=31, rule="edm")
    clean, landing = gits(teacher, 5, "clean"), gits(teacher, 5, "t_min")
    assert clean.lambdas.tolist() == landing.lambdas.tolist()
    assert landing.terminal == teacher.schedule.lambdas[-1]
