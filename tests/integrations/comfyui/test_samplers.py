"""ComfyUI's own samplers beside the solvers that stand for them. Runs where ``HSO_COMFYUI`` is an installation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hso.hosts.comfyui.samplers import SAME_ON_FLOW, SOLVER_OF_SAMPLER

pytestmark = pytest.mark.skipif("HSO_COMFYUI" not in os.environ, reason="HSO_COMFYUI names no installation")
ROOT = Path(__file__).parents[3]
FLOAT32, FLOAT64 = 1e-5, 1e-12


@pytest.fixture(scope="module")
def found():
    python = os.environ.get("HSO_COMFYUI_PYTHON", sys.executable)
    paths = os.pathsep.join(filter(None, (str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [python, "-m", "benchmarks.comfyui_samplers", "--json"]
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}
    )
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("sampler", SOLVER_OF_SAMPLER)
def test_a_sampler_takes_the_steps_of_its_solver(found, sampler):
    tolerance = FLOAT32 if sampler.startswith("uni_pc") else FLOAT64
    assert found[sampler]["sigma"] < tolerance
    assert (found[sampler]["flow"] < tolerance) is (sampler in SAME_ON_FLOW)


def test_the_deis_of_comfyui_is_another_method(found):
    assert found["deis"]["sigma"] > 1e-3
