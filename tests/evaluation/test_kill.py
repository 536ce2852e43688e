"""Killed at any moment and started again, or shared by processes, a run ends as if nothing had happened."""

from __future__ import annotations

import random

import pytest
from benchmarks.kill_and_resume import COMMAND, Run, killed_run, launched

from hso.cli import main

# The last word counts.
FEWER = (*COMMAND, "--samples", "300", "--nfe", "3,4")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The statistics of a run that nobody disturbs."""
    run = Run(tmp_path_factory.mktemp("whole"), FEWER)
    assert main(["compare", *run.words[3:]]) == 0
    return run.statistics()


def test_a_killed_run_ends_like_one_that_was_not(tmp_path, whole):
    run = Run(tmp_path / "killed", FEWER, processes=2)
    assert killed_run(run, 2, random.Random(0)) > 0
    assert run.statistics() == whole


def test_processes_under_accelerate_launch_share_one_run(tmp_path, whole):
    pytest.importorskip("accelerate")
    run = Run(tmp_path / "shared", FEWER, processes=2)
    done = launched(run, tmp_path / "logs")
    assert done.returncode == 0, done.stderr
    assert run.statistics() == whole
    printed = [path.read_text() for path in sorted((tmp_path / "logs").rglob("stdout.log"))]
    assert len(printed) == 2
    # One of them speaks for all.
    assert "hso_exact" in printed[0]
    assert not printed[1]
