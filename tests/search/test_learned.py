"""Coefficients that are learned lower the objective, and lower the true error on images that nobody looked at."""

import numpy as np
import pytest

import hso
from hso.calibrate import calibrate
from hso.errors import ArgumentError
from hso.models.mixture import GaussianMixture
from hso.noise import NoiseSchedule
from hso.objectives import Replay
from hso.objectives.base import COMPLEX_STEP
from hso.rules import rule_schedule
from hso.schedule import CLEAN
from hso.search import Learn
from hso.search.learned import rows
from hso.solvers import DDIM, Learned, made_for, sample

NOISE = NoiseSchedule.preset("sd1.5")
MEANS = np.random.default_rng(3).normal(size=(5, 6))
MODEL = GaussianMixture(np.ones(5), MEANS, np.linspace(0.01, 0.1, 5))
SCALE = float(np.hypot(*np.exp([NOISE.log_alpha(NOISE.lambda_(1.0)), NOISE.log_sigma(NOISE.lambda_(1.0))])))


def noise_of(images, seed):
    return SCALE * np.random.default_rng(seed).standard_normal((images, 6))


@pytest.fixture(scope="module")
def calibration():
    return calibrate(MODEL.x0, NOISE, noise_of(48, 0), "sample", points=40)


def true_error(solver, schedule):
    """Root mean square distance to many steps, on fresh noise."""
    fresh = noise_of(500, 1)
    ends = [
        sample(by, MODEL.x0, NOISE, nodes, fresh, prediction="sample")
        for by, nodes in ((solver, schedule), (hso.solvers.UniPC(), rule_schedule("uniform_lambda", NOISE, 200, CLEAN)))
    ]
    return float(np.sqrt(np.mean((ends[0] - ends[1]) ** 2)))


@pytest.mark.parametrize("base", ["ddim", "unipc", "heun"])
def test_derivatives_in_the_coefficients_are_those_of_the_value(calibration, base):
    function = Replay(calibration).on(NOISE, hso.solvers.make_solver(base), CLEAN)
    knots = rule_schedule("uniform_lambda", NOISE, hso.solvers.make_solver(base).nodes(5), CLEAN).knots
    offsets = 0.1 * np.random.default_rng(0).normal(size=10)

    def value(row):
        return float(function.with_solver(Learned(base, rows(row))).value(knots))

    steps = offsets + COMPLEX_STEP * 1j * np.eye(10)
    moved = Learned(base, rows(list(steps.T.reshape(10, -1, 1, 1, 1))))
    found, slopes = function.with_solver(Learned(base, rows(offsets))).by_coefficients(knots, moved)
    differences = [(value(offsets + step) - value(offsets - step)) / 2e-6 for step in 1e-6 * np.eye(10)]
    assert found == pytest.approx(value(offsets), rel=1e-12)
    np.testing.assert_allclose(slopes, differences, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("base", ["ddim", "unipc"])
def test_learned_coefficients_lower_the_true_error_on_fresh_images(calibration, base):
    plain = hso.optimize(NOISE, 6, solver=base, calibration=calibration)
    learned = hso.optimize(NOISE, 6, solver=base, calibration=calibration, strategy="learned")
    assert learned.objective < plain.objective
    assert learned.feasible
    assert made_for(learned.schedule) == learned.solver
    assert true_error(learned.solver, learned.schedule) < 0.9 * true_error(plain.solver, plain.schedule)


def test_the_more_caution_the_nearer_to_the_base(calibration):
    sizes = []
    for caution in (0.001, 0.1, 1e5):
        found = hso.optimize(NOISE, 4, solver="ddim", calibration=calibration, strategy=Learn(caution=caution))
        sizes.append(sum(np.square(np.concatenate(found.solver.offsets))))
    assert sizes[0] > sizes[1] > sizes[2]
    assert sizes[2] < 1e-9


def test_with_one_call_there_is_nothing_to_learn(calibration):
    found = hso.optimize(NOISE, 1, solver="ddim", calibration=calibration, strategy="learned")
    assert found.solver in (DDIM(), Learned("ddim", ()))


def test_without_a_calibration_it_says_what_is_missing():
    with pytest.raises(ArgumentError, match=r"replay for strategy learned.*calibration="):
        hso.optimize(NOISE, 6, solver="ddim", strategy="learned")
