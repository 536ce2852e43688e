"""hso show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hso as library


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "s.json"
    library.optimize(library.NoiseSchedule.preset("sd2.1"), 4, strategy="exact", terminal="t_min").schedule.save(path)
    return path


def test_the_schedule_and_its_provenance_are_shown(hso, saved):
    code, out, err = hso("show", saved)
    assert (code, err) == (0, "")
    for text in ("4 nodes", "0.96000", "provenance", "exact", "continuous", "seed"):
        assert text in out


def test_json_is_the_files_content(hso, saved):
    assert json.loads(hso("show --json", saved).out) == json.loads(saved.read_text())


def test_the_plot_has_the_noise_schedule_where_it_is_a_preset(hso, saved, tmp_path):
    assert hso("show", saved, "--plot", tmp_path / "s.svg").code == 0
    assert "of sd2.1 (grey)" in (tmp_path / "s.svg").read_text()


def test_the_plot_has_no_noise_schedule_where_it_is_unknown(hso, tmp_path):
    other = library.NoiseSchedule.linear_vp()
    library.optimize(other, 4).schedule.save(tmp_path / "s.json")
    assert hso("show", tmp_path / "s.json", "--plot", tmp_path / "s.svg").code == 0
    assert "(grey)" not in (tmp_path / "s.svg").read_text()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: "", "expected a schedule in JSON"),
        (lambda text: text[:200], "expected a schedule in JSON"),
        (lambda text: "[1, 2]", "format: expected"),
        (lambda text: text.replace('"version": 1', '"version": 7'), "version: expected 1, got 7"),
        (lambda text: text.replace('"nfe": 4', '"nfe": "4"'), "nfe"),
        (lambda text: text.replace('"nfe": 4', '"nfe": 5'), "nfe: expected 4, the number of lambdas, got 5"),
        (lambda text: text.replace('"nfe": 4,', ""), "nfe"),
        (lambda text: text.replace('"terminal_time": 0.03', '"terminal_time": 2'), "terminal_time"),
    ],
)
def test_a_damaged_file_is_refused_and_the_field_is_named(hso, saved, damage, says):
    saved.write_text(damage(saved.read_text()))
    code, out, err = hso("show", saved)
    assert (code, out) == (2, "")
    assert err.startswith(f"hso: error: {saved}: ")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("solver", "text"), [("heun", "for heun, 5 network calls"), ("ddim", "for ddim, 5 network calls")]
)
def test_the_solver_is_named(hso, tmp_path, solver, text):
    library.optimize(library.NoiseSchedule.preset("sd2.1"), 5, solver=solver).schedule.save(tmp_path / "s.json")
    assert text in hso("show", tmp_path / "s.json").out.splitlines()


def test_no_solver_is_named_where_none_is_known(hso, tmp_path):
    noise = library.NoiseSchedule.preset("sd2.1")
    library.SamplingSchedule.from_timesteps(noise, [999, 499]).save(tmp_path / "s.json")
    assert "network call" not in hso("show", tmp_path / "s.json").out
