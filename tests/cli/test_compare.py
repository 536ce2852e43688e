"""``hso compare``, as typed."""

from __future__ import annotations

import json

import pytest

BASE = "compare --model gaussian --solver ddim --nfe 3 --schedules trailing,hso_exact --samples 50 --reference-nfe 20"


def test_a_table_and_three_files(hso, tmp_path):
    ran = hso(BASE, "-o", tmp_path)
    assert ran.code == 0, ran.err
    assert "hso_exact" in ran.out
    assert " *" in ran.out
    for name in ("comparison.json", "comparison.csv", "report.html"):
        assert f"wrote {tmp_path / name}" in ran.err
        assert (tmp_path / name).stat().st_size > 100


def test_json_is_one_object(hso, tmp_path):
    ran = hso(BASE, "-o", tmp_path, "--json")
    content = json.loads(ran.out)
    assert content["subject"] == "gaussian"
    assert [row["schedules"] for row in content["rows"]] == [["trailing"], ["hso_exact"]]
    again = hso(BASE, "-o", tmp_path, "--json", "--finished")
    assert json.loads(again.out) == content


def test_refusals_are_said(hso, tmp_path):
    ran = hso(BASE.replace("hso_exact", "ays_svd"), "-o", tmp_path)
    assert ran.code == 0
    assert "refused: ays_svd, NFE 3: noise: expected" in ran.err


def test_a_schedule_file_is_compared_with_the_others(hso, tmp_path):
    mine = tmp_path / "mine.json"
    assert hso("optimize --noise sd1.5 --nfe 3 --solver ddim --strategy exact", "-o", mine).code == 0
    ran = hso(BASE.replace("trailing,", f"trailing,{mine},"), "-o", tmp_path / "run", "--json")
    assert [row["schedules"] for row in json.loads(ran.out)["rows"]] == [["trailing"], ["mine.json", "hso_exact"]]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--model gausian", "did you mean 'gaussian'"),
        ("--model ./nowhere", "expected a diffusers pipeline folder, found nothing"),
        ("--solver dim", "expected one of"),
        ("--nfe four", "--nfe: expected integers between commas"),
        ("--schedules best", "--schedules: expected one of"),
        ("--schedules absent.json", "absent.json: cannot read the schedule"),
        ("--samples 1", "--samples: expected an integer from 10"),
        ("--guidance 3", "--guidance: expected 1 for gaussian"),
        ("--model digits --device abacus", "--device: expected a device that this machine has"),
        ("--finished", "expected the folder of a run, found none"),
        ("--processes 0", "--processes: expected an integer from 1"),
        ("--also fid", "--also: expected one of kid, precision, recall"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(hso, tmp_path, words, says):
    ran = hso(f"{BASE} {words}", "-o", tmp_path / "run")
    assert ran.code == 2
    assert ran.out == ""
    assert says in ran.err
    assert ran.err.count("\n") == 1
