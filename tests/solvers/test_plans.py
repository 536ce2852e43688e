"""What every plan of coefficients satisfies."""

import math
from functools import partial

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hso.errors import ArgumentError
from hso.noise import NoiseSchedule
from hso.rules import rule_schedule
from hso.schedule import TERMINALS, SamplingSchedule
from hso.solvers import (
    DDIM,
    DEIS,
    SOLVERS,
    DPMSolverPP,
    Heun,
    UniPC,
    coefficients,
    make_solver,
    nodes,
    sample,
)
from hso.solvers.base import levels
from hso.solvers.exponential import falling_moments, growing_moments

gaps = st.lists(st.floats(0.1, 1.0), min_size=2, max_size=21)


@settings(max_examples=10, deadline=None)
@given(gaps=gaps, ends=st.tuples(st.floats(-3, 3), st.floats(-3, 3)), terminal=st.sampled_from(TERMINALS))
def test_constant_data_is_solved_exactly(noise, solver, gaps, ends, terminal):
    data, z = ends
    low, high = noise.lambda_(noise.t_range[::-1])
    knots = low + (high - low) * (np.cumsum(gaps) - gaps[0]) / sum(gaps)
    schedule = SamplingSchedule.from_knots(noise, knots, terminal)
    start, *_, end = levels(noise, schedule)
    x = np.array([start.alpha * data + start.sigma * z])
    found = sample(solver, lambda x, node: np.full_like(x, data), noise, schedule, x, prediction="sample")
    assert found == pytest.approx(end.alpha * data + end.sigma * z, rel=1e-10, abs=1e-10)


def test_there_is_one_entry_for_each_network_call(noise, solver, terminal, make_schedule):
    for nfe in (1, 2, 3, 4, 15, 20):
        schedule = make_schedule(noise, nfe, terminal)
        calls = [step.node for step in solver.plan(noise, schedule)]
        assert len(calls) == solver.nfe(schedule.nfe)
        assert sorted(set(calls)) == list(range(nfe))


def test_only_heun_calls_the_network_more_often_than_there_are_nodes(solver, discrete, make_schedule):
    expected = 13 if isinstance(solver, Heun) else 7
    assert solver.nfe(7) == expected
    assert solver.nodes(expected) == 7


def test_coefficients_are_finite_python_floats(noise, solver, terminal, make_schedule):
    for step in solver.plan(noise, make_schedule(noise, 9, terminal)):
        for made in filter(None, (step.anchor, step.update)):
            values = (made.state, *made.outputs, made.noise)
            assert all(type(value) is float and math.isfinite(value) for value in values)


def test_the_clean_sample_is_the_last_data(noise, solver, make_schedule):
    seen = []
    found = sample(
        solver,
        lambda x, node: np.tanh(x),
        noise,
        make_schedule(noise, 6),
        np.array([0.3, -1.0]),
        callback=lambda node, x, data: seen.append(data),
    )
    np.testing.assert_allclose(found, seen[-1], rtol=1e-12)


def test_the_end_is_lowered_as_diffusers_does(discrete, make_schedule):
    def used(solver, nfe, terminal):
        return [len(step.update.outputs) for step in solver.plan(discrete, make_schedule(discrete, nfe, terminal))]

    for terminal in ("clean", "t_min"):
        assert used(UniPC(3), 6, terminal) == [1, 2, 3, 3, 2, 1]
        assert used(DPMSolverPP(3), 6, terminal) == [1, 2, 3, 3, 2, 1]
        assert used(DEIS(2), 4, terminal) == [1, 2, 2, 1]
    assert used(UniPC(3), 15, "t_min")[-2:] == [2, 1]
    assert used(DPMSolverPP(3), 15, "t_min")[-2:] == [3, 3]
    assert used(DPMSolverPP(3), 15, "clean")[-2:] == [3, 1]


@pytest.mark.parametrize("make", [partial(UniPC, 3), partial(DPMSolverPP, 3), partial(DEIS, 3)])
def test_the_end_has_full_order_where_it_is_asked_for(discrete, make_schedule, make):
    def used(terminal):
        plan = make(lower_order_final=False).plan(discrete, make_schedule(discrete, 6, terminal))
        return [len(step.update.outputs) for step in plan]

    assert used("clean") == [1, 2, 3, 3, 3, 1]
    assert used("t_min") == [1, 2, 3, 3, 3, 3]


def test_dense_coefficients_reproduce_every_state(noise, solver, terminal, make_schedule):
    schedule = make_schedule(noise, 8, terminal)
    x, states, data = np.random.default_rng(0).normal(size=5), [], []

    def model(x, node):
        states.append(x)
        data.append(np.sin(3 * x) + node.alpha)
        return data[-1]

    states.append(sample(solver, model, noise, schedule, x, prediction="sample"))
    dense = coefficients(solver, noise, schedule)
    np.testing.assert_allclose(np.outer(dense.state, x) + dense.outputs @ data, states, rtol=1e-10, atol=1e-10)


def test_no_state_depends_on_what_comes_later(solver, discrete, make_schedule):
    dense = coefficients(solver, discrete, make_schedule(discrete, 8))
    assert np.all(np.triu(dense.outputs) == 0)


def test_first_order_methods_are_one_method(noise, terminal, make_schedule):
    schedule = make_schedule(noise, 7, terminal)
    plan = DDIM().plan(noise, schedule)
    assert plan == DPMSolverPP(1).plan(noise, schedule) == UniPC(1, corrector=False).plan(noise, schedule)
    np.testing.assert_allclose(
        coefficients(DEIS(1), noise, schedule).outputs, coefficients(DDIM(), noise, schedule).outputs, atol=1e-12
    )


def test_the_predictor_of_unipc_2_is_dpm_solver_2m(noise, make_schedule):
    schedule = make_schedule(noise, 7)
    assert UniPC(2, corrector=False).plan(noise, schedule) == DPMSolverPP(2).plan(noise, schedule)


@given(eta=st.floats(0, 1), nfe=st.integers(1, 10), terminal=st.sampled_from(TERMINALS))
@settings(max_examples=20, deadline=None)
def test_noise_of_ddim_keeps_the_variance_of_the_path(noise, eta, nfe, terminal):
    schedule = rule_schedule("uniform_lambda", noise, nfe, terminal)
    places = levels(noise, schedule)
    for step, start, end in zip(DDIM(eta).plan(noise, schedule), places, places[1:], strict=False):
        assert math.hypot(step.update.state * start.sigma, step.update.noise) == pytest.approx(end.sigma, rel=1e-12)


@pytest.mark.parametrize("h", [1e-9, 1e-5, 1e-2, 0.4999, 0.5, 1.0, 7.0, 25.0])
def test_moments_are_accurate_for_steps_of_any_size(h):
    for k, (growing, falling) in enumerate(zip(growing_moments(h, 4), falling_moments(h, 4), strict=True)):
        with mpmath.workdps(40):
            exact_growing = mpmath.quad(lambda u, k=k: mpmath.exp((u - 1) * h) * u**k, [0, 0.5, 1])
            exact_falling = mpmath.quad(lambda u, k=k: mpmath.exp(-u * h) * u**k, [0, 0.5, 1])
        assert growing == pytest.approx(float(exact_growing), rel=1e-13)
        assert falling == pytest.approx(float(exact_falling), rel=1e-13)


def test_weights_stay_accurate_as_the_step_vanishes(linear):
    # To first order in h all coefficients are those of the Adams methods, times h and alpha.
    h = 1e-7
    schedule = SamplingSchedule.from_knots(linear, h * np.arange(9), "t_min")
    middle, alpha = UniPC(3).plan(linear, schedule)[4], levels(linear, schedule)[4].alpha
    np.testing.assert_allclose(np.divide(middle.update.outputs, h * alpha), np.array([23, -16, 5]) / 12, rtol=1e-6)
    np.testing.assert_allclose(np.divide(middle.anchor.outputs, h * alpha), np.array([9, 19, -5, 1]) / 24, rtol=1e-6)


def test_every_registered_solver_samples(discrete, make_schedule):
    schedule = make_schedule(discrete, 5)
    for name in SOLVERS:
        solver = make_solver(name)
        assert solver.name == name
        assert solver.order in (1, 2, 3)
        assert np.isfinite(sample(solver, lambda x, node: np.cos(x), discrete, schedule, np.ones(3))).all()


def test_an_unknown_solver_is_refused_with_a_suggestion():
    with pytest.raises(ArgumentError, match="did you mean 'unipc'"):
        make_solver("uni_pc")


@pytest.mark.parametrize(
    "make",
    [
        lambda: DDIM(eta=1.5),
        lambda: DDIM(eta=-0.1),
        lambda: UniPC(order=4),
        lambda: UniPC(order=0),
        lambda: UniPC(variant="bh3"),
        lambda: DPMSolverPP(order=2.0),
        lambda: DEIS(order=5),
        lambda: DEIS(lower_order_final=1),
        lambda: DPMSolverPP(lower_order_final="false"),
        lambda: UniPC(corrector=0),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(ArgumentError):
        make()


def test_settings_are_frozen_and_compare_by_value():
    assert UniPC(2) == UniPC(order=2)
    assert len({UniPC(), UniPC(), DDIM()}) == 2


def test_a_schedule_for_another_model_is_refused(discrete, linear, make_schedule):
    schedule = make_schedule(linear, 5)
    for act in (
        lambda: UniPC().plan(discrete, schedule),
        lambda: coefficients(UniPC(), discrete, schedule),
        lambda: nodes(discrete, schedule),
    ):
        with pytest.raises(ArgumentError, match=r"made for sd2\.1, got .*linear_vp"):
            act()


def test_nodes_know_where_they_are(discrete):
    schedule = SamplingSchedule.from_timesteps(discrete, [999, 500.5, 20])
    places = nodes(discrete, schedule)
    assert [node.timestep for node in places] == pytest.approx([999, 500.5, 20])
    assert [node.index for node in places] == [0, 1, 2]
    for node in places:
        assert node.alpha / node.sigma == pytest.approx(math.exp(node.lambda_))
        assert node.alpha == pytest.approx(float(discrete.alpha_t(node.t)))


def test_nodes_have_no_timestep_where_the_model_has_none():
    noise = NoiseSchedule.linear_vp(train_steps=None)
    assert nodes(noise, rule_schedule("uniform_t", noise, 3))[0].timestep is None
