"""The mixture agrees with quadrature, with quantiles, and with single Gaussians."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from hso.errors import ArgumentError, MissingExtraError
from hso.models.datasets import handwritten_digits, image_patches
from hso.models.empirical import EmpiricalModel
from hso.models.exact import Scales, scales_at
from hso.models.gaussian import GaussianModel
from hso.models.mixture import GaussianMixture, Guided
from hso.noise import NoiseSchedule

LEVELS = [Scales(0.8, 0.6), Scales(0.3, 0.7), Scales(1.0, 20.0), Scales(0.999, 0.02)]
WEIGHTS, CENTERS, DEVIATIONS = np.array([0.2, 0.5, 0.3]), np.array([-2.0, 0.3, 1.5]), np.array([0.3, 0.05, 0.8])
LINE = GaussianMixture(WEIGHTS, CENTERS[:, None], DEVIATIONS**2)


def plane():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(3, 2, 2))
    return GaussianMixture(
        [2, 1, 1], rng.normal(size=(3, 2)), 0.02 * np.eye(2) + 0.3 * factors @ factors.swapaxes(1, 2)
    )


@pytest.mark.parametrize("level", LEVELS)
def test_noise_is_the_scaled_score(level):
    model = plane()

    def log_density(x):
        parts = [
            math.log(w)
            + multivariate_normal(level.alpha * m, level.alpha**2 * c + level.sigma**2 * np.eye(2)).logpdf(x)
            for w, m, c in zip(model.weights, model.means, model.covariances, strict=True)
        ]
        return logsumexp(parts)

    x, width = np.array([0.7, -0.4]), 1e-4 * max(level.sigma, 0.1)
    score = [(log_density(x + width * e) - log_density(x - width * e)) / (2 * width) for e in np.eye(2)]
    np.testing.assert_allclose(model.eps(x, level), -level.sigma * np.array(score), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("x", [-1.7, 0.1, 0.9, 4.0])
def test_data_is_the_posterior_mean_by_quadrature(level, x):
    def joint(data):
        prior = np.sum(WEIGHTS * norm.pdf(data, CENTERS, DEVIATIONS))
        return prior * math.exp(-(((x - level.alpha * data) / level.sigma) ** 2) / 2)

    # Split where the likelihood peaks, so that quadrature does not miss it.
    peak, width = x / level.alpha, level.sigma / level.alpha
    ends = sorted({*np.clip([peak + k * width for k in (-8, -1, 0, 1, 8)], -8, 8), *CENTERS, -8.0, 8.0})
    pieces = list(pairwise(ends))
    mass = sum(quad(joint, *piece, epsabs=0, epsrel=1e-11)[0] for piece in pieces)
    first = sum(quad(lambda y: y * joint(y), *piece, epsabs=1e-14 * mass, epsrel=1e-11)[0] for piece in pieces)
    assert LINE.x0(np.array([x]), level)[0] == pytest.approx(first / mass, rel=1e-7)


@pytest.mark.parametrize("noise", [NoiseSchedule.linear_vp(), NoiseSchedule.edm(), NoiseSchedule.rectified_flow()])
@pytest.mark.parametrize("end", [0.5, 4.0, math.inf])
def test_in_one_dimension_the_ode_keeps_quantiles(noise, end):
    start = -2.5

    def cdf(x, lambda_):
        alpha, sigma = scales_at(lambda_, noise)
        return np.sum(WEIGHTS * norm.cdf(x, alpha * CENTERS, np.hypot(alpha * DEVIATIONS, sigma)))

    def gap(y, quantile):
        return cdf(y, end) - quantile

    x = scales_at(start, noise).sigma * np.linspace(-2.5, 2.5, 11)
    expected = [brentq(gap, -20, 20, args=(cdf(value, start),), xtol=1e-13) for value in x]
    assert LINE.solve(x[:, None], start, end, noise)[:, 0] == pytest.approx(expected, abs=2e-8)


def test_one_component_is_a_gaussian():
    mean, variance = np.array([0.4, -0.7, 1.1]), np.array([0.3, 1.7, 0.01])
    gaussian, noise = GaussianModel(mean, variance), NoiseSchedule.cosine()
    x = np.random.default_rng(0).normal(size=(5, 3))
    for covariances in (variance[None], np.diag(variance)[None]):
        model = GaussianMixture([3.0], mean[None], covariances)
        for level in LEVELS:
            np.testing.assert_allclose(model.x0(x, level), gaussian.x0(x, level), rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(model.eps(x, level), gaussian.eps(x, level), rtol=1e-12, atol=1e-12)
        for end in (1.0, math.inf):
            solved = model.solve(x, -3.0, end, noise)
            np.testing.assert_allclose(solved, gaussian.solve(x, -3.0, end, noise), rtol=0, atol=2e-9)
        for mine, other in zip(model.moments(), gaussian.moments(), strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-15)


def test_a_rotation_of_the_data_rotates_everything():
    model, noise = plane(), NoiseSchedule.linear_vp()
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    turned = GaussianMixture(model.weights, model.means @ turn.T, turn @ model.covariances @ turn.T)
    x = np.random.default_rng(1).normal(size=(5, 2))
    np.testing.assert_allclose(turned.x0(x @ turn.T, LEVELS[0]), model.x0(x, LEVELS[0]) @ turn.T, atol=1e-12)
    solved = turned.solve(x @ turn.T, -2.0, math.inf, noise)
    np.testing.assert_allclose(solved, model.solve(x, -2.0, math.inf, noise) @ turn.T, atol=1e-8)


def test_noise_becomes_data():
    model, noise = plane(), NoiseSchedule.linear_vp()
    start, count = float(noise.lambda_(1.0)), 5000
    data = model.solve(model.noisy(count, scales_at(start, noise), np.random.default_rng(2)), start, math.inf, noise)
    mean, covariance = model.moments()
    assert np.all(np.abs(data.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(covariance) / count))
    products = np.einsum("bi,bj->bij", data - mean, data - mean)
    assert np.all(np.abs(products.mean(axis=0) - covariance) < 5 * products.std(axis=0) / count**0.5)


def test_moments_by_quadrature():
    def density(x):
        return np.sum(WEIGHTS * norm.pdf(x, CENTERS, DEVIATIONS))

    mean, covariance = LINE.moments()
    points = [*CENTERS]
    assert mean[0] == pytest.approx(quad(lambda x: x * density(x), -10, 10, points=points)[0])
    square = quad(lambda x: (x - mean[0]) ** 2 * density(x), -10, 10, points=points)[0]
    assert covariance[0, 0] == pytest.approx(square)


def test_a_fit_has_the_moments_of_its_data():
    patches = image_patches(size=4, count=1000)
    model = GaussianMixture.fit(patches, 3)
    mean, covariance = model.moments()
    # Every round of expectation maximization keeps the mean and adds the ridge to the covariance.
    np.testing.assert_allclose(mean, patches.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(covariance, np.cov(patches.T, bias=True) + 1e-4 * np.eye(16), atol=1e-10)
    again = GaussianMixture.fit(patches, 3)
    assert again.means.tolist() == model.means.tolist()


def test_patches_and_digits_are_images():
    patches = image_patches(size=5, count=20, seed=3)
    assert patches.shape == (20, 25)
    assert np.abs(patches).max() <= 1
    assert patches.tolist() == image_patches(size=5, count=20, seed=3).tolist()
    images, digits = handwritten_digits()
    assert images.shape == (1797, 64)
    assert (images.min(), images.max()) == (-1.0, 1.0)
    assert set(digits.tolist()) == set(range(10))


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    import sys

    for name in ("sklearn", "sklearn.datasets", "sklearn.exceptions", "sklearn.mixture"):
        monkeypatch.setitem(sys.modules, name, None)
    for call in (lambda: image_patches(4, 10), lambda: GaussianMixture.fit(np.eye(3), 1)):
        with pytest.raises(
            MissingExtraError, match=r"scikit-learn is not installed; run: pip install 'hso\[compare\]'"
        ):
            call()


def test_a_class_is_some_of_the_components():
    chosen = plane().given([0, 2])
    assert chosen.weights == pytest.approx([2 / 3, 1 / 3])
    assert chosen.means.tolist() == plane().means[[0, 2]].tolist()


@pytest.mark.parametrize("guidance", [0.0, 1.0, 3.0, 7.5])
def test_guided_gaussians_have_a_closed_form(guidance):
    narrow, wide, noise = 0.3, 2.0, NoiseSchedule.edm()
    model = Guided(GaussianModel(0.0, np.array([narrow])), GaussianModel(0.0, np.array([wide])), guidance)

    def stretch(variance):
        return (wide + variance) ** ((1 - guidance) / 2) * (narrow + variance) ** (guidance / 2)

    x = np.array([[2.0], [-5.0]])
    for end in (1.0, math.inf):
        expected = x * stretch(math.exp(-2 * end)) / stretch(math.exp(4.0))
        np.testing.assert_allclose(model.solve(x, -2.0, end, noise), expected, rtol=1e-7, atol=1e-9)


def test_guidance_1_is_the_class_and_0_is_everything():
    everything = plane()
    one, x = everything.given([1]), np.random.default_rng(3).normal(size=(5, 2))
    for guidance, expected in ((0.0, everything), (1.0, one)):
        model = Guided(one, everything, guidance)
        np.testing.assert_allclose(model.eps(x, LEVELS[0]), expected.eps(x, LEVELS[0]), atol=1e-14)
        np.testing.assert_allclose(model.x0(x, LEVELS[0]), expected.x0(x, LEVELS[0]), atol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [[0.0], [1.0]], [1.0, 1.0]), "weights: expected 2 values above 0"),
        (([1.0, 0.0], [[0.0], [1.0]], [1.0, 1.0]), "weights: expected 2 values above 0"),
        (([1.0, 1.0], [0.0, 1.0], [1.0, 1.0]), "means: expected finite numbers along 2 axes"),
        (([1.0, 1.0], [[0.0], [math.nan]], [1.0, 1.0]), "means: expected finite numbers along 2 axes"),
        (([1.0, 1.0], [[0.0], [1.0]], [1.0]), r"covariances: expected finite values of shape \(2,\), \(2, 1\) or"),
        (([1.0, 1.0], [[0.0], [1.0]], [1.0, 0.0]), "covariances: expected positive definite ones"),
    ],
)
def test_impossible_mixtures_are_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        GaussianMixture(*arguments)


def test_finite_data_cannot_be_guided():
    with pytest.raises(ArgumentError, match="conditional: expected a model of data with a density"):
        Guided(EmpiricalModel(np.eye(1)), LINE, 2.0)
    with pytest.raises(ArgumentError, match="guidance: expected a number of at least 0"):
        Guided(LINE, LINE, -1.0)
