"""What every command has in common: exit codes, and one line for whatever goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hso.cli import app
from hso.errors import FileError

OPTIMIZE = "optimize --noise sd2.1 --nfe 5"
HSO = [sys.executable, "-c", "import sys; from hso.cli import main; sys.exit(main())"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("optimize --noise sd2.1 --nfe 0", "--nfe: expected an integer from 1 to 1000, got 0"),
        ("optimize --noise sd2.1 --nfe -3", "--nfe: expected an integer from 1 to 1000, got -3"),
        ("optimize --noise sd2.1 --nfe 1000000", "--nfe: expected an integer from 1 to 1000, got 1000000"),
        ("optimize --noise sd2.1 --nfe 4.5", "'--nfe': expected an integer, got '4.5'"),
        ("optimize --noise sd2.1 --nfe abc", "'--nfe': expected an integer, got 'abc'"),
        ("optimize --noise sd2.1 --nfe", "Option '--nfe' requires an argument"),
        ("optimize --nfe 5", "Missing option '--noise'"),
        ("optimize --noise sd2.1", "Missing option '--nfe'"),
        ("optimize --noise sd2.11 --nfe 5", "--noise: expected one of"),
        ("optimize --noise sd2.11 --nfe 5", "did you mean 'sd2.1'?"),
        (f"optimize --noise {'x' * 5000} --nfe 5", "--noise: expected one of"),
        (f"optimize --noise {'x' * 5000}.json --nfe 5", "there is no such file or folder"),
        ("optimize --noise nowhere/model --nfe 5", "nowhere/model: there is no such file or folder"),
        (f"{OPTIMIZE} --solver unipcc", "got 'unipcc' (did you mean 'unipc'?)"),
        (f"{OPTIMIZE} --solver=unipcc", "--solver: expected one of"),
        (f"{OPTIMIZE} --strategy exat", "did you mean 'exact'?"),
        (f"{OPTIMIZE} --objective mepp", "did you mean 'mep'?"),
        (f"{OPTIMIZE} --objective dm_nonuniform", "--objective: expected one with an edge cost for strategy exact"),
        (f"{OPTIMIZE} --terminal cleen", "did you mean 'clean'?"),
        (f"{OPTIMIZE} --objective mep:p=nan", "p: expected a number in [0, 16], got 'nan'"),
        (f"{OPTIMIZE} --d-min two", "'--d-min': expected a number, got 'two'"),
        (f"{OPTIMIZE} --seed -1", "--seed: expected an integer from 0"),
        (f"{OPTIMIZE} --d-min 2", "--d-min: expected a number in [0, 1], got 2.0"),
        (f"{OPTIMIZE} --t-min 0.03 0.01", "--t-min: expected two numbers low <= high in [0, 1], got (0.03, 0.01)"),
        (f"{OPTIMIZE} --t-max 0.9 1.5", "--t-max: expected a number in [0, 1], got 1.5"),
        (f"{OPTIMIZE} --t-min 0.01", "Option '--t-min' requires 2 arguments"),
        (f"{OPTIMIZE} --t-min 0.5 0.6 --t-max 0.5 0.9", "--t-min: expected a range below that of t_max"),
        (f"{OPTIMIZE} --t-min 0 0", "--t-min: expected a range that meets [0.001, 1]"),
        (f"{OPTIMIZE} --rho 3 16", "--rho: expected none with strategy exact, which does not use it"),
        (f"{OPTIMIZE} --strategy bilevel:grid=training", "--strategy: expected settings among population"),
        (
            f"{OPTIMIZE} --strategy local --t-min 0.1 0.2",
            "--t-min: expected none with strategy local, which does not use it",
        ),
        (f"{OPTIMIZE} --colour red", "No such option: --colour"),
        (f"{OPTIMIZE} 6", "unexpected extra argument"),
        ("optimise", "No such command 'optimise'. Did you mean 'optimize'?"),
        ("presets sd2", "did you mean 'sd2.1'?"),
        ("show", "Missing argument 'FILE'"),
        ("show nowhere.json", "nowhere.json: cannot read the schedule"),
        ("demo --nfe 4;5", "--nfe: expected integers between commas, or ranges, such as 4,5,8 or 4-20, got '4;5'"),
        ("demo --nfe 0", "--nfe: expected an integer from 1 to 1000, got 0"),
        ("demo --samples 3", "--samples: expected an integer from 10"),
        ("demo --guidance much", "'--guidance': expected a number, got 'much'"),
        ("demo --out /dev/null/demo", "cannot make the folder"),
        ("demo --nfe 4,4", "--nfe: expected each of them once, got '4 more than once'"),
        ("demo --nfe 1-2000000000", "--nfe: expected an integer from 0 to 100000, got 2000000000"),
        (f"{OPTIMIZE} --strength 0.0001", "--strength: expected a time above 0.03"),
        (f"{OPTIMIZE} --start-sigma 0.04", "--start-sigma: expected a time above 0.03"),
        (f"{OPTIMIZE} --plot s.bmp", "--plot: expected a file name that ends in .pdf, .png, .svg, got 's.bmp'"),
        (f"{OPTIMIZE} -o nowhere/s.json", "nowhere/s.json: cannot write: there is no such folder"),
        ("rule trailing --noise sd2.1 --nfe 5 --plot s.bmp", "--plot: expected a file name that ends in"),
        ("lint 999,499 --host comfyui --nfe 0", "--nfe: expected an integer from 1"),
        ("lint 999,499 --host comfyui --as=", "kind: expected one of sigmas, timesteps, got ''"),
        ("lint 999,499 --host comfyui --noise=", "--noise: expected one of"),
        ("compare --model gaussian -o run --resamples 0", "--resamples: expected an integer from 10"),
        ("compare --model gaussian -o run --also=", "--also: expected one of"),
        ("compare --model gaussian -o run --schedules trailing,trailing", "--schedules: expected each of them once"),
    ],
)
def test_bad_input_is_one_line_that_names_the_argument_and_code_2(hso, line, says):
    code, out, err = hso(line)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("hso: error: ")
    assert says in err


def test_without_words_help_is_shown(hso):
    code, out, err = hso("")
    assert (code, err) == (0, "")
    assert all(name in out for name in ("optimize", "presets", "show", "demo"))


@pytest.mark.parametrize("command", ["optimize", "presets", "show", "demo"])
def test_help_shows_an_example_of_each_command(hso, command):
    code, out, _ = hso(f"{command} --help")
    assert code == 0
    assert f"hso {command}" in out.partition("Examples")[2]


def test_the_version_is_printed(hso):
    assert hso("--version").out.startswith("hso ")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            ZeroDivisionError("by\nzero"),
            1,
            "unexpected ZeroDivisionError: by zero (a bug; HSO_TRACEBACK=1 shows where)",
        ),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
    ],
)
def test_what_nobody_foresaw_is_one_line_too(hso, monkeypatch, error, code, says):
    def fail(name):
        raise error

    monkeypatch.setattr("hso.cli.options.noise_schedule", fail)
    assert hso(OPTIMIZE) == (code, "", f"hso: error: {says}\n")


def test_a_traceback_is_shown_to_those_who_ask_for_it(monkeypatch):
    def fail(name):
        raise ZeroDivisionError

    monkeypatch.setattr("hso.cli.options.noise_schedule", fail)
    monkeypatch.setenv(app.TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError):
        app.main(OPTIMIZE.split())


def test_a_reader_that_leaves_early_is_no_error():
    with subprocess.Popen(
        [*HSO, *OPTIMIZE.split(), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send")
def test_an_interrupt_is_one_line_and_code_130():
    program = "from hso.cli import main; import sys; print(flush=True); sys.exit(main())"
    words = ["optimize", "--noise", "sd2.1", "--nfe", "10", "--strategy", "published"]
    # A child ignores what its parent ignores, and some test runners ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        process.stdout.readline()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert process.stderr.read() == b"hso: error: interrupted\n"


@pytest.mark.skipif(os.name == "nt", reason="no signal to send")
@pytest.mark.parametrize(("number", "code", "says"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated")])
def test_a_library_s_own_word_for_an_interrupt_is_not_believed(hso, monkeypatch, number, code, says):
    def load(name):
        try:
            signal.raise_signal(signal.Signals[number])
        except BaseException:
            raise FileError("unet", "cannot load unet") from None

    monkeypatch.setattr("hso.cli.options.noise_schedule", load)
    # Some test runners ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert hso(OPTIMIZE) == (code, "", f"hso: error: {says}\n")
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_installed_command_is_this_one():
    installed = Path(sys.executable).with_name("hso")
    if not installed.exists():
        pytest.skip("not installed as a command")
    words = ["optimize", "--noise", "sd2.1", "--nfe", "4.5"]
    done = subprocess.run([installed, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("hso: error: Invalid value for '--nfe'")
    assert done.stderr.count("\n") == 1
