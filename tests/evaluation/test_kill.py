"""Killed at any moment and started again, a run ends as if nothing had happened."""

from __future__ import annotations

import random

import pytest
from benchmarks.kill_and_resume import COMMAND, killed_run, launched, statistics

from hso.cli import main


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The statistics of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    assert main(["compare", *COMMAND, "-o", str(folder)]) == 0
    return statistics(folder)


def test_a_killed_run_ends_like_one_that_was_not(tmp_path, whole):
    assert killed_run(tmp_path / "killed", 3, random.Random(0), processes=2) > 0
    assert statistics(tmp_path / "killed") == whole


def test_launched_processes_share_one_run(tmp_path, whole):
    done = launched(tmp_path / "shared", 2)
    assert done.returncode == 0, done.stderr
    assert statistics(tmp_path / "shared") == whole
