"""The Gaussian model agrees with what can be computed about Gaussians in other ways."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import multivariate_normal

from hso.errors import ArgumentError
from hso.models.gaussian import GaussianModel, Scales
from hso.noise import NoiseSchedule

MEAN, VARIANCE = np.array([0.4, -0.7, 1.1]), np.array([0.3, 1.7, 0.0])
MODEL = GaussianModel(MEAN, VARIANCE)
X = np.array([0.9, -1.2, 0.3])
LEVELS = [Scales(0.8, 0.6), Scales(0.3, 0.7), Scales(1.0, 20.0), Scales(0.999, 0.02)]
NOISES = [NoiseSchedule.preset("sd2.1"), NoiseSchedule.linear_vp(), NoiseSchedule.cosine()]


@pytest.mark.parametrize("level", LEVELS)
def test_x_is_made_of_data_and_noise(level):
    np.testing.assert_allclose(level.alpha * MODEL.x0(X, level) + level.sigma * MODEL.eps(X, level), X, rtol=1e-13)


@pytest.mark.parametrize("level", LEVELS)
def test_noise_is_the_scaled_score(level):
    def log_density(x):
        return multivariate_normal(level.alpha * MEAN, np.diag(level.alpha**2 * VARIANCE + level.sigma**2)).logpdf(x)

    width = 1e-4 * level.sigma
    score = [(log_density(X + width * e) - log_density(X - width * e)) / (2 * width) for e in np.eye(3)]
    np.testing.assert_allclose(MODEL.eps(X, level), -level.sigma * np.array(score), rtol=1e-6, atol=1e-9)


def test_data_is_the_posterior_mean():
    rng, level = np.random.default_rng(0), Scales(0.8, 0.6)
    data = MEAN + np.sqrt(VARIANCE) * rng.normal(size=(400_000, 3))
    x = level.alpha * data + level.sigma * rng.normal(size=data.shape)
    error = data - MODEL.x0(x, level)
    # What is left is uncorrelated with x, and that characterizes the mean.
    assert np.abs((error * x).mean(axis=0)).max() < 5e-3
    assert np.abs(error.mean(axis=0)).max() < 5e-3


@pytest.mark.parametrize("level", LEVELS)
def test_velocities_follow_from_data_and_noise(level):
    data, z = MODEL.x0(X, level), MODEL.eps(X, level)
    np.testing.assert_allclose(MODEL.flow(X, level), z - data)
    angle = math.atan2(level.sigma, level.alpha)
    np.testing.assert_allclose(MODEL.v(X, level), math.cos(angle) * z - math.sin(angle) * data)


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
def test_the_solution_satisfies_the_probability_flow_ode(noise):
    start, end = -2.5, 3.0

    def slope(lambda_, x):
        # In z = x / alpha and sigma~ = e^-lambda the ODE is dz / d sigma~ = eps, on any path.
        level = Scales(float(np.exp(noise.log_alpha(lambda_))), float(np.exp(noise.log_sigma(lambda_))))
        return -np.exp(-lambda_) * MODEL.eps(level.alpha * x, level)

    z = X / np.exp(noise.log_alpha(start))
    solved = solve_ivp(slope, (start, end), z, method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    expected = solved * np.exp(noise.log_alpha(end))
    np.testing.assert_allclose(MODEL.solve(X, start, end, noise), expected, rtol=1e-9)


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
def test_solving_is_a_flow(noise):
    middle = MODEL.solve(X, -3.0, 0.5, noise)
    np.testing.assert_allclose(MODEL.solve(middle, 0.5, 4.0, noise), MODEL.solve(X, -3.0, 4.0, noise), rtol=1e-13)
    np.testing.assert_allclose(MODEL.solve(middle, 0.5, -3.0, noise), X, rtol=1e-13)
    np.testing.assert_allclose(MODEL.solve(X, 1.0, 1.0, noise), X, rtol=1e-13)


def test_noise_becomes_data():
    noise, rng = NoiseSchedule.linear_vp(), np.random.default_rng(0)
    lambda_ = float(noise.lambda_(1.0))
    spread = np.sqrt(np.exp(2 * noise.log_alpha(lambda_)) * VARIANCE + np.exp(2 * noise.log_sigma(lambda_)))
    x = np.exp(noise.log_alpha(lambda_)) * MEAN + spread * rng.normal(size=(200_000, 3))
    data = MODEL.solve(x, lambda_, math.inf, noise)
    np.testing.assert_allclose(data.mean(axis=0), MEAN, atol=0.01)
    np.testing.assert_allclose(data.var(axis=0), VARIANCE, atol=0.02)


def test_the_clean_sample_is_the_limit():
    noise = NoiseSchedule.linear_vp()
    np.testing.assert_allclose(MODEL.solve(X, -1.0, math.inf, noise), MODEL.solve(X, -1.0, 18.0, noise), atol=1e-7)


def test_torch_and_numbers_work_as_arrays_do():
    torch = pytest.importorskip("torch")
    noise, level = NoiseSchedule.cosine(), LEVELS[0]
    tensors = GaussianModel(torch.from_numpy(MEAN), torch.from_numpy(VARIANCE))
    x = torch.from_numpy(X)
    np.testing.assert_allclose(tensors.x0(x, level).numpy(), MODEL.x0(X, level))
    np.testing.assert_allclose(tensors.solve(x, 0.0, 2.0, noise).numpy(), MODEL.solve(X, 0.0, 2.0, noise))
    single = GaussianModel(0.4, 0.3)
    assert single.x0(0.9, level) == pytest.approx(MODEL.x0(X, level)[0])
    assert single.x0(x.float(), level).dtype == torch.float32


@pytest.mark.parametrize("variance", [-0.1, math.inf, math.nan, np.array([1.0, -1.0])])
def test_an_impossible_variance_is_refused(variance):
    with pytest.raises(ArgumentError, match="variance: expected finite values of at least 0"):
        GaussianModel(0.0, variance)


def test_moments_and_samples_of_numbers_and_arrays():
    mean, covariance = GaussianModel(0.5, np.array([1.0, 4.0])).moments()
    assert mean.tolist() == [0.5, 0.5]
    assert covariance.tolist() == [[1.0, 0.0], [0.0, 4.0]]
    assert GaussianModel(0.5, 2.0).moments()[1].tolist() == [[2.0]]
    assert GaussianModel(np.zeros((1, 2, 3)), 1.0).sample(5, np.random.default_rng(0)).shape == (5, 1, 2, 3)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 2.5])
def test_the_spectrum_is_a_power_law(exponent):
    model = GaussianModel.power_law(16, exponent, deviation=0.7)
    spectrum = model.variance.reshape(16, 16)
    assert spectrum.mean() == pytest.approx(0.49)
    np.testing.assert_allclose(spectrum[3, 4] / spectrum[6, 8], 2**exponent)
    np.testing.assert_allclose(spectrum[0, 0], spectrum[0, 1])
    np.testing.assert_allclose(spectrum, spectrum.T)


def test_its_images_have_neighbours_alike():
    from scipy.fft import idctn

    coefficients = GaussianModel.power_law(16, 2.0).sample(2000, np.random.default_rng(0)).reshape(-1, 16, 16)
    images = idctn(coefficients, axes=(1, 2), norm="ortho")
    assert images.std() == pytest.approx(0.5, rel=0.05)
    assert np.corrcoef(images[:, :, :-1].ravel(), images[:, :, 1:].ravel())[0, 1] > 0.7


def test_unusable_spectra_are_refused():
    with pytest.raises(ArgumentError, match="size: expected an integer"):
        GaussianModel.power_law(0)
    with pytest.raises(ArgumentError, match="exponent: expected a number"):
        GaussianModel.power_law(4, -1.0)
