"""On Gaussian data the optimal schedules are known."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize

from hso import SamplingSchedule
from hso.models.gaussian import GaussianModel
from hso.models.mixture import GaussianMixture
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.objectives import KLUB, ScoreOptimal
from hso.objectives.klub import klub_costs
from hso.objectives.score_optimal import arc_lengths
from hso.optimize import optimize
from hso.rules import Span, arctan_lambdas, rule_schedule
from hso.solvers import DDIM, sample

DEVIATION, SIZE = 0.7, 64
MODEL = GaussianModel(np.zeros(SIZE), np.full(SIZE, DEVIATION**2))
NOISE = NoiseSchedule.edm()
# Independent of one another, so that means over B and D together are sharp.
X = 80 * np.random.default_rng(0).standard_normal((512, SIZE))


def found(objective, nfe, terminal="clean"):
    return optimize(objective.teacher.noise, nfe, solver="ddim", objective=objective, terminal=terminal).schedule


def fine(points, rule="uniform_lambda"):
    return Teacher(MODEL, NOISE, X, points=points, rule=rule)


@pytest.mark.parametrize("nfe", [3, 5])
def test_ays_closed_form_is_ddims_optimum(nfe):
    span = Span(t_min=0.3)
    first, last = span.lambdas(NOISE)
    start = np.array([[80.0]])
    exact = GaussianModel(0.0, DEVIATION**2).solve(start, first, last, NOISE)

    def error(inner):
        knots = np.concatenate([[first], np.sort(inner), [last]])
        schedule = SamplingSchedule.from_knots(NOISE, knots, "t_min")
        model = GaussianModel(0.0, DEVIATION**2)
        return abs((sample(DDIM(), model.x0, NOISE, schedule, start, prediction="sample") - exact).item())

    guess = rule_schedule("uniform_lambda", NOISE, nfe, "t_min", span).lambdas[1:]
    found = minimize(error, guess, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 20_000})
    np.testing.assert_allclose(np.sort(found.x), arctan_lambdas(first, last, DEVIATION, nfe + 1)[1:-1], atol=1e-4)
    rule = rule_schedule("arctan", NOISE, nfe, "t_min", Span(t_min=0.3, sigma_data=DEVIATION))
    assert error(rule.lambdas[1:]) <= found.fun * (1 + 1e-9)


def distance(sigma):
    angle = np.arctan(sigma / DEVIATION)
    return 2 * (np.log(1 / np.cos(angle) + np.tan(angle)) - np.sin(angle))


def test_arc_lengths_of_gaussian_data():
    teacher = fine(400)
    expected = -np.diff(distance(teacher.trajectory.sigmas)) * math.sqrt(SIZE)
    np.testing.assert_allclose(arc_lengths(teacher), expected, rtol=0.03)


@pytest.mark.parametrize("nfe", [4, 10])
def test_score_optimal_steps_are_equally_long(nfe):
    sigmas = found(ScoreOptimal(fine(400)), nfe).sigmas
    steps = -np.diff(distance(sigmas))
    np.testing.assert_allclose(steps, steps.mean(), rtol=0.01)
    assert sigmas[[0, -1]] == pytest.approx([80.0, 0.002])


def test_score_optimal_steps_are_equally_long_for_any_data():
    model = GaussianMixture([2, 1], [[-1.0, 0.5], [0.8, 0.0]], [[0.01, 0.3], [0.2, 0.05]])
    teacher = Teacher(model, NOISE, X[:, :2], points=300, rule="uniform_lambda")
    cumulated = np.append(0.0, np.cumsum(arc_lengths(teacher)))
    places = np.interp(found(ScoreOptimal(teacher), 7).lambdas, teacher.schedule.lambdas, cumulated)
    np.testing.assert_allclose(np.diff(places), cumulated[-1] / 6, rtol=0.02)


def change(t, node):
    return DEVIATION**4 * (1 / (DEVIATION**2 + t**2) - 1 / (DEVIATION**2 + node**2))


def bound(node, to):
    return quad(lambda t: change(t, node) / t**3, to, node, epsrel=1e-10)[0]


def test_the_bound_of_gaussian_data():
    teacher = fine(120)
    costs, sigmas = klub_costs(teacher) / SIZE, teacher.trajectory.sigmas
    for i, j in [(0, 30), (20, 60), (40, 80), (60, 62), (70, 119), (0, 119)]:
        assert costs[i, j] == pytest.approx(bound(sigmas[i], sigmas[j]), rel=0.05)


def test_klub_is_the_least_bound():
    teacher, nfe = fine(150), 5
    first, last = teacher.schedule.lambdas[[0, -1]]

    def total(inner):
        sigmas = np.exp(-np.concatenate([[first], np.sort(inner), [last]]))
        return sum(bound(*pair) for pair in pairwise(sigmas))

    schedule = found(KLUB(teacher), nfe, "t_min")
    guess = schedule.lambdas[1:]
    best = minimize(total, guess, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9})
    np.testing.assert_allclose(guess, np.sort(best.x), atol=0.15)
    assert total(guess) <= best.fun * 1.01


def test_the_same_seed_gives_the_same_bound():
    teacher = fine(20)
    assert klub_costs(teacher, 1).tolist() == klub_costs(teacher, 1).tolist()
    assert klub_costs(teacher, 1).tolist() != klub_costs(teacher, 2).tolist()
