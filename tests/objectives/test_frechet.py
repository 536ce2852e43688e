"""The Frechet distance against closed forms, to 1e-8."""

from __future__ import annotations

import numpy as np
import pytest

from hso.errors import ArgumentError
from hso.objectives.frechet import frechet_distance

EXACT = {"rel": 1e-12, "abs": 1e-8}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _covariance(rng, size, rank=None):
    factor = rng.standard_normal((size, rank or size))
    return factor @ factor.T


def _rotation(rng, size):
    return np.linalg.qr(rng.standard_normal((size, size)))[0]


def test_in_one_dimension_it_is_the_difference_of_means_and_of_deviations():
    assert frechet_distance([1.0], [[9.0]], [4.0], [[4.0]]) == pytest.approx(3.0**2 + (3.0 - 2.0) ** 2, **EXACT)


@pytest.mark.parametrize("size", [1, 3, 64])
@pytest.mark.parametrize("rank", [1, None])
def test_a_normal_is_at_distance_zero_from_itself(rng, size, rank):
    mean, cov = rng.standard_normal(size), _covariance(rng, size, rank)
    assert frechet_distance(mean, cov, mean, cov) == pytest.approx(0, **EXACT)


def test_commuting_covariances_differ_by_their_eigenvalues_roots(rng):
    axes = _rotation(rng, 20)
    a, b = rng.uniform(0, 4, 20), rng.uniform(0, 4, 20)
    a[:5] = b[3:8] = 0
    shift = rng.standard_normal(20)
    distance = frechet_distance(shift, axes * a @ axes.T, np.zeros(20), axes * b @ axes.T)
    assert distance == pytest.approx(shift @ shift + np.sum((np.sqrt(a) - np.sqrt(b)) ** 2), **EXACT)


def test_in_two_dimensions_the_root_has_a_closed_form(rng):
    a, b = _covariance(rng, 2), _covariance(rng, 2)
    # tr((ab)^(1/2))^2 = tr(ab) + 2 det(ab)^(1/2)
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a) * np.linalg.det(b)))
    expected = np.trace(a) + np.trace(b) - 2 * root
    assert frechet_distance(np.zeros(2), a, np.zeros(2), b) == pytest.approx(expected, **EXACT)


def test_lines_that_cross_overlap_by_the_cosine_of_their_angle():
    u, v = np.array([1.0, 0.0]), np.array([0.6, 0.8])
    distance = frechet_distance(np.zeros(2), 4 * np.outer(u, u), np.zeros(2), 9 * np.outer(v, v))
    assert distance == pytest.approx(4 + 9 - 2 * 2 * 3 * 0.6, **EXACT)


def test_it_is_symmetric_and_does_not_depend_on_the_axes(rng):
    a, b, axes = _covariance(rng, 8), _covariance(rng, 8, rank=3), _rotation(rng, 8)
    mean = rng.standard_normal(8)
    distance = frechet_distance(mean, a, np.zeros(8), b)
    assert frechet_distance(np.zeros(8), b, mean, a) == pytest.approx(distance, **EXACT)
    assert frechet_distance(axes @ mean, axes @ a @ axes.T, np.zeros(8), axes @ b @ axes.T) == pytest.approx(
        distance, **EXACT
    )


def test_it_scales_as_a_square(rng):
    a, b = _covariance(rng, 5), _covariance(rng, 5)
    distance = frechet_distance(np.ones(5), a, np.zeros(5), b)
    assert frechet_distance(np.full(5, 1e3), a * 1e6, np.zeros(5), b * 1e6) == pytest.approx(distance * 1e6, rel=1e-12)


@pytest.mark.parametrize(
    ("moments", "says"),
    [
        (([[1.0]], [[1.0]], [1.0], [[1.0]]), "mean_a: expected a vector"),
        (([1.0], [[1.0]], [np.nan], [[1.0]]), "mean_b: expected a vector of finite numbers"),
        (([1.0], [[1.0]], [1.0, 2.0], np.eye(2)), "mean_b: expected 1 values, as many as mean_a, got '2 values'"),
        (([1.0], np.eye(2), [1.0], [[1.0]]), "cov_a: expected a 1 by 1 matrix"),
        (([1.0], [[1.0]], [1.0], [[np.inf]]), "cov_b: expected a 1 by 1 matrix of finite numbers"),
        (([1.0, 1.0], [[1.0, 1.0], [0.0, 1.0]], [1.0, 1.0], np.eye(2)), "cov_a: expected a symmetric matrix"),
        (([1.0], [[-1.0]], [1.0], [[1.0]]), "cov_a: expected a positive semidefinite matrix"),
    ],
)
def test_what_are_no_moments_is_refused(moments, says):
    with pytest.raises(ArgumentError) as caught:
        frechet_distance(*moments)
    assert says in str(caught.value)
