"""Words of the command line: refused in one line, or carried out, with nothing ignored."""

from __future__ import annotations

import functools
import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given

import hso
from hso.solvers import label_of, make_solver
from tests.fuzz import words
from tests.fuzz.checks import Ran, check_ran, check_schedule, costly, fuzzed, parsed, run


@functools.cache
def prepared() -> dict[str, bytes]:
    """Files that the words may name."""
    from tests.fuzz.test_calibration_files import whole

    schedule = hso.optimize(hso.NoiseSchedule.preset("sd2.1"), 3).schedule
    return {
        "in.json": json.dumps(schedule.to_dict()).encode(),
        "config.json": b'{"_class_name": "UniPCMultistepScheduler", "use_karras_sigmas": true}',
        "in.calibration": whole(),
        "model/model_index.json": b'{"_class_name": "StableDiffusionPipeline"}',
        "model/scheduler/scheduler_config.json": b'{"_class_name": "DDIMScheduler", "beta_schedule": "scaled_linear"}',
    }


def option(ran: Ran, name: str, count: int = 1) -> Any:
    """The words after an option, the last time that it comes; None without it."""
    found = None
    for index, word in enumerate(ran.words):
        if word == name:
            found = ran.words[index + 1 : index + 1 + count]
        elif word.startswith(f"{name}="):
            found = [word.partition("=")[2]]
    return found if found is None or count > 1 else found[0]


def check_obeyed(ran: Ran) -> None:
    """Check that the object which ``hso optimize --json`` prints has every value that was asked for."""
    found = parsed(ran)
    assert found["nfe"] == int(option(ran, "--nfe")), ran
    solver = option(ran, "--solver") or "unipc"
    assert solver == "auto" or found["solver"] == label_of(make_solver(solver)), ran
    if (strategy := option(ran, "--strategy")) is not None:
        assert found["strategy"] == strategy.partition(":")[0], ran
    terminal = option(ran, "--terminal") or make_solver(found["solver"]).terminal
    assert (found["terminal"] == "clean") == (terminal == "clean"), ran
    kept, times = found["constraints"], found["times"]
    if (distance := option(ran, "--d-min")) is not None:
        assert kept["d_min"] == float(distance), ran
    if (start := option(ran, "--strength")) is not None:
        assert times[0] == pytest.approx(float(start), abs=1e-6), ran
    if (boundary := option(ran, "--boundary")) is not None:
        assert kept["boundary"]["t"] == float(boundary), ran
    for name in ("t_min", "t_max"):
        if (pair := option(ran, f"--{name.replace('_', '-')}", 2)) is not None:
            low, high = map(float, pair)
            assert low - 1e-9 <= kept["box"][name][0] <= kept["box"][name][1] <= high + 1e-9 or kept["start"], ran
    if found["feasible"]:
        gaps = [a - b for a, b in itertools.pairwise(times)]
        assert all(gap >= kept["d_min"] - 1e-9 for gap in gaps), ran


@fuzzed
@given(words.OPTIMIZE)
@example(["optimize", "--noise", "sd1.5", "--nfe", "2", "--strategy", "free", "--json", "-o", "out.json"])
def test_optimize(line):
    ran = run(line, prepared())
    check_ran(ran)
    if ran.code == 0 and "--json" in line:
        check_obeyed(ran)
    assert ran.files == (["out.json"] if ran.code == 0 and "-o" in line else [])


@costly
@given(words.MEASURED)
@example(
    ["optimize", "--noise", "sd2.1", "--nfe", "4", "--calibration", "in.calibration", "--solver", "auto", "--json"]
)
def test_optimize_with_a_calibration(line):
    ran = run(line, prepared())
    check_ran(ran)
    if ran.code == 0 and "--json" in line:
        check_obeyed(ran)
    assert ran.files == (["out.json"] if ran.code == 0 and "-o" in line else [])


@fuzzed
@given(words.RULE)
def test_rule(line):
    ran = run(line)
    check_ran(ran)
    if ran.code == 0 and "--json" in line:
        assert parsed(ran)["nfe"] == int(option(ran, "--nfe")), ran


@fuzzed
@given(words.LINT)
@example(["lint", "999,5", "--host", "comfyui", "--nfe", "0"])
@example(["lint", ",".join(["1"] * 20_000), "--host", "comfyui"])
def test_lint(line):
    ran = run(line, prepared())
    # Code 1 says that there are findings.
    check_ran(ran, (0, 1, 2))
    if ran.code < 2 and "--json" in line:
        assert any(finding["level"] == "error" for finding in parsed(ran)) == (ran.code == 1), ran


@fuzzed
@given(words.CONVERT)
def test_convert(line):
    ran = run(line, prepared())
    check_ran(ran)
    assert ran.files == (["out.json"] if ran.code == 0 and "-o" in line else [])


@fuzzed
@given(words.SHOW)
def test_show(line):
    ran = run(line, prepared())
    check_ran(ran)
    if ran.code == 0 and "--json" in line:
        assert parsed(ran) == json.loads(prepared()["in.json"]), ran


@fuzzed
@given(words.PRESETS_COMMAND)
def test_presets(line):
    # Code 1 says that there are differences.
    check_ran(run(line, prepared()), (0, 1, 2))


@costly
@given(words.TABLE)
@example(["table", "-o", "out", "--models", "ddpm", "--nfe", "1-2000000000"])
@example(["table", "-o", "out", "--models", "ddpm,ddpm", "--nfe", "4"])
def test_table(line):
    ran = run(line)
    check_ran(ran)
    if ran.code == 0:
        assert "out/index.md" in ran.files, ran


def check_model_command(line: list[str]) -> None:
    """Check a command that runs a model: it is refused before it begins, or what it writes is whole."""
    ran = run(line, prepared())
    # A command that is refused after it made its folder may leave what it was given, and its part that can go on.
    check_ran(ran._replace(files=[]) if ran.code == 2 else ran)
    if ran.code == 0 and "--json" in line:
        parsed(ran)


@costly
@given(words.COMPARE)
def test_compare(line):
    check_model_command(line)


@costly
@given(words.CALIBRATE)
def test_calibrate(line):
    check_model_command(line)


@costly
@given(words.TUNE)
def test_tune(line):
    check_model_command(line)


def test_the_prepared_schedule_is_sound():
    check_schedule(hso.optimize(hso.NoiseSchedule.preset("sd2.1"), 3).schedule)
