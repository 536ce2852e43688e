"""``hso lint`` and ``hso convert``, as typed."""

import json

import pytest

import hso
from hso.cli import main


@pytest.fixture
def saved(sd, tmp_path):
    path = tmp_path / "schedule.json"
    hso.optimize(sd, 5, solver="ddim").schedule.save(path)
    return str(path)


def run(capsys, *words):
    status = main(words)
    captured = capsys.readouterr()
    return status, captured.out.strip(), captured.err.strip()


def test_a_schedule_that_fits_has_no_findings(capsys, saved):
    for host in ("diffusers:EulerDiscrete", "diffusers:DPMSolverMultistep", "k-diffusion"):
        status, out, err = run(capsys, "lint", saved, "--host", host)
        assert (status, err) == (0, "")
        assert out.startswith("no findings")


def test_errors_are_printed_one_a_line_and_counted_by_the_exit_code(capsys):
    status, out, _ = run(capsys, "lint", "1,500,500,1000", "--host", "diffusers:DPMSolverMultistep")
    assert status == 1
    assert [line.split(": ")[1] for line in out.splitlines()] == ["order", "duplicates", "range"]


def test_warnings_alone_are_no_failure(capsys):
    status, out, _ = run(capsys, "lint", "14.6,3.1,0.8", "--host", "k-diffusion", "--noise", "sd2.1")
    assert status == 0
    assert out.startswith("warning: trailing zero")


def test_a_configuration_is_checked_too(capsys, tmp_path):
    config = tmp_path / "scheduler_config.json"
    config.write_text(json.dumps({"solver_type": "bh1"}))
    words = ("lint", "999,500", "--host", "diffusers:UniPCMultistep", "--config", str(config), "--json")
    status, out, _ = run(capsys, *words)
    assert status == 1
    assert [finding["check"] for finding in json.loads(out)] == ["accepted", "settings"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["lint", "999", "--host", "diffusers:UniPC"], "--host: expected one of"),
        (["lint", "none", "--host", "k-diffusion"], "values: expected numbers"),
        (["lint", "999", "--host", "k-diffusion", "--as", "times"], "kind: expected one of sigmas, timesteps"),
        (["lint", "999", "--host", "k-diffusion", "--config", "absent.json"], "absent.json: cannot read"),
        (["lint", "999", "--host", "k-diffusion", "--noise", "sd9"], "--noise: expected one of"),
        (["convert", "absent.json"], "absent.json: cannot read the schedule"),
        (["convert", "14,0", "--from", "comfyui"], "noise: expected the model"),
        (["convert", "14,0", "--from", "comfi", "--noise", "sd2.1"], "--from: expected one of"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, words, problem):
    status, out, err = run(capsys, *words)
    assert status == 2
    assert out == ""
    assert err.startswith("hso: error: ")
    assert problem in err
    assert "\n" not in err


def test_a_schedule_goes_to_text_and_back(capsys, saved, tmp_path):
    _, text, _ = run(capsys, "convert", saved, "--to", "comfyui")
    back = tmp_path / "back.json"
    status, _, err = run(capsys, "convert", text, "--from", "comfyui", "--noise", "sd2.1", "-o", str(back))
    assert status == 0
    assert err == f"wrote {back}"
    first, second = hso.SamplingSchedule.load(saved), hso.SamplingSchedule.load(back)
    assert second.timesteps.tolist() == first.timesteps.tolist()
    pasted = tmp_path / "pasted.txt"
    pasted.write_text(text)
    status, out, _ = run(capsys, "convert", str(pasted), "--from", "comfyui", "--noise", "sd2.1")
    assert status == 0
    assert "terminal clean" in out
