"""The paper's tables that need no weights run and say what they should."""

import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[1] / "benchmarks" / "paper"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["table3.py", "--quick"], "| 4 | 0.03000, 0.96000 | - | 0.03000, 0.96000 |"),
        (["table5.py"], "| exact | [959, 716, 370, 30] | 243.0 / 309.7 | 6.316 |"),
        (["table6.py", "--quick"], "| HSO, exact |"),
        (["table7.py", "--quick"], "| Ours | ddim | 0.9600, 0.7091, 0.3766, 0.0300 | clean | 0 |"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_it_runs_and_reproduces(command, expected):
    script = str(RECIPES / command[0])
    run = subprocess.run([sys.executable, script, *command[1:]], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert expected in run.stdout
