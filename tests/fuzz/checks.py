"""What must be true of every input, however odd: it is refused in one line, or its result is finite, ordered and inside.

``FUZZ_INPUTS`` is the number of inputs of each test. Few of them, always the same, are part of ``make test``; ``make fuzz``
tries thousands, from a seed that it prints.
"""

from __future__ import annotations

import io
import json
import math
import os
import resource
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, settings

import hso
from hso.cli import main

QUICK = 12
INPUTS = int(os.environ.get("FUZZ_INPUTS", QUICK))
fuzzed = settings(
    max_examples=INPUTS,
    deadline=None,
    derandomize=INPUTS == QUICK,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
# A command that runs a model or optimizes a table takes a second, and most others take a few milliseconds.
costly = settings(fuzzed, max_examples=max(3, INPUTS // 10))
# No input may take more, in seconds and in bytes.
LONGEST, LARGEST = 60, 2 * 2**30
# How many inputs of each kind were tried, and how many of them were refused.
tried: Counter[str] = Counter()


class Ran(NamedTuple):
    """What a command printed, and the files that it left.

    Attributes:
        words: Its words.
        code: Its exit code.
        out: Its output.
        err: What it said on standard error.
        files: The names of the files in its folder, those that were there before left out.
    """

    words: list[str]
    code: int
    out: str
    err: str
    files: list[str]


@contextmanager
def limited(kind: str) -> Iterator[None]:
    """Fail if what is inside hangs, or fills the memory."""

    def hangs(*_: Any) -> None:
        raise AssertionError(f"takes more than {LONGEST} s")

    tried[kind] += 1
    before = _peak()
    watched = threading.current_thread() is threading.main_thread()
    if watched:
        previous = signal.signal(signal.SIGALRM, hangs)
        signal.alarm(LONGEST)
    try:
        yield
    finally:
        if watched:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)
    assert _peak() - before < LARGEST


def _peak() -> int:
    """The most memory that the process has had so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def refused(kind: str, error: hso.HSOError, begins: str = "") -> None:
    """Check the error that refuses an input: its text is short, says something, and begins with these words."""
    tried[f"{kind}, refused"] += 1
    text = str(error)
    assert text.startswith(begins)
    assert text.strip()
    assert len(text) < 10_000
    assert isinstance(error, ValueError | OSError | ImportError | RuntimeError)


def run(words: list[str], prepared: dict[str, str | bytes] | None = None) -> Ran:
    """Run a command in this process, in a folder of its own that holds these files."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (prepared or {}).items():
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, name).write_bytes(content if isinstance(content, bytes) else content.encode())
        os.chdir(folder)
        try:
            with limited(words[0] if words else ""), _streams() as (out, err):
                code = main(words)
        finally:
            os.chdir(before)
        left = sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())
    return Ran(words, code, out(), err(), [name for name in left if name not in (prepared or {})])


@contextmanager
def _streams() -> Iterator[tuple[Any, Any]]:
    """Standard output and standard error as a terminal without anything but UTF-8 has them."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        yield partial(_written, streams[0]), partial(_written, streams[1])


def _written(stream: io.TextIOWrapper) -> str:
    written: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]  # a BytesIO
    return written.decode("utf-8")


def check_ran(ran: Ran, codes: tuple[int, ...] = (0, 2)) -> None:
    """Check what is true of every command: one line and code 2, or code 0 and nothing but notes."""
    assert ran.code in codes, ran
    assert all(letter.isprintable() or letter == "\n" for letter in ran.out + ran.err), ran
    assert "Traceback" not in ran.err, ran
    assert "Warning" not in ran.err, ran
    assert not any(name.rpartition("/")[2].startswith(".") for name in ran.files), ran
    if ran.code == 2:
        tried[f"{ran.words[0] if ran.words else ''}, refused"] += 1
        assert ran.out == "", ran
        assert ran.err.startswith("hso: error: "), ran
        assert ran.err.count("\n") == 1, ran
        assert not ran.files, ran


def check_schedule(schedule: hso.SamplingSchedule) -> None:
    """Check the numbers of a schedule: finite, strictly ordered, inside the path, and equal after a round trip."""
    for values in (schedule.lambdas, schedule.times, schedule.sigmas, schedule.flow_sigmas, schedule.network_timesteps):
        assert np.all(np.isfinite(values))
    assert np.all(np.diff(schedule.lambdas) > 0)
    assert np.all(np.diff(schedule.times) < 0)
    assert schedule.times[0] <= 1
    assert 0 <= schedule.terminal_time < schedule.times[-1]
    assert schedule.terminal > schedule.lambdas[-1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "s.json")
        schedule.save(path)
        assert hso.SamplingSchedule.load(path) == schedule


def check_noise(noise: hso.NoiseSchedule) -> None:
    """Check a noise schedule: finite levels, lambda falling in t, and the way from t to lambda and back."""
    t = np.linspace(*noise.t_range, 50)
    lambdas = noise.lambda_(t)
    assert np.all(np.isfinite(lambdas))
    assert np.all(np.diff(lambdas) < 0)
    np.testing.assert_allclose(noise.lambda_(noise.time(lambdas)), lambdas, rtol=1e-6, atol=1e-6)
    assert np.all(np.isfinite(noise.alpha_t(t)) & np.isfinite(noise.sigma_t(t)))


def finite(value: Any) -> bool:
    """Whether all numbers of a JSON value are finite."""
    if isinstance(value, dict):
        return all(finite(each) for each in value.values())
    if isinstance(value, list):
        return all(finite(each) for each in value)
    return not isinstance(value, float) or math.isfinite(value)


def parsed(ran: Ran) -> Any:
    """The one JSON value that a command printed."""
    value = json.loads(ran.out, parse_constant=lambda name: (_ for _ in ()).throw(AssertionError(name)))
    assert finite(value), ran
    return value
