"""A network that is told other levels lowers the objective, within what was measured of it."""

import numpy as np
import pytest

import hso
from hso.calibrate import calibrate
from hso.errors import ArgumentError
from hso.models.gaussian import GaussianModel
from hso.models.mixture import GaussianMixture
from hso.noise import NoiseSchedule
from hso.rules import rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.search import Tell
from hso.search.told import ranges
from hso.solvers import Learned, made_for, sample

NOISE = NoiseSchedule.preset("sd1.5")
MEANS = np.random.default_rng(3).normal(size=(5, 6))
MODEL = GaussianMixture(np.ones(5), MEANS, np.linspace(0.01, 0.1, 5))
SCALE = float(np.hypot(NOISE.alpha_t(1.0), NOISE.sigma_t(1.0)))


def noise_of(images, seed):
    return SCALE * np.random.default_rng(seed).standard_normal((images, 6))


@pytest.fixture(scope="module")
def calibration():
    return calibrate(MODEL.x0, NOISE, noise_of(48, 0), "sample", points=40, tells=True)


def true_error(model, result):
    """Root mean square distance to many steps, on fresh noise."""
    fresh = noise_of(500, 1)
    begin = (
        fresh * np.hypot(*np.exp([f(result.schedule.lambdas[0]) for f in (NOISE.log_alpha, NOISE.log_sigma)])) / SCALE
    )
    end = sample(result.solver, model.x0, NOISE, result.schedule, begin, prediction="sample")
    fine = rule_schedule("uniform_lambda", NOISE, 200, CLEAN)
    other = sample(hso.solvers.UniPC(), model.x0, NOISE, fine, fresh, prediction="sample")
    return float(np.sqrt(np.mean((end - other) ** 2)))


@pytest.mark.parametrize("solver", ["ddim", "dpmpp_2m", "heun"])
@pytest.mark.parametrize("terminal", ["clean", "t_min"])
def test_the_objective_is_never_larger_than_that_of_the_nodes(calibration, solver, terminal):
    plain, told = (
        hso.optimize(NOISE, 5, solver=solver, strategy=name, calibration=calibration, terminal=terminal)
        for name in ("free", "told")
    )
    assert told.objective <= plain.objective
    np.testing.assert_array_equal(told.schedule.lambdas, plain.schedule.lambdas)
    assert "the network is told other levels" in told.message


@pytest.mark.parametrize("nfe", [4, 8])
def test_where_the_linear_student_is_right_shifts_lower_the_true_error(nfe):
    model = GaussianModel(0.3, np.linspace(0.01, 1.0, 6))
    known = calibrate(model.x0, NOISE, noise_of(48, 0), "sample", points=40, tells=True)
    plain, told = (
        hso.optimize(NOISE, nfe, solver="ddim", strategy=name, calibration=known) for name in ("free", "told")
    )
    assert true_error(model, told) < 0.95 * true_error(model, plain)


def test_told_levels_are_in_order_and_in_reach(calibration):
    for nfe in (2, 5, 9):
        schedule = hso.optimize(NOISE, nfe, strategy="told", calibration=calibration).schedule
        shifts = NOISE.lambda_(schedule.told_times) - schedule.lambdas
        low, high = ranges(NOISE, schedule.lambdas)
        assert np.all((shifts >= low - 1e-6) & (shifts <= high + 1e-6))
        assert np.all(np.diff(schedule.told_times) < 0)
        np.testing.assert_allclose(schedule.network_timesteps, NOISE.timestep_of_time(schedule.told_times))


def test_coefficients_may_be_learned_first(calibration):
    plain, both = (
        hso.optimize(NOISE, 4, solver="ddim", strategy=name, calibration=calibration)
        for name in ("learned", "told:first=learned")
    )
    assert isinstance(both.solver, Learned)
    assert made_for(both.schedule) == both.solver == plain.solver
    assert both.objective <= plain.objective


def test_a_file_keeps_what_the_network_is_told(calibration, tmp_path):
    schedule = hso.optimize(NOISE, 5, strategy="told", calibration=calibration).schedule
    schedule.save(tmp_path / "told.json")
    found = SamplingSchedule.load(tmp_path / "told.json")
    assert found == schedule
    np.testing.assert_array_equal(found.told_times, schedule.told_times)
    plain = SamplingSchedule.from_knots(NOISE, schedule.knots, CLEAN)
    assert plain != schedule
    assert plain.telling(NOISE, plain.times) == plain


def test_misuse_is_named(calibration):
    plain = calibrate(MODEL.x0, NOISE, noise_of(16, 0), "sample", points=20)
    with pytest.raises(
        ArgumentError, match=r"calibration: expected one whose network was told other levels.*tells=True"
    ):
        hso.optimize(NOISE, 4, strategy="told", calibration=plain)
    with pytest.raises(ArgumentError, match="objective: expected replay for strategy told"):
        hso.optimize(NOISE, 4, strategy="told")
    with pytest.raises(ArgumentError, match="first: expected one of free, learned, got 'exact'"):
        Tell("exact")
    schedule = SamplingSchedule.from_timesteps(NOISE, [999, 499])
    with pytest.raises(ArgumentError, match="told_times: expected strictly decreasing values"):
        schedule.telling(NOISE, [0.4, 0.5])
    with pytest.raises(ArgumentError, match="told_times: expected 2 values"):
        schedule.telling(NOISE, [0.4])
    with pytest.raises(ArgumentError, match="noise: expected the noise schedule of this schedule"):
        schedule.telling(NoiseSchedule.preset("sd3"), [0.9, 0.4])
