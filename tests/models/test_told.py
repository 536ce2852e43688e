"""What a network says if it is told another level is recorded, and Gaussian data say what it must be."""

import dataclasses

import numpy as np
import pytest

import hso
from hso.calibrate import calibrate
from hso.errors import ArgumentError, FileError
from hso.models.gaussian import GaussianModel
from hso.models.recording import Plan, record
from hso.models.told import REACH, ToldLevels
from hso.models.wiener import wiener
from hso.noise import NoiseSchedule
from hso.solvers import PREDICTIONS, nodes
from hso.solvers.prediction import to_data

NOISE = NoiseSchedule.preset("sd1.5")
SCALE = float(np.hypot(NOISE.alpha_t(1.0), NOISE.sigma_t(1.0)))
MODEL = GaussianModel(0.0, np.linspace(0.01, 1.0, 12))


def network(prediction):
    def predict(x, node):
        a, b = PREDICTIONS[prediction](node.alpha, node.sigma)
        return (MODEL.x0(x, node) - a * x) / b

    return predict


def states(count=16):
    return SCALE * np.random.default_rng(0).standard_normal((count, 12))


def node_at(lambda_):
    return nodes(NOISE, hso.SamplingSchedule.from_knots(NOISE, [lambda_], "clean"))[0]


@pytest.fixture(scope="module")
def calibration():
    return calibrate(network("epsilon"), NOISE, states(), points=20, tells=True)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_gain_of_a_network_that_is_told_another_level_is_that_of_gaussian_data(prediction):
    told = ToldLevels.among(prediction, np.linspace(-2.0, 3.0, 20))
    for level, shift in ((-1.0, 0.4), (0.3, -0.5), (2.0, 0.1)):
        here, x = node_at(level), np.full((1, 12), 0.7)
        outputs = (network(prediction)(one * x, node_at(level + shift)) for one in (1.0, 2.0))
        one, two = (
            to_data(prediction, out, k * x, here.alpha, here.sigma) for k, out in zip((1, 2), outputs, strict=True)
        )
        slope = (two - one)[0] / (0.7 / here.alpha)
        place = np.array(level)
        place = np.array(level)
        gains = wiener(MODEL.variance, place) + told.gains(NOISE, MODEL.variance, place, np.array(shift))
        np.testing.assert_allclose(gains, slope, rtol=1e-10)


def test_changes_that_are_quadratic_in_the_shift_are_exact():
    told = ToldLevels.among("sample", np.linspace(-2.0, 3.0, 30))
    slope, bend = np.random.default_rng(1).normal(size=(2, len(told.lambdas)))
    changes = slope[:, None] * told.shifts + bend[:, None] * told.shifts**2
    u = np.concatenate((np.full(5, np.nan), changes.ravel()))
    rows = told.rows(5, len(u))[..., 5:]
    np.testing.assert_allclose(rows @ u[5:], np.stack((slope, bend), axis=1), rtol=1e-9)


def test_told_levels_stay_in_the_range_of_the_teacher():
    points = np.linspace(-2.0, 3.0, 30)
    told = ToldLevels.among("sample", points)
    levels = told.lambdas[:, None] + told.shifts
    assert levels.min() >= points[0]
    assert levels.max() <= points[-1]
    assert set(told.lambdas) <= set(points)
    assert np.abs(told.shifts).max() == REACH


def test_it_records_what_the_network_says():
    plan = Plan(NOISE, "epsilon", 12, tells=True)
    calls = []

    def watched(x, node):
        calls.append(node)
        return network("epsilon")(x, node)

    found = record(plan, watched, states(9))
    assert len(calls) == plan.calls
    assert len(found.changes) == plan.told.count
    # At the noisiest level the teacher's state is the first one.
    shift = plan.told.shifts[0, 0]
    here, other = node_at(plan.told.lambdas[0]), node_at(plan.told.lambdas[0] + shift)
    data = to_data("epsilon", network("epsilon")(states(9), other), states(9), here.alpha, here.sigma)
    np.testing.assert_allclose(found.changes[0], data - found.data[0], atol=1e-10)


def test_a_file_keeps_told_levels(calibration, tmp_path):
    calibration.save(tmp_path / "told.npz")
    found = hso.Calibration.load(tmp_path / "told.npz")
    assert calibration.calls == 16 * (20 + 15 + 28)
    assert found.told.prediction == "epsilon"
    np.testing.assert_array_equal(found.told.shifts, calibration.told.shifts)
    np.testing.assert_array_equal(found.grams, calibration.grams)


def test_what_is_recorded_without_told_levels_does_not_change(calibration):
    plain = calibrate(network("epsilon"), NOISE, states(), points=20)
    count = plain.recorded
    np.testing.assert_array_equal(plain.grams, calibration.grams[:, :count, :count])
    assert plain.convergence == pytest.approx(calibration.convergence, rel=1e-6)


def test_damage_is_named(calibration, tmp_path):
    short = dataclasses.replace(
        calibration.told, lambdas=calibration.told.lambdas[1:], shifts=calibration.told.shifts[1:]
    )
    with pytest.raises(ArgumentError, match="states: expected"):
        dataclasses.replace(calibration, told=short)
    for shifts in ([[0.1, 0.1]] * 2, [[0.0, 0.1]] * 2, [[0.1, 9.0]] * 2, [[0.1]] * 2):
        with pytest.raises(ArgumentError, match=r"told.shifts: expected two different values"):
            ToldLevels("epsilon", np.array([0.0, 1.0]), np.array(shifts))
    with pytest.raises(ArgumentError, match=r"told.lambdas: expected at least 2 strictly increasing"):
        ToldLevels("epsilon", np.array([1.0, 0.0]), np.array([[0.1, 0.2]] * 2))
    calibration.save(tmp_path / "told.npz")
    with np.load(tmp_path / "told.npz") as archive:
        arrays = {name: archive[name] for name in archive if name != "told.shifts"}
    np.savez(tmp_path / "cut.npz", **arrays)
    with pytest.raises(FileError, match=r"told.shifts: missing"):
        hso.Calibration.load(tmp_path / "cut.npz")
