"""The surrogate is the true loss where schedules were run."""

import numpy as np
import pytest

from hso.noise import NoiseSchedule
from hso.objectives import SmoothFunction
from hso.tuning.surrogate import Surrogate

NOISE = NoiseSchedule.preset("sd1.5")
CENTRE = np.array([-2.0, -1.0, 0.5, 2.0])


class Bowl(SmoothFunction):
    noise = NOISE

    def value(self, knots):
        return np.square(knots - CENTRE).sum(axis=-1)

    def gradient(self, knots):
        return 2 * (knots - CENTRE)


def true(knots):
    return 2 * np.square(knots - CENTRE - 0.1).sum(axis=-1) + 0.3 * np.sin(knots[..., 0])


def run(count):
    rng = np.random.default_rng(0)
    return np.concatenate((CENTRE[None], CENTRE + 0.3 * rng.standard_normal((count, 4))))


def surrogate(count, beta=0.0):
    knots = run(count)
    return Surrogate(Bowl(), NOISE, knots, true(knots), 1.0, beta)


def test_it_is_the_true_loss_at_what_was_run():
    made = surrogate(8)
    np.testing.assert_allclose(made.value(run(8)), true(run(8)), atol=1e-3)
    assert made.expected(CENTRE) == pytest.approx(true(CENTRE), abs=1e-3)


def test_more_runs_tell_more():
    tried = CENTRE + 0.2 * np.random.default_rng(1).standard_normal((50, 4))
    wrong = [np.abs(surrogate(count).value(tried) - true(tried)).mean() for count in (0, 10, 40)]
    assert wrong[1] < 0.5 * wrong[0]
    assert wrong[2] < 0.5 * wrong[1]


def test_beta_favours_what_is_not_known():
    bold, plain = surrogate(5, beta=1.0), surrogate(5)
    tried = np.stack((CENTRE, CENTRE + 0.5))
    favour = plain.value(tried) - bold.value(tried)
    assert 0 <= favour[0] < 0.05 * favour[1]


def test_its_gradient_is_that_of_its_value():
    made = surrogate(6, beta=0.7)
    tried = CENTRE + 0.2 * np.random.default_rng(2).standard_normal((3, 4))
    steps = 1e-6 * np.eye(4)[:, None]
    slope = ((made.value((tried + steps).reshape(-1, 4)) - made.value((tried - steps).reshape(-1, 4))) / 2e-6).reshape(
        4, 3
    )
    np.testing.assert_allclose(made.gradient(tried), slope.T, rtol=1e-4, atol=1e-6)
