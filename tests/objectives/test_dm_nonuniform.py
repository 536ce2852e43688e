"""The DM-NonUniform bound, against quadrature and the optima it is known for."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hso import optimize
from hso.objectives.dm_nonuniform import ErrorBound, lagrange_weights
from hso.solvers.exponential import phi

mp.mp.dps = 30


@pytest.mark.parametrize("k", [0, 1, 2])
@pytest.mark.parametrize("h", [0.0, 1e-12, -1e-3, 0.3, 0.4999, 0.5001, 2.0, 9.0])
def test_phi_is_its_integral(k, h):
    exact = mp.quad(lambda s: s**k * mp.e ** (s * mp.mpf(h)), [0, 1]) / mp.factorial(k)
    assert float(phi(k, np.array(h))) == pytest.approx(float(exact), rel=4e-15)


@given(st.integers(1, 3), st.lists(st.floats(0.01, 2.5), min_size=3, max_size=3))
def test_weights_integrate_the_lagrange_basis(order, gaps):
    knots = np.cumsum([-1.5, *gaps])[3 - order :]
    nodes, end = knots[:order], knots[order]
    weights = lagrange_weights(nodes, np.array(end))
    for n in range(order):

        def basis(x, n=n):
            return mp.fprod((x - nodes[m]) / (nodes[n] - nodes[m]) for m in range(order) if m != n)

        exact = mp.quad(lambda x, basis=basis: mp.e**x * basis(x), [nodes[-1], end])
        assert weights[n] == pytest.approx(float(exact), rel=1e-11, abs=1e-13)


@given(st.integers(1, 10), st.randoms(use_true_random=False))
def test_the_gradient_agrees_with_differences(intervals, random):
    from hso.noise import NoiseSchedule

    knots = np.cumsum([-4.0, *(random.uniform(0.3, 1.2) for _ in range(intervals))])
    objective = ErrorBound(NoiseSchedule.preset("sd2.1"))
    gradient = objective.gradient(knots)
    step = 1e-6
    for i in range(len(knots)):
        up, down = (objective.value(knots + d * np.eye(len(knots))[i]) for d in (step, -step))
        assert gradient[i] == pytest.approx(float(up - down) / (2 * step), rel=1e-6, abs=1e-5)


@pytest.mark.parametrize(
    ("nfe", "timesteps"),
    [(4, [1000, 577, 314, 99, 1]), (5, [1000, 602, 376, 208, 80, 1])],
)
def test_the_known_optima_of_stable_diffusion_are_found(sd, nfe, timesteps):
    result = optimize(sd, nfe, solver="unipc", objective="dm_nonuniform", strategy="local", terminal="t_min")
    times = [*result.schedule.times, result.schedule.terminal_time]
    assert np.round(1000 * np.array(times)).tolist() == timesteps


def test_six_intervals_reach_at_least_the_known_optimum(sd):
    """From six intervals on the bound has kinks near its minimum, where finite differences stop early."""
    known = sd.lambda_(np.array([1000, 665, 439, 311, 179, 63, 1]) / 1000)
    result = optimize(sd, 6, solver="unipc", objective="dm_nonuniform", strategy="local", terminal="t_min")
    assert result.objective <= float(ErrorBound(sd).value(known))


def test_leading_axes_are_a_batch(sd):
    knots = np.sort(np.random.default_rng(0).uniform(-2.5, 4, (3, 5, 7)))
    objective = ErrorBound(sd)
    assert objective.value(knots).shape == (3, 5)
    assert np.allclose(objective.gradient(knots)[2, 1], objective.gradient(knots[2, 1]))
