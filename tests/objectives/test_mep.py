"""MEP, against Eq. 6 and 8 as printed and against high-precision derivatives."""

import itertools

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hso.noise import NoiseSchedule
from hso.objectives.mep import MidpointSum

mp.mp.dps = 50


def as_printed(knots, p):
    """Eq. 8 for a variance-preserving schedule, in 50 digits."""

    def cost(a, b):
        middle = (a + b) / 2
        alpha, sigma = 1 / mp.sqrt(1 + mp.e ** (-2 * middle)), 1 / mp.sqrt(1 + mp.e ** (2 * middle))
        return sigma**p / alpha * (mp.e**b - mp.e**a)

    return mp.fsum(cost(a, b) for a, b in itertools.pairwise(knots))


increasing = st.lists(st.floats(0.05, 3), min_size=1, max_size=6).map(lambda gaps: -6 + np.cumsum([0.0, *gaps]))


@given(increasing, st.sampled_from([0, 1, 2, 3, 1.5]))
def test_it_is_equation_8(knots, p):
    value = MidpointSum(NoiseSchedule.preset("ddpm"), p).value(knots)
    assert float(value) == pytest.approx(float(as_printed([mp.mpf(x) for x in knots], p)), rel=1e-12)


@pytest.mark.parametrize("p", [0, 1, 2, 3])
def test_gradient_and_hessian_agree_with_high_precision_differences(any_noise, p):
    knots = np.array([-4.0, -2.5, -0.75, 0.25, 2.0, 3.25])
    objective = MidpointSum(any_noise, p)
    gradient = objective.gradient(knots)
    diagonal, off = objective.hessian(knots)
    exact = [mp.mpf(x) for x in knots]

    def along(*axes):
        orders = tuple(axes.count(i) for i in range(len(knots)))
        return float(mp.diff(lambda *x: as_printed(x, p), tuple(exact), orders))

    for i in range(len(knots)):
        assert gradient[i] == pytest.approx(along(i), rel=1e-10, abs=1e-12)
        assert diagonal[i] == pytest.approx(along(i, i), rel=1e-10, abs=1e-12)
        if i:
            assert off[i - 1] == pytest.approx(along(i - 1, i), rel=1e-10, abs=1e-12)


def test_its_hessian_couples_neighbours_only(ddpm):
    assert float(mp.diff(lambda *x: as_printed(x, 2), (-3, -1, 0, 2), (1, 0, 1, 0))) == pytest.approx(0, abs=1e-20)


def test_leading_axes_are_a_batch(sd):
    knots = np.sort(np.random.default_rng(0).uniform(-4, 4, (3, 5, 7)))
    objective = MidpointSum(sd)
    assert objective.value(knots).shape == (3, 5)
    assert objective.gradient(knots).shape == (3, 5, 7)
    assert np.array_equal(objective.value(knots)[1, 2], objective.value(knots[1, 2]))


def test_p_one_is_least_for_uniform_lambda(sd):
    uniform = np.linspace(-2.5, 3.5, 7)
    gradient = MidpointSum(sd, 1).gradient(uniform)
    assert np.abs(gradient[1:-1]).max() < 1e-13


def test_the_local_error_of_lemma_1_has_order_three():
    """Eq. 6 with f = cos: the integral of e^x cos(x) is e^x (sin x + cos x) / 2."""

    def error(h):
        a, b = mp.mpf("0.3"), mp.mpf("0.3") + h
        exact = (mp.e**b * (mp.sin(b) + mp.cos(b)) - mp.e**a * (mp.sin(a) + mp.cos(a))) / 2
        return abs(exact - mp.cos((a + b) / 2) * (mp.e**b - mp.e**a))

    steps = [mp.mpf(2) ** -k for k in range(4, 12)]
    orders = [float(mp.log(error(h) / error(h / 2), 2)) for h in steps]
    assert orders[-1] == pytest.approx(3, abs=0.01)


def test_many_knots_have_the_density_of_the_continuous_limit(ddpm):
    """For p = 2 and many knots the density is sigma (1 + 3 alpha^2)^(1/3) in lambda."""
    from hso.search.newton import minimize_interior

    first, last = ddpm.lambda_([0.96, 0.03])
    knots, _ = minimize_interior(MidpointSum(ddpm), np.linspace(first, last, 2001)[None])
    gaps, middle = np.diff(knots[0]), (knots[0, 1:] + knots[0, :-1]) / 2
    alpha_squared = 1 / (1 + np.exp(-2 * middle))
    density = np.sqrt(1 - alpha_squared) * (1 + 3 * alpha_squared) ** (1 / 3)
    product = gaps * density
    assert np.abs(product / product.mean() - 1).max() < 1e-3
