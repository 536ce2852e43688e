"""Killed at any moment and started again, or shared by processes, a run ends as if nothing had happened."""

from __future__ import annotations

import random

import pytest
from benchmarks.kill_and_resume import COMMAND, Killing, Run, killed_run

from hso.cli import main

# The last word counts.
FEWER = (*COMMAND, "--samples", "200", "--nfe", "3")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The statistics of a run that nobody disturbs."""
    run = Run(tmp_path_factory.mktemp("whole"), FEWER)
    assert main(run.words[3:]) == 0
    return run.statistics()


def test_a_killed_run_ends_like_one_that_was_not(tmp_path, whole):
    run = Run(tmp_path / "killed", FEWER, processes=2)
    assert killed_run(run, 1, random.Random(0)) == 1
    assert run.statistics() == whole


def test_processes_under_accelerate_launch_share_one_run(tmp_path, whole):
    pytest.importorskip("accelerate")
    run = Run(tmp_path / "shared", FEWER, processes=2)
    # One of them is killed, the others end, and the same command goes on.
    assert killed_run(run, 1, random.Random(0), Killing.one_of_several(run)) == 1
    assert run.statistics() == whole
    printed = [path.read_text() for path in sorted(run.logs.rglob("stdout.log"))]
    # Two processes, launched twice; one of them speaks for all, once it has come to the end.
    assert len(printed) == 4
    (spoken,) = filter(None, printed)
    assert "hso_exact" in spoken
