"""A batch of schedules is planned at once, and differentiated by the complex step."""

import mpmath
import numpy as np
import pytest

from hso.noise import NoiseSchedule
from hso.schedule import CLEAN, T_MIN, TERMINALS, SamplingSchedule
from hso.solvers import DDIM, DEIS, SOLVERS, Level, UniPC, make_solver
from hso.solvers.base import CLEAN_LEVEL, batched_levels
from hso.solvers.exponential import falling_moments, growing_moments, interpolation_weights

STEP = 1e-30
ALL = [*(make_solver(name) for name in SOLVERS), UniPC(2, "bh1"), UniPC(3, corrector=False), DEIS(3), DDIM(0.5)]


def random_knots(noise, count, size, seed=0):
    low, high = noise.lambda_(noise.t_range[::-1])
    return np.sort(np.random.default_rng(seed).uniform(low, high, (size, count)), axis=1)


def flat(plan):
    """All coefficients of a plan, those of a batch along the last axis."""
    made = [made for step in plan for made in (step.anchor, step.update) if made is not None]
    return [np.asarray(value) for one in made for value in (one.state, *one.outputs, one.noise)]


def stacked(plan, size):
    return np.stack([np.broadcast_to(values, size) for values in flat(plan)])


@pytest.mark.parametrize("solver", ALL, ids=repr)
@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("count", [2, 7, 17])
def test_the_plan_of_a_batch_is_the_plans_of_its_schedules(noise, solver, terminal, count):
    knots = random_knots(noise, count, 6)
    together = stacked(solver.steps(batched_levels(noise, knots, terminal)), len(knots))
    for row, one in enumerate(knots):
        alone = flat(solver.plan(noise, SamplingSchedule.from_knots(noise, one, terminal)))
        np.testing.assert_allclose(together[:, row], alone, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("solver", ALL, ids=repr)
@pytest.mark.parametrize("terminal", TERMINALS)
def test_the_complex_step_differentiates_a_plan(noise, solver, terminal):
    knots = random_knots(noise, 6, 4, seed=1)
    direction = np.random.default_rng(2).normal(size=6)

    def coefficients(shift):
        return stacked(solver.steps(batched_levels(noise, knots + shift * direction, terminal)), len(knots))

    h = 1e-4
    differences = (8 * (coefficients(h) - coefficients(-h)) - coefficients(2 * h) + coefficients(-2 * h)) / (12 * h)
    derivative = coefficients(STEP * 1j).imag / STEP
    # Nodes of a random schedule may lie close together, where the coefficients and their derivatives are large.
    np.testing.assert_allclose(derivative, differences, rtol=1e-6, atol=1e-6 * (1 + np.abs(derivative).max()))


KERNELS = {
    growing_moments: (lambda u, h: mpmath.exp((u - 1) * h), lambda u: u - 1),
    falling_moments: (lambda u, h: mpmath.exp(-u * h), lambda u: -u),
}


@pytest.mark.parametrize("h", [1e-9, 1e-3, 0.3, 0.4999, 0.5, 2.0, 7.0])
@pytest.mark.parametrize("moments", KERNELS)
def test_moments_have_the_derivatives_of_fifty_digits(h, moments):
    kernel, slope = KERNELS[moments]
    for k, value in enumerate(moments(np.array([h + STEP * 1j]), 4)):
        with mpmath.workdps(50):
            exact = mpmath.quad(lambda u, k=k: slope(u) * kernel(u, mpmath.mpf(h)) * u**k, [0, 0.5, 1])
        assert value.imag[0] / STEP == pytest.approx(float(exact), rel=1e-12)


def test_weights_of_interpolation_solve_the_vandermonde_system():
    rng = np.random.default_rng(3)
    places = np.sort(rng.uniform(-2, 1, (5, 4)), axis=1)[:, ::-1]
    points = [Level(places[:, k], 1.0, 1.0) for k in range(4)]
    moments = list(rng.normal(size=(4, 5)))
    weights = np.array(interpolation_weights(Level(0.0, 1.0, 1.0), Level(1.0, 1.0, 1.0), points, moments))
    for k in range(4):
        np.testing.assert_allclose((weights.T * places**k).sum(axis=1), moments[k], rtol=1e-9, atol=1e-9)


def test_only_the_clean_sample_is_clean():
    noise = NoiseSchedule.preset("sd2.1")
    knots = random_knots(noise, 3, 2)
    assert CLEAN_LEVEL.is_clean
    assert [level.is_clean for level in batched_levels(noise, knots, CLEAN)] == [False] * 3 + [True]
    assert not any(level.is_clean for level in batched_levels(noise, knots.astype(complex), T_MIN))
