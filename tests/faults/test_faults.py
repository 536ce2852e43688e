"""A command that is disturbed says so in one line, leaves whole files, and goes on to the same results.

These are single faults; ``python -m benchmarks.faults`` tries hundreds, at random moments, and kills runs again and again.
"""

from __future__ import annotations

import functools
import os
import random
import tempfile
from pathlib import Path

import pytest

if not hasattr(os, "fork"):
    pytest.skip("the harness forks", allow_module_level=True)

from benchmarks.faults import COMMANDS, FAULTS, Trial, after, kill_again_and_again, start_together, whole

pytest.importorskip("matplotlib")
pytest.importorskip("threadpoolctl")
# A process with threads is forked; the fork runs a command and nothing else.
pytestmark = pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
PAIRS = [
    ("table", "full disk"),
    ("table", "read-only folder"),
    ("compare", "SIGTERM"),
    ("compare", "killed worker"),
    ("calibrate", "SIGKILL"),
    ("calibrate", "file cut off"),
    ("tune", "full disk"),
    ("tune", "two writers"),
]


@functools.cache
def undisturbed(name: str):
    """The results of a command, and how long it takes."""
    with tempfile.TemporaryDirectory() as folder:
        return whole(COMMANDS[name], Path(folder))


@pytest.mark.parametrize(("name", "fault"), PAIRS)
def test_a_disturbed_command_goes_on_to_the_same_results(tmp_path, name, fault):
    expected, seconds = undisturbed(name)
    # The superuser becomes somebody else, who must reach the folder.
    folder = tmp_path if fault != "read-only folder" else Path(tempfile.mkdtemp())
    assert FAULTS[fault](Trial(COMMANDS[name], folder, seconds, random.Random(0))) == []
    assert after(COMMANDS[name], folder, expected) == []


def test_a_run_that_is_killed_again_and_again_ends_like_one_that_was_not():
    assert kill_again_and_again("calibrate", 2, seed=0) == 0


def test_of_two_comparisons_that_start_at_once_one_is_refused():
    assert start_together(2) == 0
