"""The linearized student against the truth: on Gaussian data it is the student."""

import numpy as np
import pytest

from hso.calibrate import calibrate
from hso.errors import ArgumentError
from hso.models.bands import Linear
from hso.models.gains import Gains
from hso.models.gaussian import GaussianModel
from hso.models.mixture import GaussianMixture
from hso.noise import NoiseSchedule
from hso.objectives.replay import Replay, ReplayFunction
from hso.objectives.student import Student
from hso.schedule import CLEAN, T_MIN, TERMINALS, SamplingSchedule
from hso.solvers import DDIM, PREDICTIONS, SOLVERS, coefficients, make_solver, sample

NOISE = NoiseSchedule.preset("sd1.5")
MODEL = GaussianModel.power_law(4)
VARIANCES, BAND = np.unique(MODEL.variance, return_inverse=True)
BANDS = Linear(np.eye(16), BAND)
EPSILON = np.random.default_rng(0).standard_normal((24, 16))
SOLVER_NAMES = list(SOLVERS)


def scale(lambda_):
    return float(np.hypot(np.exp(NOISE.log_alpha(lambda_)), np.exp(NOISE.log_sigma(lambda_))))


NOISIEST = float(NOISE.lambda_(NOISE.t_range[1]))


def counted(model):
    """The model, and a list that grows by one with each call."""
    calls = []

    def network(x, node):
        calls.append(len(x))
        return model.x0(x, node)

    return network, calls


@pytest.fixture(scope="module")
def calibration():
    return calibrate(MODEL.x0, NOISE, EPSILON * scale(NOISIEST), "sample", points=60, bands=BANDS)


def exact_function(calibration, solver, terminal, begins="noise"):
    """The objective with the gains of the model itself, not with those of its few images."""

    gains = Gains(calibration, "prior")
    gains.variances = VARIANCES
    settings = Replay(calibration, doubt=0.0, begins=begins)
    return ReplayFunction(settings, Student(calibration, NOISE, solver, terminal, gains, begins))


def on_points(calibration, count, seed):
    """Random knots among the starts and the teacher's points, where nothing is interpolated."""
    rng = np.random.default_rng(seed)
    first = rng.choice(calibration.start_lambdas[:4])
    chosen = rng.choice(np.flatnonzero(calibration.lambdas > first + 0.05), count - 1, replace=False)
    return np.concatenate(([first], calibration.lambdas[np.sort(chosen)]))


def teacher_end(calibration):
    schedule = SamplingSchedule.from_knots(NOISE, calibration.lambdas, CLEAN)
    x = EPSILON * scale(NOISIEST)
    return sample(make_solver("dpmpp_2m"), MODEL.x0, NOISE, schedule, x, prediction="sample")


@pytest.mark.parametrize("name", SOLVER_NAMES)
@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("seed", range(3))
def test_on_gaussian_data_the_replay_is_the_student(calibration, name, terminal, seed):
    solver = make_solver(name)
    knots = on_points(calibration, 6, seed)
    schedule = SamplingSchedule.from_knots(NOISE, knots, terminal)
    end = sample(solver, MODEL.x0, NOISE, schedule, EPSILON * scale(knots[0]), prediction="sample")
    reference = teacher_end(calibration)
    found = exact_function(calibration, solver, terminal).predict(knots)
    assert found.error == pytest.approx(np.sqrt(np.mean((end - reference) ** 2)), rel=1e-8)
    for band in range(len(VARIANCES)):
        of_end, of_reference = end[:, band == BAND], reference[:, band == BAND]
        assert found.powers[band] == pytest.approx(of_end.var(axis=0).sum(), rel=1e-8)
        assert found.errors[band] == pytest.approx(((of_end - of_reference) ** 2).sum(axis=1).mean(), rel=1e-8)
        shift = of_end.mean(axis=0) - of_reference.mean(axis=0)
        assert found.shifts[band] == pytest.approx((shift**2).sum(), rel=1e-8)


@pytest.mark.parametrize("name", SOLVER_NAMES)
def test_a_student_that_starts_part_way_begins_at_the_state_of_the_teacher(calibration, name):
    knots = calibration.lambdas[[3, 14, 25, 38, 55]]
    point = int(np.searchsorted(calibration.lambdas, knots[0]))
    schedule = SamplingSchedule.from_knots(NOISE, calibration.lambdas, CLEAN)
    dense = coefficients(make_solver("dpmpp_2m"), NOISE, schedule)
    data, x = [], EPSILON * scale(NOISIEST)
    sample(
        make_solver("dpmpp_2m"),
        MODEL.x0,
        NOISE,
        schedule,
        x,
        prediction="sample",
        callback=lambda *a: data.append(a[2]),
    )
    state = dense.state[point] * x + np.tensordot(dense.outputs[point], data, axes=1)
    student = SamplingSchedule.from_knots(NOISE, knots, CLEAN)
    end = sample(make_solver(name), MODEL.x0, NOISE, student, state, prediction="sample")
    found = exact_function(calibration, make_solver(name), CLEAN, "state").predict(knots)
    assert found.error == pytest.approx(np.sqrt(np.mean((end - data[-1]) ** 2)), rel=1e-8)


def test_between_the_points_the_error_of_interpolation_falls_with_the_third_power_at_least(calibration):
    knots = np.sort(np.random.default_rng(5).uniform(*calibration.lambdas[[0, -1]], (20, 5)), axis=1)
    knots[:, 0] = calibration.lambdas[0]
    errors = []
    for points in (20, 40, 80):
        found = calibrate(MODEL.x0, NOISE, EPSILON * scale(NOISIEST), "sample", points=points, bands=BANDS)
        reference = teacher_end(found)
        predicted = exact_function(found, make_solver("dpmpp_2m"), CLEAN).predict(knots).error
        true = []
        for one in knots:
            schedule = SamplingSchedule.from_knots(NOISE, one, CLEAN)
            x = EPSILON * scale(one[0])
            end = sample(make_solver("dpmpp_2m"), MODEL.x0, NOISE, schedule, x, prediction="sample")
            true.append(np.sqrt(np.mean((end - reference) ** 2)))
        errors.append(np.abs(predicted / true - 1).max())
    assert errors[0] < 0.002
    assert errors[1] < errors[0] / 8
    assert errors[2] < errors[1] / 8


@pytest.mark.parametrize("name", SOLVER_NAMES)
@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("begins", ["noise", "state"])
def test_the_gradient_is_that_of_the_value(calibration, name, terminal, begins):
    # Halfway between points, so that no difference reaches over a seam of the splines.
    middles = (calibration.lambdas[1:] + calibration.lambdas[:-1]) / 2
    later = np.stack(
        [middles[np.sort(np.random.default_rng(seed).choice(range(1, 59), 5, replace=False))] for seed in range(3)]
    )
    knots = np.column_stack(([-2.6, -2.62, -2.61], later))
    function = Replay(calibration, gains="prior", begins=begins).on(NOISE, make_solver(name), terminal)
    value, gradient = function.value_and_gradient(knots)
    np.testing.assert_allclose(value, function.value(knots), rtol=1e-14)
    h, found = 2e-3, np.zeros_like(knots)
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}  # central differences of order 8
    for k, unit in enumerate(np.eye(6)):
        for j, weight in weights.items():
            found[:, k] += weight * (function.value(knots + j * h * unit) - function.value(knots - j * h * unit)) / h
    np.testing.assert_allclose(gradient, found, rtol=1e-8, atol=1e-9 * np.abs(gradient).max())


def test_judging_calls_no_network():
    network, calls = counted(MODEL)
    found = calibrate(network, NOISE, EPSILON * scale(NOISIEST), "sample", points=20, bands=BANDS)
    assert sum(calls) == found.calls == 24 * 35
    function = Replay(found).on(NOISE, make_solver("unipc"), CLEAN)
    function.value_and_gradient(np.linspace(-2.0, 3.0, 5))
    function.left_out(np.linspace(-2.0, 3.0, 5))
    assert sum(calls) == found.calls


@pytest.mark.parametrize("size", [0.3, 20.0])
def test_turning_and_scaling_the_images_changes_nothing(size):
    rng = np.random.default_rng(3)
    factor = rng.normal(size=(3, 6, 6)) * 2.0 ** -np.arange(6)
    model = GaussianMixture([0.5, 0.3, 0.2], rng.normal(size=(3, 6)), factor @ factor.swapaxes(1, 2) + 0.01 * np.eye(6))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    x = rng.standard_normal((30, 6))

    def turned(state, node):
        level = node._replace(sigma=node.sigma / size)
        return size * model.x0(state @ turn.T / size, level) @ turn

    values = []
    for network, factor_, states in ((model.x0, 1.0, x), (turned, size, x @ turn)):
        noise = NoiseSchedule.edm(0.01 * factor_, 20 * factor_, 0.5 * factor_)
        start = states * float(np.hypot(1.0, 20 * factor_))
        # Both begin with noise of the same size in the units of their images, as image-to-image does.
        start *= float(np.hypot(1.0, 20.0)) * factor_ / float(np.hypot(1.0, 20 * factor_))
        found = calibrate(network, noise, start, "sample", points=30)
        function = Replay(found, begins="state").on(noise, make_solver("unipc"), CLEAN)
        values.append(function.value(np.linspace(-2.5, 4.0, 5) - np.log(factor_)))
    assert values[1] == pytest.approx(values[0], rel=1e-8)


def test_leaving_out_images_moves_the_value_about_its_mean(calibration):
    function = Replay(calibration).on(NOISE, make_solver("ddim"), CLEAN)
    knots = np.linspace(-2.0, 3.0, 5)
    parts = function.left_out(np.stack([knots, knots + 0.1]))
    assert parts.shape == (8, 2)
    np.testing.assert_allclose(parts.mean(axis=0), function.value(np.stack([knots, knots + 0.1])), rtol=0.05)
    assert np.all(parts.std(axis=0) > 0)


def test_what_does_not_fit_is_refused(calibration):
    with pytest.raises(ArgumentError, match=r"made for sd1\.5"):
        Replay(calibration).on(NoiseSchedule.linear_vp(), make_solver("ddim"), CLEAN)
    with pytest.raises(ArgumentError, match="deterministic"):
        Replay(calibration).on(NOISE, DDIM(eta=1.0), T_MIN).value(np.linspace(-2.0, 3.0, 5))
    with pytest.raises(ArgumentError, match="which the calibration covers"):
        Replay(calibration).on(NOISE, DDIM(), CLEAN).value(np.linspace(-4.0, 3.0, 5))
    for wrong in ({"kappa": -1.0}, {"gains": "best"}, {"begins": "data"}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            Replay(calibration, **wrong)


@pytest.mark.parametrize("prediction", ["sample", "epsilon", "v_prediction"])
@pytest.mark.parametrize("name", ["ddim", "unipc", "heun"])
def test_a_student_whose_network_is_told_other_levels_is_nearly_the_student(prediction, name):
    def model(x, node):
        a, b = PREDICTIONS[prediction](node.alpha, node.sigma)
        return (MODEL.x0(x, node) - a * x) / b

    found = calibrate(model, NOISE, EPSILON * scale(NOISIEST), prediction, points=60, bands=BANDS, tells=True)
    knots, solver = found.lambdas[[0, 14, 25, 38, 55]], make_solver(name)
    schedule, function = SamplingSchedule.from_knots(NOISE, knots, CLEAN), exact_function(found, solver, CLEAN)
    for size in (0.0, 0.1, 0.4):
        shifts = size * np.array([1.0, -1.0, 1.0, -1.0, -0.9])
        told = schedule.telling(NOISE, NOISE.time(knots + shifts))
        end = sample(solver, model, NOISE, told, EPSILON * scale(knots[0]), prediction=prediction)
        true = np.sqrt(np.mean((end - teacher_end(found)) ** 2))
        # Between levels and shifts that were recorded, splines and parabolas are not exact.
        assert function.telling(shifts).predict(knots).error == pytest.approx(true, rel=0.03 if size else 1e-6)


@pytest.mark.parametrize("name", ["ddim", "unipc", "heun"])
@pytest.mark.parametrize("begins", ["noise", "state"])
def test_derivatives_of_told_levels_are_those_of_the_value(name, begins):
    found = calibrate(MODEL.x0, NOISE, EPSILON * scale(NOISIEST), "sample", points=40, bands=BANDS, tells=True)
    function = exact_function(found, make_solver(name), CLEAN, begins)
    knots, shifts = (
        (found.lambdas[1:] + found.lambdas[:-1])[[0, 9, 17, 25, 34]] / 2,
        np.array([0.1, -0.2, 0.1, 0.3, -0.1]),
    )
    told, steps = function.telling(shifts), 1e-5 * np.eye(5)
    value, by_shifts = function.by_shifts(knots, shifts)
    assert value == pytest.approx(float(told.value(knots)), rel=1e-12)
    differences = [
        float(function.telling(shifts + one).value(knots) - function.telling(shifts - one).value(knots)) / 2e-5
        for one in steps
    ]
    np.testing.assert_allclose(by_shifts, differences, rtol=1e-6, atol=1e-8)
    by_knots = [float(told.value(knots + one) - told.value(knots - one)) / 2e-5 for one in steps]
    np.testing.assert_allclose(told.gradient(knots), by_knots, rtol=1e-6, atol=1e-8)
