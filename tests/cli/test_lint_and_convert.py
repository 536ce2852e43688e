"""``hso lint`` and ``hso convert``, as typed."""

import json

import pytest

import hso
from hso.cli import main
from hso.hosts import HOSTS


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
        (["lint", "absent5.json", "--host", "k-diffusion"], "absent5.json: there is no such file"),
        (["lint", "14.6,x,0", "--host", "k-diffusion"], "values: expected numbers"),
        (["lint", "1.0,0.5,0", "--host", "k-diffusion", "--noise", "x" * 5000], "--noise: expected one of"),
        (["lint", "1.0,0.5,0", "--host", "k-diffusion", "--noise", "x/" * 3000], "there is no such file or folder"),
        (["lint", "999,500", "--host", "diffusers:HeunDiscrete", "--nfe", "0"], "--nfe: expected"),
        (["convert", "14.6,3.1,0"], "values: expected the file of a saved schedule, or text with --from"),
        (["convert", "14.6, " * 100], "values: expected the file of a saved schedule, or text with --from"),
        (["convert", "absent.json", "--noise", "sd2.1"], "--noise: expected nothing without --from"),
        (["convert", "absent.json", "--end-clean"], "--end-clean: expected a host to write for"),
        (["convert", "absent5.txt", "--from", "comfyui", "--noise", "sd2.1"], "absent5.txt: there is no such file"),
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


@pytest.mark.parametrize("values", ["14.6,NaN,3.1,0", "14.6,Infinity,0", "inf,1,0", "1,-inf,0"])
def test_what_is_no_number_is_an_error(capsys, values):
    status, out, _ = run(capsys, "lint", values, "--host", "k-diffusion")
    assert status == 1
    assert out.startswith("error: finite: there are values that are not finite")


def test_many_values_are_no_name_of_a_file(capsys):
    values = ", ".join(f"{14.6 * 0.9**i!r}" for i in range(40)) + ", 0"
    status, out, err = run(capsys, "lint", values, "--host", "k-diffusion", "--noise", "sd2.1")
    assert (status, err) == (0, "")
    status, out, err = run(capsys, "convert", values, "--from", "k-diffusion", "--noise", "sd2.1", "--to", "comfyui")
    assert (status, err) == (0, "")
    assert out.count(",") == 40


def test_a_schedule_with_noise_left_is_ended_clean_on_request_with_a_word(capsys, sd, tmp_path):
    path = tmp_path / "schedule.json"
    hso.optimize(sd, 5, strategy="exact", terminal="t_min").schedule.save(path)
    status, out, err = run(capsys, "convert", str(path), "--to", "comfyui")
    assert (status, out) == (2, "")
    assert "--end-clean" in err
    status, out, err = run(capsys, "convert", str(path), "--to", "comfyui", "--end-clean")
    assert status == 0
    assert out.endswith(", 0.0")
    assert err == "the last step lands on the clean sample instead of t_min = 0.03"


def test_a_flow_schedule_is_converted_to_flow_sigmas(capsys, tmp_path):
    path = tmp_path / "schedule.json"
    hso.optimize(hso.NoiseSchedule.preset("sd3"), 5, terminal="clean").schedule.save(path)
    for host in ("comfyui", "k-diffusion", "a1111", "diffusers-sigmas"):
        status, out, _ = run(capsys, "convert", str(path), "--to", host)
        assert status == 0
        # Read back for the model, they are its own; and nothing is to be said of them but the shift of diffusers.
        status, out, _ = run(capsys, "lint", str(path), "--host", host)
        assert out.startswith("error: double shift" if host.startswith("diffusers") else "no findings")


@pytest.mark.parametrize("host", [name for name, host in HOSTS.items() if host.solver({}) is None])
def test_lint_and_convert_know_every_host(capsys, saved, host):
    status, _, err = run(capsys, "lint", saved, "--host", host)
    assert status in (0, 1)
    assert err == ""
    status, out, err = run(capsys, "convert", saved, "--to", host)
    assert bool(out) == (status == 0)
    assert status == 0 or "takes timesteps or sigmas" in err


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
