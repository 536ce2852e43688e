"""The model of finite data agrees with what can be computed of few points, and recalls its data."""

import math

import numpy as np
import pytest
from mpmath import mp
from scipy.optimize import brentq
from scipy.stats import norm

from hso.errors import ArgumentError
from hso.models.datasets import handwritten_digits
from hso.models.empirical import EmpiricalModel
from hso.models.exact import Scales, scales_at
from hso.noise import NoiseSchedule

PAIR = EmpiricalModel([[-1.5], [1.5]])


@pytest.mark.parametrize("level", [Scales(0.8, 0.6), Scales(0.3, 2.7), Scales(1.0, 20.0), Scales(0.999, 0.02)])
def test_two_points_are_a_hyperbolic_tangent(level):
    x = np.linspace(-3, 3, 13)[:, None]
    expected = 1.5 * np.tanh(1.5 * level.alpha * x / level.sigma**2)
    np.testing.assert_allclose(PAIR.x0(x, level), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sigma", [10.0, 0.3, 0.01])
def test_far_from_zero_no_digits_are_lost(sigma):
    data = 1000 + np.random.default_rng(0).normal(size=(20, 2))
    model, level = EmpiricalModel(data), Scales(0.5, 0.5 * sigma)
    z = data[3] * 0.5 + data[4] * 0.5 + 0.1 * sigma
    with mp.workdps(50):
        gaps = [sum((mp.mpf(float(a)) - mp.mpf(float(b))) ** 2 for a, b in zip(z, row, strict=True)) for row in data]
        weights = [mp.exp(-gap / (2 * mp.mpf(sigma) ** 2)) for gap in gaps]
        expected = [float(sum(w * mp.mpf(v) for w, v in zip(weights, c, strict=True)) / sum(weights)) for c in data.T]
    np.testing.assert_allclose(model.x0(0.5 * z, level), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("noise", [NoiseSchedule.linear_vp(), NoiseSchedule.edm(), NoiseSchedule.rectified_flow()])
@pytest.mark.parametrize("end", [0.5, 2.0])
def test_in_one_dimension_the_ode_keeps_quantiles(noise, end):
    model, start = EmpiricalModel([[-2.0], [0.1], [0.1], [1.0]]), -2.5
    points = model.data[:, 0]

    def cdf(x, lambda_):
        alpha, sigma = scales_at(lambda_, noise)
        return norm.cdf((x - alpha * points) / sigma).mean()

    def gap(y, quantile):
        return cdf(y, end) - quantile

    x = scales_at(start, noise).sigma * np.linspace(-2.0, 2.0, 10)
    expected = [brentq(gap, -20, 20, args=(cdf(value, start),), xtol=1e-13) for value in x]
    assert model.solve(x[:, None], start, end, noise)[:, 0] == pytest.approx(expected, abs=2e-8)


def test_each_datum_gets_its_share_of_the_noise():
    model, noise = EmpiricalModel([[-2.0], [0.1], [0.1], [1.0]]), NoiseSchedule.edm()
    start = float(noise.lambda_(1.0))
    sigma = scales_at(start, noise).sigma
    # Quantiles of the noisy distribution, to which the shift of its center matters little.
    x = model.moments()[0] + sigma * norm.ppf((np.arange(1000) + 0.5) / 1000)
    clean = model.solve(x[:, None], start, math.inf, noise)[:, 0]
    values, counts = np.unique(clean, return_counts=True)
    assert values.tolist() == [-2.0, 0.1, 1.0]
    assert counts / 1000 == pytest.approx([0.25, 0.5, 0.25], abs=0.006)


def test_clean_samples_are_data():
    images, _ = handwritten_digits()
    model, noise = EmpiricalModel(images[:60]), NoiseSchedule.linear_vp()
    start = float(noise.lambda_(1.0))
    x = model.noisy(5, scales_at(start, noise), np.random.default_rng(0))
    clean = model.solve(x, start, math.inf, noise)
    assert all((image == images[:60]).all(axis=1).any() for image in clean)


def test_below_the_floor_the_solution_is_a_line():
    noise = NoiseSchedule.edm()
    z = PAIR.solve(np.array([[4.0]]), -2.0, -math.log(PAIR.floor), noise)
    half = PAIR.solve(z, -math.log(PAIR.floor), -math.log(PAIR.floor / 2), noise)
    assert half - 1.5 == pytest.approx((z - 1.5) / 2)
    assert PAIR.solve(half, -math.log(PAIR.floor / 2), -2.0, noise)[0, 0] == pytest.approx(4.0, abs=1e-7)


def test_one_point_draws_everything():
    model, noise = EmpiricalModel([[2.0, 3.0], [2.0, 3.0]]), NoiseSchedule.edm()
    x = np.array([[5.0, -1.0]])
    assert model.solve(x, -1.0, math.inf, noise).tolist() == [[2.0, 3.0]]
    np.testing.assert_allclose(model.solve(x, -1.0, 0.0, noise), [[2 + 3 / math.e, 3 - 4 / math.e]])


def test_moments_are_the_data_sets_own():
    data = np.random.default_rng(1).normal(size=(30, 4))
    mean, covariance = EmpiricalModel(data).moments()
    np.testing.assert_allclose(mean, data.mean(axis=0))
    np.testing.assert_allclose(covariance, np.cov(data.T, bias=True))


def test_unusable_requests_are_refused():
    with pytest.raises(ArgumentError, match="data: expected finite numbers along 2 axes"):
        EmpiricalModel([1.0, 2.0])
    with pytest.raises(ArgumentError, match="lambda_from: expected a finite lambda, got inf"):
        PAIR.solve(np.ones((1, 1)), math.inf, 0.0, NoiseSchedule.edm())
