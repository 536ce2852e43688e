"""hso explore: it says where the page is, ends without a word, and refuses what is wrong before it serves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

import hso as library

ENDS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@contextmanager
def exploring(*words: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a process, and the address that it prints."""
    command = [sys.executable, "-m", "hso", "explore", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **more}
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[0]
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("how", ENDS, ids=lambda how: how.name)
def test_a_signal_ends_it_without_a_word(how):
    with exploring("--no-browser") as (process, address):
        assert b"HSO explore" in urllib.request.urlopen(address).read()
        process.send_signal(how)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (ENDS[how], "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_in_the_middle_of_an_answer_ends_it_without_a_word():
    with exploring("--no-browser") as (process, address):
        body = b'{"state": {"noise": "sd2.1", "nfe": 100, "solver": "unipc"}}'
        request = urllib.request.Request(address + "api/compared", body, {"Content-Type": "application/json"})
        with suppress(OSError):
            urllib.request.urlopen(request, timeout=0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_port_that_is_taken_is_one_line(hso):
    with exploring("--no-browser") as (_, address):
        port = address.rstrip("/").rpartition(":")[2]
        ran = hso("explore --no-browser --port", port)
    assert (ran.code, ran.out) == (2, "")
    assert (
        ran.err
        == f"hso: error: --port: expected a free port, got {port} (Address already in use; 0 picks a free one)\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for the browser")
def test_a_browser_is_opened_at_the_address(tmp_path):
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    with exploring(BROWSER=str(browser)) as (_, address):
        end = time.monotonic() + 10
        while not (opened.exists() and opened.read_text()) and time.monotonic() < end:
            time.sleep(0.01)
        assert opened.read_text().strip() == address


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--nfe 0", "--nfe: expected an integer from 1 to 1000, got 0"),
        ("--nfe five", "expected an integer, got 'five'"),
        ("--noise nowhere", "--noise: expected one of"),
        ("--noise no/such/folder", "no/such/folder: there is no such file or folder"),
        ("--solver unipcc", "--solver: expected one of"),
        ("--port 70000", "--port: expected an integer from 0 to 65535, got 70000"),
        ("--port -1", "--port: expected an integer from 0 to 65535, got -1"),
        ("--calibration no.calibration", "no.calibration"),
        ("--export site --noise sdxl", "--noise: expected none with --export, which has all presets and nothing else"),
        ("--run no/run", "no/run: cannot read the folder of the run: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_served(hso, line, message):
    ran = hso(f"explore --no-browser {line}")
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1


def test_the_calibration_names_the_model(hso, tmp_path):
    file = tmp_path / "mixture.calibration"
    assert hso("calibrate --model mixture --images 16 --points 16 -o", file).code == 0
    with exploring("--no-browser", "--calibration", str(file)) as (_, address):
        request = urllib.request.Request(address + "api/catalogue", b"{}", {"Content-Type": "application/json"})
        first = json.loads(urllib.request.urlopen(request).read())["first"]
    assert first == {"noise": library.Calibration.load(file).noise_name, "nfe": 5, "calibrated": True}
    ran = hso("explore --no-browser --noise sd3 --calibration", file)
    assert (ran.code, ran.out) == (2, "")
    assert "--calibration: expected a calibration made for sd3" in ran.err


def test_an_export_serves_nothing(hso, tmp_path, monkeypatch):
    from hso.explore import static_export

    monkeypatch.setattr(static_export, "content", lambda: {})
    ran = hso("explore --export", tmp_path / "site")
    assert (ran.code, ran.out) == (0, "")
    assert (tmp_path / "site" / "index.html").exists()
    assert f"wrote {tmp_path / 'site' / 'index.html'}" in ran.err
