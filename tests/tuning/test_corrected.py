"""A corrected student is the true one where it was run."""

import numpy as np
import pytest

from hso.models.recording import Trial
from hso.objectives import Replay
from hso.rules import rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.solvers import make_solver
from hso.tuning.corrected import corrected
from hso.tuning.losses import BandLoss
from tests.tuning.helpers import BANDS, NOISE, measured, panel

# Heun asks twice at one node, and one curve cannot go through two residuals.
SOLVERS = ["ddim", "unipc", "dpmpp_2m", "dpmpp_3m", "dpmpp_2s", "deis", "euler"]
KAPPA = 0.3


@pytest.fixture(scope="module")
def calibration():
    return measured()


def made(calibration, solver, schedule, gains="prior"):
    """The panel, what was run, and the objective that is corrected by it."""
    images, trial = panel(), Trial(make_solver(solver), schedule)
    found = images.rollout(trial, "a student")
    known = images.recorded.calibration(calibration)
    levels = images.setting.levels(trial)
    goal = Replay(corrected(known, images.recorded, found.misses, levels, gains), kappa=KAPPA, doubt=0.0, gains=gains)
    return images, found, goal.on(NOISE, trial.solver, CLEAN)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("gains", ["prior", "measured"])
def test_the_corrected_prediction_is_the_true_loss_at_the_schedule_that_was_run(calibration, solver, gains):
    schedule = rule_schedule("trailing", NOISE, 4)
    images, found, function = made(calibration, solver, schedule, gains)
    true = BandLoss(BANDS, KAPPA).of(found.ends, images.teacher())
    assert function.value(schedule.knots) == pytest.approx(true, rel=1e-8)
    errors = found.ends.errors.sum(axis=0) / images.images.count
    np.testing.assert_allclose(function.predict(schedule.knots).errors, errors, rtol=1e-7)
    plain = Replay(images.recorded.calibration(calibration), kappa=KAPPA, doubt=0.0).on(
        NOISE, make_solver(solver), CLEAN
    )
    assert abs(plain.value(schedule.knots) / true - 1) > 1e-3


def test_it_holds_for_a_run_that_begins_late(calibration):
    schedule = SamplingSchedule.from_times(NOISE, [0.9, 0.5, 0.2, 0.05])
    images, found, function = made(calibration, "unipc", schedule)
    true = BandLoss(BANDS, KAPPA).of(found.ends, images.teacher())
    assert function.value(schedule.knots) == pytest.approx(true, rel=1e-8)


@pytest.mark.parametrize("solver", ["dpmpp_2m", "unipc"])
def test_near_the_schedule_it_foretells_better_than_the_plain_replay(calibration, solver):
    schedule = rule_schedule("trailing", NOISE, 4)
    images, _, function = made(calibration, solver, schedule, "measured")
    known = images.recorded.calibration(calibration)
    plain = Replay(known, kappa=KAPPA, doubt=0.0).on(NOISE, make_solver(solver), CLEAN)
    wrong = []
    for change in 0.1 * np.random.default_rng(0).standard_normal((8, 4)) * [0, 1, 1, 1]:
        moved = SamplingSchedule.from_knots(NOISE, schedule.knots + change, CLEAN)
        true = BandLoss(BANDS, KAPPA).of(
            images.rollout(Trial(make_solver(solver), moved), "a student").ends, images.teacher()
        )
        wrong.append([abs(true - float(one.value(moved.knots))) for one in (function, plain)])
    corrected_error, plain_error = np.mean(wrong, axis=0)
    assert corrected_error < plain_error / 3


def test_its_gradient_is_that_of_its_value(calibration):
    schedule = rule_schedule("trailing", NOISE, 4)
    function = made(calibration, "unipc", schedule)[2]
    # Away from the nodes, where the curve has no kink of its second derivative.
    knots = schedule.knots + np.array([0.1, 0.11, -0.07, 0.05])
    steps = 1e-5 * np.eye(4)
    slope = (function.value(knots + steps) - function.value(knots - steps)) / 2e-5
    np.testing.assert_allclose(function.gradient(knots), slope, rtol=1e-5, atol=1e-9)


def test_one_node_has_nothing_to_correct_but_its_own_call(calibration):
    schedule = SamplingSchedule.from_times(NOISE, [0.95])
    images, found, function = made(calibration, "ddim", schedule)
    true = BandLoss(BANDS, KAPPA).of(found.ends, images.teacher())
    assert function.value(schedule.knots) == pytest.approx(true, rel=1e-8)
