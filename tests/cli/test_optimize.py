"""hso optimize."""

from __future__ import annotations

import errno
import json

import pytest

import hso as library
from hso.models.bundled import digits_folder
from hso.objectives import MEP
from hso.search import Boundary, Box, Constraints, Exact

# fmt: off
KEYS = [
    "nfe", "solver", "strategy", "noise", "timesteps", "times", "lambdas", "sigmas", "terminal",
    "objective", "penalty", "fitness", "feasible", "psi", "evaluations", "seconds", "constraints", "told_times",
]
# fmt: on
OPTIMIZE = "optimize --noise sd2.1 --nfe 5"


@pytest.fixture
def noise() -> library.NoiseSchedule:
    return library.NoiseSchedule.preset("sd2.1")


def test_json_is_one_object_with_the_agreed_keys_in_their_order(hso):
    code, out, err = hso(OPTIMIZE, "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    content = json.loads(out)
    assert list(content) == KEYS
    assert list(content["psi"]) == ["rho", "t_min", "t_max"]
    assert content["noise"] == "sd2.1"


@pytest.mark.parametrize("solver", ["unipc", "ddim"])
def test_json_says_what_the_library_returns(hso, noise, solver):
    content = json.loads(hso(OPTIMIZE, "--json", "--solver", solver).out)
    result = library.optimize(noise, 5, solver=solver)
    assert content["times"] == result.schedule.times.tolist()
    assert content["lambdas"] == result.schedule.lambdas.tolist()
    assert content["sigmas"] == result.schedule.sigmas.tolist()
    assert content["timesteps"] == result.schedule.timesteps.tolist()
    assert content["objective"] == result.objective
    assert content["evaluations"] == result.evaluations
    assert content["terminal"] == "clean"


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (
            "--strategy bilevel --seed 3 --rho 5 6",
            {"strategy": "bilevel", "seed": 3, "constraints": Constraints(Box(rho=(5, 6)))},
        ),
        ("--objective mep:p=1 --d-min 0.05", {"objective": MEP(p=1), "constraints": Constraints(d_min=0.05)}),
        (
            "--t-min 0.02 0.05 --t-max 0.9 0.95",
            {"constraints": Constraints(Box(t_min=(0.02, 0.05), t_max=(0.9, 0.95)))},
        ),
        ("--terminal clean", {"terminal": "clean"}),
        ("--strategy exact:grid=training", {"strategy": Exact(grid="training")}),
        ("--objective dm_nonuniform --strategy local", {"objective": "dm_nonuniform", "strategy": "local"}),
        ("--strength 0.6", {"constraints": Constraints(start=0.6)}),
        (
            "--start-sigma 14",
            {"constraints": Constraints(start=library.NoiseSchedule.preset("sd2.1").time_of_sigma(14.0))},
        ),
        ("--boundary 0.8", {"constraints": Constraints(boundary=0.8)}),
        ("--boundary 0.8 --per-expert 2", {"constraints": Constraints(boundary=Boundary(0.8, 2))}),
    ],
)
def test_every_option_reaches_the_library(hso, noise, words, settings):
    content = json.loads(hso(f"{OPTIMIZE} {words} --json").out)
    assert content["times"] == library.optimize(noise, 5, **settings).schedule.times.tolist()


def test_the_table_shows_every_knot_and_how_the_search_ended(hso):
    code, out, err = hso(OPTIMIZE, "--terminal", "t_min", "--strategy", "exact")
    assert (code, err) == (0, "")
    for text in ("5 nodes", "959", "0.96000", "11.54277", "-2.44606", "terminal", "1.78788", "kept", "evaluations in"):
        assert text in out


def test_the_table_says_when_spacing_cannot_be_kept(hso):
    code, out, _ = hso(OPTIMIZE, "--d-min", 0.5)
    assert code == 0
    assert "NOT kept" in out
    assert "no schedule in the box keeps d_min" in out


def test_a_part_says_where_it_begins_and_what_the_image_is_noised_to(hso, noise):
    out = hso(OPTIMIZE, "--strength", 0.6).out
    assert f"begins part-way at t = 0.60000, with an image noised to sigma~ = {float(noise.sigmas(0.6)):.5f}" in out
    assert json.loads(hso(OPTIMIZE, "--strength", 0.6, "--json").out)["constraints"]["start"] == 0.6
    assert "part-way" not in hso(OPTIMIZE).out


def test_two_networks_are_told_how_many_nodes_they_have(hso):
    line = "optimize --noise wan2.2 --nfe"
    assert "networks change at t = 0.36842: 3 nodes, then 1 (at least 1 each)" in hso(line, 4).out
    assert "3 nodes, then 3 (at least 3 each)" in hso(line, 6, "--per-expert", 3).out
    assert "(no least number)" in hso(line, 4, "--strategy", "bilevel").out
    boundary = json.loads(hso(line, 4, "--json").out)["constraints"]["boundary"]
    assert boundary == {"t": pytest.approx(7 / 19, abs=1e-6), "nodes": 1}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("--strength 0.6 --start-sigma 5", "--start-sigma: expected none with --strength"),
        ("--strength 1.5", "--strength: expected a number in [0, 1], got 1.5"),
        ("--strength 0.02", "--strength: expected a time above 0.03"),
        ("--start-sigma 50", "--start-sigma: expected a number in [0.0291672, 14.6146], got 50.0 (sigma / alpha)"),
        ("--strength 0.6 --t-max 0.9 1", "--strength: expected none with a range of t_max"),
        ("--strength 0.6004 --strategy exact:grid=training", "--strength: expected a training timestep, such as 0.6"),
        ("--per-expert 1", "--per-expert: expected --boundary too, because sd2.1 is not known to have two networks"),
        ("--boundary 0.7 --per-expert 3", "--boundary: expected at most 2 nodes on each side, for 5 nodes"),
        ("--boundary 7", "--boundary: expected a number in [0, 1], got 7.0"),
        ("--boundary 0.7 --strategy bilevel", "--boundary: expected none with strategy bilevel, which does not use it"),
        ("--boundary 0.5 --strength 0.4", "--boundary: expected a time between 0.01 and 0.4 with room"),
    ],
)
def test_parts_and_boundaries_without_meaning_are_one_line_and_exit_code_2(hso, words, problem):
    code, out, err = hso(f"{OPTIMIZE} {words}")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert problem in err


def test_a_name_with_brackets_is_shown_as_it_is(hso, tmp_path):
    folder = tmp_path / "[bold]model"
    folder.mkdir()
    (folder / "scheduler_config.json").write_text('{"beta_end": 0.02}')
    assert "[bold]model: 4 nodes" in hso("optimize --nfe 4 --noise", folder).out


def test_one_node_needs_no_interval(hso):
    assert "least distance none" in hso("optimize --noise sd2.1 --nfe 1 --solver ddim").out


def test_a_saved_schedule_is_the_printed_one(hso, tmp_path):
    path = tmp_path / "s.json"
    code, out, err = hso(OPTIMIZE, "--json", "-o", path)
    assert (code, err) == (0, f"wrote {path}\n")
    assert library.SamplingSchedule.load(path).times.tolist() == json.loads(out)["times"]


def test_noise_may_be_a_file_or_a_model_folder(hso, tmp_path):
    config = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}
    folder = tmp_path / "model" / "scheduler"
    folder.mkdir(parents=True)
    (folder / "scheduler_config.json").write_text(json.dumps(config))
    # A scheduler's configuration does not say how its model is guided, on which the default depends.
    asked = "--strategy exact --terminal t_min --json"
    preset = json.loads(hso(f"{OPTIMIZE} {asked}").out)
    for source in (folder / "scheduler_config.json", tmp_path / "model"):
        content = json.loads(hso(f"optimize --nfe 5 {asked} --noise", source).out)
        assert content["noise"] == "model"
        assert content["times"] == preset["times"]


def test_a_folder_that_is_no_model_is_named(hso, tmp_path):
    code, _, err = hso("optimize --nfe 5 --noise", tmp_path)
    assert code == 2
    assert f"{tmp_path}: expected a diffusers folder" in err


def test_the_schedule_is_printed_even_where_it_cannot_be_saved(hso, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hso.files.os.fsync", full)
    path = tmp_path / "s.json"
    code, out, err = hso(OPTIMIZE, "--json", "-o", path)
    assert code == 2
    assert json.loads(out)["nfe"] == 5
    assert err == f"hso: error: {path}: cannot write: No space left on device\n"
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_the_old_file(hso, tmp_path, monkeypatch):
    path = tmp_path / "s.json"
    path.write_text("old")

    def interrupted(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr("hso.files.os.fsync", interrupted)
    assert hso(OPTIMIZE, "-o", path).code == 130
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_plot_is_written_in_the_format_of_its_name(hso, tmp_path, kind):
    path = tmp_path / f"s.{kind}"
    code, _, err = hso(OPTIMIZE, "--plot", path)
    assert (code, err) == (0, f"wrote {path}\n")
    assert path.read_bytes()[:8].strip() in (b"\x89PNG\r\n\x1a", b"<?xml ve", b"%PDF-1.4")


def test_a_plot_of_another_kind_is_refused(hso, tmp_path):
    code, _, err = hso(OPTIMIZE, "--plot", tmp_path / "s.txt")
    assert code == 2
    assert "--plot: expected a file name that ends in .pdf, .png, .svg" in err


def test_a_spinner_is_shown_to_those_who_watch_a_slow_search(hso, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    _, out, err = hso(OPTIMIZE, "--strategy", "bilevel", "--json")
    assert json.loads(out)["strategy"] == "bilevel"
    assert "searching, strategy bilevel" in err


def test_the_bundled_models_folder_is_a_noise_schedule_too(hso):
    content = json.loads(hso("optimize --nfe 5 --json --noise", digits_folder()).out)
    assert content["noise"] == "digits"
