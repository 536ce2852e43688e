"""OSS: the student that its recursion keeps is the one that the network runs, and the best one where errors add up."""

import itertools

import numpy as np
import pytest

import hso
from hso.errors import ArgumentError
from hso.models.gaussian import GaussianModel
from hso.models.mixture import GaussianMixture
from hso.models.teacher import Teacher
from hso.objectives import GITS, MEP, OSS
from hso.search import Box, Constraints
from hso.solvers import DDIM, sample

NOISE = hso.NoiseSchedule.preset("sd1.5")
POINTS = 9
WIDE = GaussianModel(np.zeros(1), np.full(1, 9.0))
MIXTURE = GaussianMixture([2, 1], [[-1.0, 0.5], [0.8, 0.0]], [[0.01, 0.3], [0.2, 0.05]])


def unit(count, size, seed=0):
    return np.random.default_rng(seed).standard_normal((count, size))


def teacher(model=WIDE, size=1, images=5, points=POINTS):
    return Teacher(model, NOISE, unit(images, size), points=points, solver="ddim")


def found(given, nfe, **options):
    return hso.optimize(NOISE, nfe, solver="ddim", objective=OSS(given), **options)


def subsets(given, nfe, ends=None):
    """Every schedule of so many of the teacher's points in the search's ranges, with its error."""
    function = OSS(given).on(NOISE, DDIM(), "clean")
    low, high = OSS(given).ends(NOISE)
    for chosen in itertools.combinations(given.trajectory.lambdas, nfe):
        times = NOISE.time(np.array(chosen))
        if low[0] - 1e-9 <= times[-1] <= low[1] and high[0] <= times[0] <= high[1] + 1e-9:
            yield np.array(chosen), float(function.value(np.array(chosen)))


@pytest.mark.parametrize("nfe", [2, 3, 4])
def test_it_is_the_best_of_all_subsets_where_an_error_only_grows(nfe):
    """Euler's steps on a Gaussian wider than the noise always end too narrow, so that a nearer state ends nearer."""
    given = teacher()
    knots, error = min(subsets(given, nfe), key=lambda pair: pair[1])
    result = found(given, nfe)
    np.testing.assert_allclose(result.schedule.lambdas, knots, rtol=1e-12)
    assert result.objective == pytest.approx(error, rel=1e-12)


def test_the_states_that_it_keeps_are_those_that_a_run_visits():
    """With one image the path is that of the image, and its last state is where the network's own run ends."""
    from hso.objectives.oss import StudentError
    from hso.optimize import Request
    from hso.search.stepwise import Stepwise, _Recursion

    given = teacher(MIXTURE, 2, images=1, points=20)
    request = Request(NOISE, 4, DDIM(), Stepwise(), OSS(given))
    problem = request.problem()
    assert isinstance(problem.function, StudentError)
    recursion = _Recursion(problem, problem.function)
    lambdas = given.trajectory.lambdas[recursion.paths()[:, 0]]
    states = problem.function.noise_at(given.trajectory.lambdas)
    for here, there in itertools.pairwise(recursion.layers):
        states, _ = recursion._step(states, here, there)
    # Run to the last node, and compare with the state that the recursion kept there.
    schedule = hso.SamplingSchedule.from_knots(NOISE, lambdas, "t_min")
    x = unit(1, 2) * float(np.hypot(*np.exp([NOISE.log_alpha(lambdas[0]), NOISE.log_sigma(lambdas[0])])))
    end = sample(DDIM(), MIXTURE.x0, NOISE, schedule, x, prediction="sample")
    last = recursion.paths()[-1, 0]
    np.testing.assert_allclose(states[last] * np.exp(NOISE.log_alpha(lambdas[-1])), end, rtol=1e-9)


def test_the_error_of_a_student_is_what_sampling_gives():
    given = teacher(MIXTURE, 2, images=6, points=30)
    knots = NOISE.lambda_(np.array([1.0, 0.6, 0.2]))
    schedule = hso.SamplingSchedule.from_knots(NOISE, knots, "clean")
    end = sample(DDIM(), MIXTURE.x0, NOISE, schedule, unit(6, 2), prediction="sample")
    expected = np.mean((end - given.trajectory.end) ** 2)
    assert float(OSS(given).on(NOISE, DDIM(), "clean").value(knots)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
def test_it_beats_equal_steps_on_a_mixture(terminal):
    given = teacher(MIXTURE, 2, images=32, points=60)
    function = OSS(given).on(NOISE, DDIM(), terminal)
    result = found(given, 5, terminal=terminal)
    trailing = hso.rules.rule_schedule("trailing", NOISE, 5, terminal)
    assert result.objective < 0.6 * float(function.value(trailing.knots))
    assert result.schedule.nfe == 5


def test_calls_are_those_of_the_teacher_and_one_for_each_point_and_step_at_most():
    calls = []

    def network(x, node):
        calls.append(len(x))
        return WIDE.x0(x, node)

    given = Teacher(network, NOISE, unit(5, 1), prediction="sample", points=POINTS, solver="ddim")
    result = found(given, 3)
    assert sum(calls) == 5 * POINTS + result.evaluations + 3 * 5
    assert result.evaluations <= 5 * 3 * POINTS


def test_windows_and_distances_are_kept():
    given = teacher(points=30)
    box = Box(t_min=(0.0, 0.05), t_max=(0.9, 0.97))
    result = found(given, 4, constraints=Constraints(box=box, d_min=0.2))
    times = result.schedule.times
    assert 0.9 <= times[0] <= 0.97
    assert times[-1] <= 0.05
    assert np.all(-np.diff(times) >= 0.2 - 1e-9)


def test_misuse_is_named():
    with pytest.raises(ArgumentError, match="nfe: expected fewer nodes than the teacher's 9 points"):
        found(teacher(), 10)
    with pytest.raises(ArgumentError, match="oss for strategy stepwise"):
        hso.optimize(NOISE, 4, objective=MEP(), strategy="stepwise")
    with pytest.raises(ArgumentError, match="edge cost for strategy exact"):
        hso.optimize(NOISE, 4, objective=OSS(teacher()), strategy="exact")
    with pytest.raises(ArgumentError, match="oss for strategy stepwise"):
        hso.optimize(NOISE, 4, objective=GITS(teacher()), strategy="stepwise")
