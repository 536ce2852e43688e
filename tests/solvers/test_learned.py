"""A learned solver is its base and a correction that constant data does not see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hso
from hso.errors import ArgumentError, HSOError
from hso.noise import NoiseSchedule
from hso.rules import rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.search.learned import rows
from hso.solvers import SOLVERS, Learned, coefficients, label_of, made_for, make_solver, sample

NOISE = NoiseSchedule.preset("sd1.5")
CALLS = 5
OFFSETS = rows(np.random.default_rng(0).normal(size=CALLS * (CALLS - 1) // 2))


def schedule_of(name):
    return rule_schedule("uniform_lambda", NOISE, make_solver(name).nodes(CALLS), CLEAN)


def curved(x, node):
    return np.tanh(x) + node.lambda_


@pytest.mark.parametrize("name", [name for name in SOLVERS if name != "dpmpp_2s"])
def test_without_offsets_it_is_the_base(name):
    learned = Learned(name, rows(np.zeros(CALLS * (CALLS - 1) // 2)))
    ran = [
        sample(solver, curved, NOISE, schedule_of(name), np.linspace(-1, 1, 7), prediction="sample")
        for solver in (learned, make_solver(name))
    ]
    np.testing.assert_allclose(*ran, rtol=1e-10)


@pytest.mark.parametrize("name", [name for name in SOLVERS if name != "dpmpp_2s"])
def test_constant_data_is_reached_exactly_whatever_the_offsets(name):
    end = sample(
        Learned(name, OFFSETS), lambda x, node: 0 * x + 3.5, NOISE, schedule_of(name), np.ones(3), prediction="sample"
    )
    np.testing.assert_allclose(end, 3.5, rtol=1e-12)


def test_an_offset_adds_a_difference_of_neighbouring_data():
    schedule = schedule_of("ddim")
    alphas = np.exp(NOISE.log_alpha(schedule.knots))
    plain = coefficients(make_solver("ddim"), NOISE, schedule).outputs
    found = coefficients(Learned("ddim", OFFSETS), NOISE, schedule).outputs - plain
    assert not np.any(found[:2])
    for k, row in enumerate(OFFSETS, start=2):
        alpha = alphas[k] if k < CALLS else 1.0
        expected = np.zeros(CALLS)
        for n, offset in enumerate(row, start=1):
            expected[[n, n - 1]] += alpha * offset, -alpha * offset
        np.testing.assert_allclose(found[k], expected, atol=1e-12)


def test_it_serves_one_number_of_calls():
    learned = Learned("ddim", OFFSETS)
    assert learned.nodes(CALLS) == CALLS
    with pytest.raises(ArgumentError, match="nfe: expected 5"):
        learned.nodes(6)
    with pytest.raises(ArgumentError, match="schedule: expected one with 5 network calls, got 'one with 3'"):
        learned.plan(NOISE, SamplingSchedule.from_timesteps(NOISE, [999, 500, 100]))


@pytest.mark.parametrize("solver", ["unipc:order=2,corrector=false", "dpmpp_3m", "heun"])
def test_a_schedule_says_which_solver_it_is_for(solver):
    made = hso.optimize(NOISE, 5, solver=solver)
    assert made_for(made.schedule) == made.solver == make_solver(solver)


def test_a_learned_solver_survives_the_file_of_its_schedule(tmp_path):
    learned = Learned("unipc:order=2", OFFSETS)
    made = hso.optimize(NOISE, CALLS, solver=learned).schedule
    made.save(tmp_path / "five.json")
    read = SamplingSchedule.load(tmp_path / "five.json")
    assert made_for(read) == learned
    assert label_of(learned) == "learned"


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    name=st.sampled_from(["learned", "unipc", "made up"]) | HOSTILE,
    own=HOSTILE | st.fixed_dictionaries({"base": HOSTILE | st.just("ddim"), "offsets": HOSTILE}),
)
@settings(max_examples=300, deadline=None)
def test_a_hostile_provenance_gives_a_solver_or_one_clear_error(name, own):
    schedule = SamplingSchedule.from_knots(
        NOISE, schedule_of("ddim").knots, CLEAN, {"solver": name, "settings": {"solver": own}}
    )
    problem = ""
    try:
        made_for(schedule).nodes(3)
    except HSOError as error:
        problem = str(error)
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("base", "offsets"),
    [
        ("ddim", [[0.1, 0.2]]),
        ("ddim", [[float("nan")]]),
        ("ddim", [[True]]),
        ("ddim", [["0.1"]]),
        ("ddim", 3),
        ("learned", [[0.1]]),
        (None, [[0.1]]),
        ("ddim", [[0.0]] * 2000),
    ],
)
def test_what_is_no_learned_solver_is_refused(base, offsets):
    with pytest.raises(ArgumentError):
        Learned.restored(base, offsets)
