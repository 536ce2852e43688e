"""Watson's bound: closed forms, all paths of a small grid, and its relation to KLUB."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from hso import ArgumentError
from hso.models.gaussian import GaussianModel
from hso.models.mixture import GaussianMixture
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.objectives import KLUB, Watson
from hso.objectives.watson import bound_costs, data_errors
from hso.optimize import optimize
from hso.rules import Span

DEVIATION, SIZE = 0.7, 64
NOISE = NoiseSchedule.edm()
X = 80 * np.random.default_rng(0).standard_normal((512, SIZE))
TEACHER = Teacher(
    GaussianModel(np.zeros(SIZE), np.full(SIZE, DEVIATION**2)), NOISE, X, points=40, rule="uniform_lambda"
)
MIXTURE = GaussianMixture([2, 1], [[-1.0, 0.5, 0.0], [0.8, 0.0, -0.4]], [[0.01, 0.3, 0.1], [0.2, 0.05, 0.02]])


def posterior_variance(sigmas):
    return DEVIATION**2 * sigmas**2 / (DEVIATION**2 + sigmas**2)


def divergence(start, end):
    """KL of the posterior of a step from the model's step, for Gaussian data, in nats: means a part, variances equal.

    Along z = x_0 + sigma n the posterior at ``end`` given x_0 and z has the mean w z + (1 - w) x_0 with
    w = end^2 / start^2 and the variance end^2 (1 - w); the model has D in place of x_0.
    """
    weight = end**2 / start**2
    return (1 - weight) ** 2 * posterior_variance(start) / (2 * end**2 * (1 - weight))


def test_errors_of_gaussian_data_are_its_posterior_variance():
    expected = SIZE * posterior_variance(TEACHER.trajectory.sigmas)
    np.testing.assert_allclose(data_errors(TEACHER), expected, rtol=0.04)


def test_a_cost_is_the_divergence_of_a_step_of_ancestral_sampling():
    sigmas = TEACHER.trajectory.sigmas
    costs = bound_costs(TEACHER.trajectory.lambdas, posterior_variance(sigmas))
    for i, j in combinations(range(0, 40, 6), 2):
        assert costs[i, j] == pytest.approx(divergence(sigmas[i], sigmas[j]), rel=1e-9)
        assert costs[j, i] == np.inf


@pytest.mark.parametrize("nfe", [1, 2, 4, 6])
@pytest.mark.parametrize("terminal", ["clean", "t_min"])
def test_no_path_of_a_small_grid_has_a_greater_bound_on_the_likelihood(nfe, terminal):
    x = 80 * np.random.default_rng(1).standard_normal((32, 3))
    teacher = Teacher(MIXTURE, NOISE, x, points=10, span=Span(t_min=0.2))
    lambdas = teacher.trajectory.lambdas
    costs = bound_costs(lambdas, data_errors(teacher))
    paths = [(0, *inner, 9) for inner in combinations(range(1, 9), nfe - 1)]
    best = min(paths, key=lambda path: sum(costs[i, j] for i, j in pairwise(path)))
    schedule = optimize(NOISE, nfe, solver="ddim", objective=Watson(teacher), terminal=terminal).schedule
    np.testing.assert_allclose(schedule.lambdas, lambdas[list(best[:-1])], rtol=1e-12)


def klub(start, end):
    """KLUB of a step, for Gaussian data."""
    change = lambda t: DEVIATION**4 * (1 / (DEVIATION**2 + t**2) - 1 / (DEVIATION**2 + start**2)) / t**3  # noqa: E731
    return quad(change, end, start, epsabs=0, epsrel=1e-12)[0]


def test_of_an_exact_model_the_bound_is_klub_up_to_what_all_schedules_share():
    sigmas = np.geomspace(20, 0.05, 9)
    costs = bound_costs(-np.log(sigmas), posterior_variance(sigmas))
    shared = [costs[i, i + 1] - klub(*sigmas[i : i + 2]) for i in range(8)]
    for i, j in combinations(range(9), 2):
        assert costs[i, j] - klub(sigmas[i], sigmas[j]) == pytest.approx(sum(shared[i:j]), rel=1e-8)


@pytest.mark.parametrize("nfe", [4, 7])
def test_so_both_find_the_same_schedule_of_an_exact_model(nfe):
    watson, klub = (
        optimize(NOISE, nfe, solver="ddim", objective=kind(TEACHER), terminal="t_min").schedule
        for kind in (Watson, KLUB)
    )
    spacing = np.diff(TEACHER.trajectory.lambdas).max()
    np.testing.assert_allclose(watson.lambdas, klub.lambdas, atol=1.01 * spacing)


def test_a_network_that_errs_more_at_a_level_is_not_asked_there():
    errors = posterior_variance(TEACHER.trajectory.sigmas)
    worse = errors.copy()
    worse[20] *= 2
    lambdas = TEACHER.trajectory.lambdas
    assert np.all(bound_costs(lambdas, worse)[20, 21:] > bound_costs(lambdas, errors)[20, 21:])
    np.testing.assert_array_equal(bound_costs(lambdas, worse)[19], bound_costs(lambdas, errors)[19])


def test_the_seed_decides():
    assert data_errors(TEACHER, 1).tolist() == data_errors(TEACHER, 1).tolist()
    assert data_errors(TEACHER, 1).tolist() != data_errors(TEACHER, 2).tolist()
    with pytest.raises(ArgumentError, match="seed: expected"):
        Watson(TEACHER, seed=-1)
