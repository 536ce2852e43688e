"""Gains describe how a network answers: exactly for Gaussian data, and between prior and measurement by rule."""

import dataclasses

import numpy as np
import pytest

from hso.calibrate import calibrate
from hso.models.bands import Linear
from hso.models.gains import EXCESS, Gains, wiener
from hso.models.gaussian import GaussianModel
from hso.models.recording import Trials
from hso.noise import NoiseSchedule

NOISE = NoiseSchedule.preset("sd1.5")
VARIANCES = np.array([1.0, 0.1, 0.01])
MODEL = GaussianModel(np.zeros(12), np.repeat(VARIANCES, 4))
BANDS = Linear(np.eye(12), np.repeat([0, 1, 2], 4))
LAMBDAS = np.linspace(-2.5, 3.0, 12)


@pytest.fixture(scope="module")
def calibration():
    scale = float(np.hypot(NOISE.alpha_t(1.0), NOISE.sigma_t(1.0)))
    x = np.random.default_rng(0).standard_normal((400, 12)) * scale
    return calibrate(MODEL.x0, NOISE, x, "sample", points=80, bands=BANDS)


def with_trials(calibration, gains, rest):
    """The calibration if the network had answered with these gains, and with a rest that is orthogonal to the question."""
    lengths = np.ones_like(calibration.trials.lengths)
    answers = gains**2 * lengths + rest
    return dataclasses.replace(calibration, trials=Trials(gains * lengths, lengths, answers, calibration.trials.errors))


def test_the_gain_of_gaussian_data_is_that_of_the_wiener_filter(calibration):
    exact = wiener(VARIANCES, calibration.trial_lambdas)
    cross, lengths, answers, _ = calibration.trials
    np.testing.assert_allclose(cross / lengths, exact, rtol=2e-3)
    np.testing.assert_allclose(answers, exact**2 * lengths, rtol=4e-3)
    np.testing.assert_allclose(Gains(calibration, "prior")(LAMBDAS), wiener(VARIANCES, LAMBDAS), atol=0.05)


def test_gaussian_data_leave_nearly_nothing_unexplained(calibration):
    assert Gains(calibration, "measured").rests(LAMBDAS).max() < 1e-5


@pytest.mark.parametrize("rule", EXCESS)
def test_rules_lie_where_they_say(calibration, rule):
    prior = wiener(calibration.variances, calibration.trial_lambdas)
    higher, lower = with_trials(calibration, prior + 0.2, 0.0), with_trials(calibration, prior - 0.2, 0.0)
    added = {"prior": (0.0, 0.0), "measured": (0.2, -0.2), "larger": (0.2, 0.0), "between": (0.1, 0.0)}[rule]
    for found, excess in zip((higher, lower), added, strict=True):
        np.testing.assert_allclose(Gains(found, rule)(LAMBDAS) - wiener(found.variances, LAMBDAS), excess, atol=1e-9)


def test_what_a_gain_leaves_unexplained_is_its_own_error_and_the_rest(calibration):
    prior = wiener(calibration.variances, calibration.trial_lambdas)
    found = with_trials(calibration, prior - 0.2, 0.05)
    # Of three bands with questions of length 1 each, the answer of one is relative to all three.
    np.testing.assert_allclose(Gains(found, "measured").rests(LAMBDAS), 0.05 / 3, rtol=1e-9)
    np.testing.assert_allclose(Gains(found, "prior").rests(LAMBDAS), (0.05 + 0.2**2) / 3, rtol=1e-9)


@pytest.mark.parametrize("rule", EXCESS)
def test_gains_and_rests_have_derivatives_by_the_complex_step(calibration, rule):
    gains = Gains(calibration, rule)
    for function in (gains, gains.rests):
        found = function(LAMBDAS + 1e-30j).imag / 1e-30
        differences = (function(LAMBDAS + 1e-5) - function(LAMBDAS - 1e-5)) / 2e-5
        np.testing.assert_allclose(found, differences, rtol=1e-6, atol=1e-8)
