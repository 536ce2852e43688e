"""A teacher's trajectory is the ODE's, whatever the network predicts and whatever arrays it takes."""

import math

import numpy as np
import pytest

from hso import ArgumentError
from hso.models.exact import scales_at
from hso.models.mixture import GaussianMixture
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule

MIXTURE = GaussianMixture([2, 1], [[-1.0, 0.5, 0.0], [0.8, 0.0, -0.4]], [[0.01, 0.3, 0.1], [0.2, 0.05, 0.02]])
NOISE = NoiseSchedule.linear_vp()
START = float(NOISE.lambda_(1.0))
X = MIXTURE.noisy(24, scales_at(START, NOISE), np.random.default_rng(0))


def test_its_states_solve_the_ode():
    path = Teacher(MIXTURE, NOISE, X, points=400).trajectory
    for point in (100, 200, 300, 399):
        lambda_ = float(path.lambdas[point])
        solution = MIXTURE.solve(X, START, lambda_, NOISE) / scales_at(lambda_, NOISE).alpha
        np.testing.assert_allclose(path.states[point], solution, atol=5e-3)
    np.testing.assert_allclose(path.end, MIXTURE.solve(X, START, math.inf, NOISE), atol=5e-3)


def test_slopes_are_the_networks_noise():
    path = Teacher(MIXTURE, NOISE, X, points=10).trajectory
    for states, slopes, sigma in zip(path.states, path.slopes, path.sigmas, strict=True):
        level = type(scales_at(0.0, NOISE))(1.0, float(sigma))
        np.testing.assert_allclose(slopes, MIXTURE.eps(states, level), rtol=1e-8, atol=1e-10)


def test_unusable_requests_are_refused():
    with pytest.raises(ArgumentError, match="rule: expected one of"):
        Teacher(MIXTURE, NOISE, X, rule="trailing")
    with pytest.raises(ArgumentError, match="points: expected an integer from 3"):
        Teacher(MIXTURE, NOISE, X, points=2)
    with pytest.raises(ArgumentError, match="x: expected a batch of states"):
        Teacher(MIXTURE, NOISE, np.ones(3))
