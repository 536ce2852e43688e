"""Contestants that run schedules share the processes of a comparison, and find what they find in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hso
from hso.cli import main

COSTLY = ("calibrated", "tuned", "rollout")
WORDS = (
    *("compare", "--model", "gaussian", "--solver", "dpmpp_2m", "--nfe", "4", "--samples", "100", "--batch", "20"),
    *("--schedules", "trailing,calibrated,tuned,rollout", "--resamples", "20", "-o"),
)


def found(folder: Path) -> dict[str, tuple[int, np.ndarray]]:
    """The calls and the times of each costly contestant."""
    rows = json.loads((folder / "plan.json").read_text())["entries"]
    named = {name: row for row in rows for name in row["names"] if name in COSTLY}
    schedules = {
        name: hso.SamplingSchedule.load(folder / "schedules" / f"{row['key']}.json") for name, row in named.items()
    }
    return {name: (named[name]["preparation"][name], schedules[name].times) for name in named}


def test_a_launched_comparison_finds_the_schedules_of_one_process(tmp_path):
    pytest.importorskip("accelerate")
    assert main([*WORDS, str(tmp_path / "alone")]) == 0
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "-m", "hso"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*launcher, *WORDS, str(tmp_path / "two")], env=environment, capture_output=True, check=True)
    alone, two = found(tmp_path / "alone"), found(tmp_path / "two")
    assert set(alone) == set(two) == set(COSTLY)
    for name in ("calibrated", "rollout"):
        assert two[name][0] == alone[name][0]
    np.testing.assert_array_equal(two["rollout"][1], alone["rollout"][1])
    # The two calibrations differ by rounding. A descent ends nearby, and the steps of a trust region may be others.
    np.testing.assert_allclose(two["calibrated"][1], alone["calibrated"][1], atol=1e-6)
    np.testing.assert_allclose(two["tuned"][1], alone["tuned"][1], atol=0.01)
    assert (tmp_path / "two" / "comparison.csv").exists()
