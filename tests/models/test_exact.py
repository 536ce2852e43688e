"""What holds for every exact-score model, whatever its data."""

import math

import numpy as np
import pytest

from hso.errors import ArgumentError
from hso.models import exact
from hso.models.empirical import EmpiricalModel
from hso.models.exact import Scales, scales_at
from hso.models.gaussian import GaussianModel
from hso.models.mixture import GaussianMixture, Guided
from hso.noise import NoiseSchedule
from hso.rules import Span, rule_schedule
from hso.solvers import make_solver, sample

LEVELS = [Scales(0.8, 0.6), Scales(0.3, 0.7), Scales(1.0, 20.0), Scales(0.999, 0.05)]
NOISES = [NoiseSchedule.linear_vp(), NoiseSchedule.cosine(), NoiseSchedule.edm(), NoiseSchedule.rectified_flow()]


def spread(seed, count, size):
    """Random covariances, from round to elongated."""
    factors = np.random.default_rng(seed).normal(size=(count, size, size))
    return 0.05 * np.eye(size) + 0.1 * factors @ factors.swapaxes(1, 2)


MEANS = np.array([[1.0, 0.0, -0.5], [-1.0, 0.5, 0.0], [0.0, -1.0, 1.0]])
MIXTURE = GaussianMixture([0.5, 0.3, 0.2], MEANS, spread(0, 3, 3))
MODELS = {
    "gaussian": GaussianModel(np.array([0.4, -0.7, 1.1]), np.array([0.3, 1.7, 0.01])),
    "mixture": MIXTURE,
    "empirical": EmpiricalModel(np.random.default_rng(1).normal(size=(12, 3))),
    "guided": Guided(MIXTURE.given([0]), MIXTURE, 3.0),
}
STATED = {name: model for name, model in MODELS.items() if name != "guided"}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


@pytest.fixture(params=STATED)
def stated(request):
    return STATED[request.param]


@pytest.mark.parametrize("level", LEVELS)
def test_x_is_made_of_data_and_noise(model, level):
    x = np.random.default_rng(2).normal(size=(2, 5, 3))
    made = level.alpha * model.x0(x, level) + level.sigma * model.eps(x, level)
    np.testing.assert_allclose(made, x, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("level", LEVELS)
def test_velocities_follow_from_data_and_noise(model, level):
    x = np.random.default_rng(3).normal(size=(5, 3))
    data, z = model.x0(x, level), model.eps(x, level)
    np.testing.assert_allclose(model.flow(x, level), z - data)
    angle = math.atan2(level.sigma, level.alpha)
    np.testing.assert_allclose(model.v(x, level), math.cos(angle) * z - math.sin(angle) * data)


def test_data_is_the_posterior_mean(stated):
    rng, level, count = np.random.default_rng(4), Scales(0.8, 0.6), 200_000
    data = stated.sample(count, rng)
    x = level.alpha * data + level.sigma * rng.standard_normal(data.shape)
    error = data - stated.x0(x, level)
    # What is left is uncorrelated with every function of x, and that characterizes the mean.
    for function in (np.ones_like(x), x, np.sin(3 * x), x**2):
        product = error * function
        assert np.all(np.abs(product.mean(axis=0)) < 5 * product.std(axis=0) / count**0.5)


def test_moments_are_those_of_the_data(stated):
    count = 200_000
    data = stated.sample(count, np.random.default_rng(5))
    mean, covariance = stated.moments()
    assert np.all(np.abs(data.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(covariance) / count))
    products = np.einsum("bi,bj->bij", data - mean, data - mean)
    assert np.all(np.abs(products.mean(axis=0) - covariance) < 5 * products.std(axis=0) / count**0.5)
    assert stated.scale == pytest.approx(math.sqrt(np.trace(covariance) / 3))


def test_noisy_states_have_the_moments_of_the_path(stated):
    level, count = Scales(0.6, 1.3), 200_000
    x = stated.noisy(count, level, np.random.default_rng(6))
    mean, covariance = stated.moments()
    expected = level.alpha**2 * covariance + level.sigma**2 * np.eye(3)
    assert np.all(np.abs(x.mean(axis=0) - level.alpha * mean) < 5 * np.sqrt(np.diag(expected) / count))
    assert np.cov(x, rowvar=False) == pytest.approx(expected, abs=5 * 2 * expected.max() / count**0.5)


def test_the_same_seed_gives_the_same_data(stated):
    first, second = (stated.noisy(7, LEVELS[0], np.random.default_rng(0)) for _ in range(2))
    assert first.shape == (7, 3)
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
def test_solving_is_a_flow_on_every_path(model, noise):
    x = 0.8 * np.random.default_rng(7).normal(size=(4, 3))
    middle = model.solve(x, -1.5, 0.5, noise)
    end = model.solve(x, -1.5, 3.0, noise)
    np.testing.assert_allclose(model.solve(middle, 0.5, 3.0, noise), end, rtol=0, atol=1e-8)
    np.testing.assert_allclose(model.solve(middle, 0.5, -1.5, noise), x, rtol=0, atol=1e-8)
    np.testing.assert_allclose(model.solve(x, 1.0, 1.0, noise), x, rtol=1e-13)


def test_the_path_is_only_a_scaling(model):
    z = np.random.default_rng(8).normal(size=(4, 3))
    first, *others = (
        model.solve(z * scales_at(-1.0, noise).alpha, -1.0, 2.0, noise) / scales_at(2.0, noise).alpha
        for noise in NOISES
    )
    for other in others:
        np.testing.assert_allclose(other, first, rtol=0, atol=1e-9)


def test_the_clean_sample_is_the_limit(model):
    noise = NoiseSchedule.linear_vp()
    x = np.random.default_rng(9).normal(size=(4, 3))
    clean = model.solve(x, -1.0, math.inf, noise)
    np.testing.assert_allclose(clean, model.solve(x, -1.0, 16.0, noise), rtol=0, atol=1e-6)
    assert clean.shape == x.shape


def test_the_solution_does_not_depend_on_its_tolerance(model, monkeypatch):
    noise = NoiseSchedule.linear_vp()
    x = 5 * np.random.default_rng(10).normal(size=(8, 3))
    usual = model.solve(x, -3.0, math.inf, noise)
    monkeypatch.setattr(exact, "TOLERANCE", 1e-13)
    np.testing.assert_allclose(model.solve(x, -3.0, math.inf, noise), usual, rtol=0, atol=3e-8)


@pytest.mark.parametrize(("solver", "order"), [("ddim", 1), ("dpmpp_2m", 2)])
def test_solvers_converge_to_the_solution(model, solver, order):
    noise, span = NoiseSchedule.linear_vp(), Span(t_max=0.8, t_min=0.05)
    errors = []
    for steps in (80, 160, 320):
        schedule = rule_schedule("uniform_lambda", noise, steps, "t_min", span)
        x = np.random.default_rng(11).normal(size=(6, 3))
        found = sample(make_solver(solver), model.x0, noise, schedule, x, prediction="sample")
        solution = model.solve(x, float(schedule.lambdas[0]), schedule.terminal, noise)
        errors.append(np.abs(found - solution).max())
    measured = -np.diff(np.log2(errors))
    assert measured[-1] == pytest.approx(order, abs=0.35)


def test_every_prediction_gives_the_same_samples(model):
    noise = NoiseSchedule.linear_vp()
    schedule = rule_schedule("edm", noise, 6, "t_min")
    x = np.random.default_rng(12).normal(size=(6, 3))
    predictions = {"sample": model.x0, "epsilon": model.eps, "v_prediction": model.v, "flow_prediction": model.flow}
    first, *others = (
        sample(make_solver("unipc"), predict, noise, schedule, x, prediction=name)
        for name, predict in predictions.items()
    )
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["mixture", "empirical"])
def test_memory_does_not_grow_with_the_batch(name, monkeypatch):
    model = MODELS[name]
    x = np.random.default_rng(13).normal(size=(1000, 3))
    whole = model.x0(x, LEVELS[0])
    monkeypatch.setattr(exact, "BLOCK", 100)
    np.testing.assert_allclose(model.x0(x, LEVELS[0]), whole, rtol=1e-12)


@pytest.mark.parametrize("name", ["mixture", "empirical"])
def test_impossible_states_are_refused(name):
    model, noise = MODELS[name], NoiseSchedule.linear_vp()
    with pytest.raises(ArgumentError, match=r"x: expected a last axis of length 3, got .*\(4, 2\)"):
        model.x0(np.zeros((4, 2)), LEVELS[0])
    with pytest.raises(ArgumentError, match="x: expected finite values"):
        model.solve(np.full((4, 3), math.nan), -1.0, 1.0, noise)
    with pytest.raises(ArgumentError, match="count: expected an integer from 1"):
        model.noisy(0, LEVELS[0], np.random.default_rng(0))


def test_importing_the_models_imports_no_torch():
    import subprocess
    import sys

    code = (
        "import sys, hso.models.gaussian, hso.models.mixture, hso.models.empirical, hso.models.datasets;"
        "sys.exit(bool({'torch', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
