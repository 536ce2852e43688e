"""What was prepared is kept with its cost, and is judged on images of its own."""

import numpy as np
import pytest
from benchmarks.prepared import Workshop, figure, judged, row_of

import hso


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Workshop("gaussian", tmp_path_factory.mktemp("runs"), points=16, images=24, runs=1)


def test_what_a_contestant_calls_is_counted_and_kept(shop, monkeypatch):
    made = shop.of_contestant("gits", "ddim", 4)
    # A teacher of 61 points on 64 images.
    assert made.cost.calls == 61 * 64
    assert made.cost.seconds > 0
    monkeypatch.setattr("benchmarks.prepared.CONTESTANTS", {})
    assert shop.of_contestant("gits", "ddim", 4) == made


def test_what_is_found_from_a_calibration_costs_the_calibration_too(shop):
    known, cost = shop.calibration()
    made = shop.calibrated("unipc", 4)
    assert made.cost.calls == cost.calls == known.calls
    expected = hso.optimize(shop.subject().noise, 4, solver="unipc", calibration=known, terminal="clean").schedule
    np.testing.assert_allclose(hso.SamplingSchedule.load(made.file).lambdas, expected.lambdas)


def test_schedules_are_judged_by_what_they_are(shop):
    made = shop.calibrated("unipc", 4)
    outcome = judged(shop, "some", "unipc", (4,), ["trailing", str(made.file)], 40)
    ours, theirs = row_of(outcome, made.file.name, 4), row_of(outcome, "trailing", 4)
    assert ours.figures["reference"].value < theirs.figures["reference"].value
    assert figure(theirs, ours, "reference").endswith(" +")
    assert figure(ours, theirs, "reference").endswith(" -")
    assert figure(ours, ours, "reference").endswith(")")
