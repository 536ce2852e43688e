"""Processes that share a calibration and a tuning end with what one process finds."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hso
from hso.team import Team
from tests import launched

BATCHES = -(-launched.IMAGES // launched.BATCH)
PROCESSES = 2


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What each of two processes found."""
    pytest.importorskip("accelerate")
    folder = tmp_path_factory.mktemp("team")
    launcher = f"-m accelerate.commands.launch --multi_gpu --num_processes {PROCESSES}".split()
    words = [sys.executable, *launcher, launched.__file__, str(folder)]
    done = subprocess.run(
        words, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [dict(np.load(Path(folder) / f"{index}.npz")) for index in range(PROCESSES)]


@pytest.fixture(scope="module")
def known():
    return launched.calibrated()


def test_parts_are_dealt_in_turn():
    second = Team()
    second.index, second.count = 1, 2
    assert second.share(range(5)) == [1, 3]
    assert not second.is_first


@pytest.mark.parametrize("team", [5, "launched", Team])
def test_what_is_no_team_is_named(team):
    with pytest.raises(hso.ArgumentError, match=r"team: expected an hso\.Team"):
        launched.calibrated(team=team)


@pytest.mark.parametrize("name", ["WORLD_SIZE", "PMI_SIZE"])
def test_an_environment_that_says_no_number_of_processes_is_named(monkeypatch, name):
    monkeypatch.setenv(name, "many")
    with pytest.raises(hso.ArgumentError, match=f"{name}: expected a number of processes .*, got 'many'"):
        Team.launched()


def test_all_processes_hear_the_same(told):
    for name in told[0]:
        if name != "problem":
            np.testing.assert_array_equal(told[0][name], told[1][name], err_msg=name)
    assert told[0]["count"] == PROCESSES


def test_a_shared_calibration_differs_by_the_order_of_its_sums_alone(told, known):
    r"""n numbers that are added in two orders differ by at most :math:`2 n \epsilon \sum |x|` (Higham 2002, Eq. 4.4)."""
    bound = 2 * BATCHES * np.finfo(float).eps
    lengths = np.sqrt(np.diagonal(known.grams, axis1=1, axis2=2))
    allowed = bound * lengths[:, :, None] * lengths[:, None, :]
    assert np.all(np.abs(told[0]["grams"] - known.grams) <= allowed)
    # Both factors of a product of means are sums.
    assert np.all(np.abs(told[0]["mean_grams"] - known.mean_grams) <= 2 * allowed)
    np.testing.assert_allclose(told[0]["errors"], known.trials.errors, rtol=bound)
    assert told[0]["calls"] == known.calls


def test_a_shared_tuning_is_that_of_one_process_to_the_last_bit(told, known):
    alone = launched.tuned(calibration=known)
    np.testing.assert_array_equal(told[0]["times"], alone.found.schedule.times)
    assert told[0]["gain"] == alone.gain.value
    assert told[0]["tuned_calls"] == alone.calls
    in_features = launched.tuned(calibration=known, features=lambda x: x[:, :2])
    np.testing.assert_array_equal(told[0]["features"], in_features.found.schedule.times)


def test_a_shared_tuning_may_calibrate_too(told):
    assert told[0]["loss"] == pytest.approx(launched.tuned(points=launched.POINTS).loss, rel=1e-3)


def test_a_failure_in_one_process_is_told_in_all(told):
    assert "process 1: model: expected finite output at node 0" in str(told[0]["problem"])
    assert str(told[1]["problem"]).startswith("model: expected finite output at node 0")


def test_processes_that_come_apart_say_so(told):
    assert "something of process 0, something of process 1" in str(told[0]["apart"])
