"""PFDiff against its published update, and what its calls buy."""

import math

import numpy as np
import pytest
from tests.solvers.conftest import NOISES

import hso
from hso.models.gaussian import GaussianModel
from hso.schedule import TERMINALS
from hso.solvers import DDIM, PFDiff, coefficients, nodes, sample
from hso.solvers.base import levels

MODEL = GaussianModel(mean=np.array([0.4, -0.7, 1.1]), variance=np.array([0.3, 1.7, 0.8]))
X = np.array([0.9, -1.2, 0.3])


def published(noise, schedule, network):
    """The update as the paper writes it: phi is DDIM's step with a noise that may come from elsewhere."""
    places, told = levels(noise, schedule), nodes(noise, schedule)

    def phi(eps, x, start, end):
        data = (x - start.sigma * eps) / start.alpha
        return end.alpha * data + end.sigma * eps

    def ask(x, i):
        data = network(x, told[i])
        return (x - told[i].alpha * data) / told[i].sigma

    last = len(places) - 1
    buffer = ask(X, 0)
    x, i = phi(buffer, X, places[0], places[1]), 1
    while i < last:
        if i + 1 == last:
            return phi(ask(x, i), x, places[i], places[last])
        springboard = phi(buffer, x, places[i], places[i + 1])
        buffer = ask(springboard, i + 1)
        x, i = phi(buffer, x, places[i], places[i + 2]), i + 2
    return x


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("count", [1, 2, 3, 6, 7, 12, 13])
def test_it_is_the_published_update(make_schedule, terminal, name, count):
    noise = NOISES[name]
    schedule = make_schedule(noise, count, terminal)

    def network(x, node):
        return np.tanh(x) + node.alpha

    found = sample(PFDiff(), network, noise, schedule, X, prediction="sample")
    np.testing.assert_allclose(found, published(noise, schedule, network), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [0]), (2, [0, 1]), (3, [0, 2]), (7, [0, 2, 4, 6]), (6, [0, 2, 4, 5])]
)
def test_every_second_node_is_called(linear, make_schedule, count, expected):
    calls = []
    schedule = make_schedule(linear, count)
    sample(PFDiff(), lambda x, node: calls.append(node.index) or x, linear, schedule, X, prediction="sample")
    assert calls == expected
    assert len(calls) == PFDiff().nfe(count)


@pytest.mark.parametrize("nfe", [1, 4, 10])
def test_calls_and_nodes_agree(nfe):
    assert PFDiff().nfe(PFDiff().nodes(nfe)) == nfe
    assert hso.optimize(NOISES["discrete"], nfe, solver="pfdiff").schedule.nfe == 2 * nfe - 1


@pytest.mark.parametrize("terminal", TERMINALS)
def test_constant_data_is_solved_exactly(noise, make_schedule, terminal):
    schedule = make_schedule(noise, 9, terminal)
    start, *_, end = levels(noise, schedule)
    x = np.array([start.alpha * 0.7 + start.sigma * 1.3])
    found = sample(PFDiff(), lambda x, node: np.full_like(x, 0.7), noise, schedule, x, prediction="sample")
    assert found == pytest.approx(end.alpha * 0.7 + end.sigma * 1.3, rel=1e-10)


def error(solver, noise, calls):
    knots = np.linspace(-1.5, 1.5, solver.nodes(calls) + 1)
    schedule = hso.SamplingSchedule.from_knots(noise, knots, "t_min")
    found = sample(solver, MODEL.x0, noise, schedule, X, prediction="sample")
    return np.abs(found - MODEL.solve(X, knots[0], knots[-1], noise)).max()


def test_a_run_has_order_two(linear):
    errors = [error(PFDiff(), linear, calls) for calls in (40, 80, 160)]
    assert np.log2(errors[0] / errors[2]) / 2 == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("calls", [4, 6, 10])
def test_at_equal_calls_it_errs_less_than_ddim(linear, calls):
    assert error(PFDiff(), linear, calls) < 0.5 * error(DDIM(), linear, calls)


def test_coefficients_are_finite_and_no_state_depends_on_what_comes_later(linear, make_schedule):
    dense = coefficients(PFDiff(), linear, make_schedule(linear, 9))
    assert np.all(np.isfinite(dense.outputs))
    assert np.all(np.triu(dense.outputs) == 0)
    assert math.isclose(dense.state[0], 1.0)
