"""``hso table`` writes what it found, whole."""

import json

import pytest

from hso.cli import main
from hso.noise import presets


def test_it_writes_a_file_for_each_model_and_a_page(tmp_path, capsys):
    status = main(["table", "--models", "sd2.1,ddpm", "--nfe", "4-6,8", "-o", str(tmp_path / "out")])
    assert status == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ddpm.json", "index.md", "sd2.1.json"]
    content = json.loads((tmp_path / "out" / "sd2.1.json").read_text())
    assert [schedule["nfe"] for schedule in content["schedules"]] == [4, 5, 6, 8]
    page = (tmp_path / "out" / "index.md").read_text()
    assert page.count("\n| ") == 2 * 5
    assert presets()["sd2.1"].source in page


@pytest.mark.parametrize("nfe", [3, 31])
def test_every_preset_has_a_schedule(tmp_path, capsys, nfe):
    assert main(["table", "--nfe", str(nfe), "-o", str(tmp_path)]) == 0
    assert len(list(tmp_path.glob("*.json"))) == len(presets())
    assert all(json.loads(path.read_text())["schedules"] for path in tmp_path.glob("*.json"))


def test_a_budget_that_a_solver_cannot_spend_is_left_out_with_a_word(tmp_path, capsys):
    assert main(["table", "--models", "sd2.1", "--solver", "heun", "--nfe", "4,5", "-o", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "sd2.1.json").read_text())
    assert [schedule["nfe"] for schedule in content["schedules"]] == [5]
    assert len(content["schedules"][0]["times"]) == 3
    assert "left out: sd2.1: nfe: expected an odd number of network calls with heun" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--models", "sd2", "-o", "out"], "--models: expected one of"),
        (["--nfe", "9-4", "-o", "out"], "--nfe: expected integers between commas, or ranges"),
        (["--nfe", "four", "-o", "out"], "--nfe: expected integers between commas, or ranges"),
        (["--nfe", "0", "-o", "out"], "--nfe: expected an integer from 1"),
        (["--nfe", "4-4000", "-o", "out"], "--nfe: expected an integer from 1 to 1000, got 1001"),
        (["--nfe", "1-2000000000", "-o", "out"], "--nfe: expected an integer from 0 to 100000"),
        (["--nfe", "4,4-6", "-o", "out"], "--nfe: expected each of them once, got '4 more than once'"),
        (["--models", "ddpm,sd2.1,ddpm", "-o", "out"], "--models: expected each of them once"),
        (["--solver", "", "-o", "out"], "--solver: expected one of"),
        (["-o", "file/out"], "cannot make the folder"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, monkeypatch, words, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["table", *words]) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
