"""What a cold start imports. How long it takes is measured by benchmarks/cold_start.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "matplotlib", "transformers", "pandas", "scipy.optimize", "rich", "msgspec")


def _imported(program: str) -> list[str]:
    check = f"\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program + check], capture_output=True, text=True, check=True)
    return list(eval(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "program",
    [
        "import hso",
        "from hso.cli import main; assert main('optimize --noise sd2.1 --nfe 5 --json'.split()) == 0",
        "from hso.cli import main; assert main('presets --json'.split()) == 0",
    ],
)
def test_neither_the_library_nor_json_output_imports_anything_heavy(program):
    assert _imported(program) == []


def test_tables_need_rich_and_nothing_else():
    assert _imported("from hso.cli import main; main('optimize --noise sd2.1 --nfe 5'.split())") == ["rich"]
