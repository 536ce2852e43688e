from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from hso.cli import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Hso = Callable[..., Ran]


@pytest.fixture
def hso(capsys: pytest.CaptureFixture[str]) -> Hso:
    """Runs the command line in this process; words may be one string or many."""

    def run(line: str, *words: object) -> Ran:
        code = main([*line.split(), *map(str, words)])
        return Ran(code, *capsys.readouterr())

    return run
