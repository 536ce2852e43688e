"""What any nodes are worth is what the search itself says of them."""

from __future__ import annotations

import numpy as np
import pytest

import hso
from hso.errors import ArgumentError
from hso.explore.scene import Scene
from hso.objectives import Replay
from hso.rules import rule_schedule
from hso.search import Constraints
from hso.solvers import make_solver

from .conftest import NOISE

WHOLE = Constraints()


@pytest.mark.parametrize("solver", ["ddim", "unipc", "heun"])
@pytest.mark.parametrize("model", ["sd2.1", "sd3", "edm-cifar10", "wan2.2"])
@pytest.mark.parametrize("nfe", [5, 9])
def test_the_schedule_that_was_found_has_the_objective_of_the_search(model, solver, nfe):
    scene = Scene(hso.NoiseSchedule.preset(model), nfe, solver, WHOLE, None)
    judged = scene.judged(scene.result.schedule)
    assert judged["objective"] == pytest.approx(scene.result.objective, rel=1e-12)
    assert judged["kept"] is scene.result.feasible
    # t is rounded, so a distance may be too short by 1e-12.
    assert judged["penalty"] <= 1e-24


@pytest.mark.parametrize("solver", ["ddim", "unipc"])
def test_no_nodes_with_the_same_ends_and_the_spacing_are_worth_more_than_the_optimum(solver):
    # Without training timesteps the default is the optimum itself.
    scene = Scene(hso.NoiseSchedule.preset("edm-cifar10"), 5, solver, WHOLE, None)
    best, rng = scene.result.schedule.times, np.random.default_rng(0)
    for _ in range(50):
        times = best.copy()
        times[1:-1] += rng.uniform(-0.03, 0.03, len(best) - 2)
        judged = scene.judged(scene.moved(tuple(times.tolist())))
        assert judged["objective"] > scene.result.objective or not judged["kept"]


def test_nodes_that_are_too_close_are_said_to_be():
    scene = Scene(NOISE, 4, "ddim", Constraints(d_min=0.2), None)
    judged = scene.judged(scene.moved((0.96, 0.95, 0.5, 0.03)))
    assert not judged["kept"]
    assert judged["penalty"] == pytest.approx((judged["d_min"] - 0.01) ** 2)
    assert judged["gaps"] == pytest.approx([0.01, 0.45, 0.47])


def test_a_last_node_below_the_box_costs_no_jump():
    scene = Scene(NOISE, 4, "unipc", WHOLE, None)
    schedule = scene.moved((0.96, 0.7, 0.4, 0.002))
    assert scene.problem.function.costs_jump
    assert scene.judged(schedule)["objective"] == pytest.approx(float(scene.problem.function.value(schedule.knots)))


def test_a_run_that_begins_part_way_begins_there():
    scene = Scene(NOISE, 4, "unipc", Constraints(start=0.6), None)
    assert scene.result.schedule.times[0] == pytest.approx(0.6)
    with pytest.raises(ArgumentError, match="start: expected None, or the time of the first node"):
        scene.moved((0.7, 0.5, 0.4, 0.2))


@pytest.mark.parametrize("times", [(0.5, 0.6, 0.3, 0.1), (0.5, 0.5, 0.3, 0.1)])
def test_nodes_out_of_order_are_refused(times):
    with pytest.raises(ArgumentError, match="lambdas: expected strictly increasing values"):
        Scene(NOISE, 4, "ddim", WHOLE, None).moved(times)


def test_another_number_of_nodes_is_refused():
    with pytest.raises(ArgumentError, match="times: expected 3 of them, one for each node, got"):
        Scene(NOISE, 5, "heun", WHOLE, None).moved((0.9, 0.5))


def test_the_calibration_predicts_each_band(calibration):
    scene = Scene(NOISE, 5, "unipc", WHOLE, calibration)
    schedule = rule_schedule("trailing", NOISE, 5)
    found = Replay(calibration).on(NOISE, make_solver("unipc"), "clean").predict(schedule.knots)
    judged = scene.judged(schedule)
    assert judged["objective"] == pytest.approx(float(found.loss))
    expected = np.sqrt((found.errors + found.doubts) / calibration.powers)
    assert judged["bands"]["with_doubt"] == pytest.approx(expected.tolist())
    assert np.all(np.array(judged["bands"]["errors"]) <= expected)
    total = (found.errors + found.doubts).sum() / calibration.powers.sum()
    assert judged["bands"]["total"] ** 2 == pytest.approx(total)


def test_with_auto_the_best_solver_is_taken(calibration):
    scene = Scene(NOISE, 5, "auto", WHOLE, calibration)
    assert scene.result.message.startswith(f"{scene.result.solver.name}")
    assert scene.judged(scene.result.schedule)["objective"] == pytest.approx(scene.result.objective)


def test_without_a_calibration_no_band_is_predicted():
    scene = Scene(NOISE, 5, "unipc", WHOLE, None)
    assert scene.judged(scene.result.schedule)["bands"] is None
