"""hso calibrate, hso optimize --calibration and hso tune, on a model that costs nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import hso as library
from hso.models.bundled import digits_folder

CALIBRATE = "calibrate --model mixture --images 16 --points 16 -o"


@pytest.fixture
def calibration(hso, tmp_path):
    file = tmp_path / "mixture.calibration"
    code, out, err = hso(CALIBRATE, file)
    assert code == 0, err
    assert "16 images, 496 network calls, where each image counts as one" in out
    return file


def test_a_calibration_makes_schedules_without_the_network(hso, calibration, tmp_path):
    known = library.Calibration.load(calibration)
    assert (known.images, len(known.lambdas)) == (16, 16)
    content = json.loads(hso("optimize --noise sd1.5 --nfe 5 --solver unipc --json --calibration", calibration).out)
    expected = library.optimize(library.NoiseSchedule.preset("sd1.5"), 5, solver="unipc", calibration=known)
    assert (content["strategy"], content["times"]) == ("free", expected.schedule.times.tolist())
    assert not (tmp_path / "mixture.calibration.part").exists()


def test_a_learned_solver_says_who_can_run_it(hso, calibration, tmp_path):
    file = tmp_path / "four.json"
    found = hso("optimize --noise sd1.5 --nfe 4 --strategy learned:turns=1 --calibration", calibration, "-o", file)
    assert found.code == 0, found.err
    assert "PlannedScheduler.from_scheduler(pipe, hso.SamplingSchedule.load(FILE))" in found.out
    assert "for learned, from unipc, 4 network calls" in hso("show", file).out
    for host in ("comfyui", "diffusers-timesteps", "python"):
        code, out, err = hso("convert", file, "--to", host)
        assert (code, out) == (2, "")
        assert f"nodes for a published solver, which is all that {host} runs" in err
        assert err.count("\n") == 1
    assert "the schedule is for a learned solver" in hso("lint", file, "--host", "comfyui").out


def test_the_bundled_model_has_a_name(hso):
    named = json.loads(hso("optimize --noise digits --nfe 4 --json").out)
    assert named["noise"] == "digits"
    folder = library.NoiseSchedule.from_config(digits_folder())
    assert named["times"] == library.optimize(folder, 4).schedule.times.tolist()


def test_facts_as_json(hso, tmp_path):
    found = json.loads(hso(CALIBRATE, tmp_path / "c", "--json").out)
    assert (found["images"], found["points"], found["calls"], found["noise"]) == (16, 16, 496, "sd1.5")
    assert 0 < found["convergence"] < 1


def test_a_stopped_calibration_goes_on_where_it_was(hso, tmp_path, monkeypatch, calibration):
    from hso.models import recording

    taken = []
    record = recording.record

    def stopping(*arguments):
        taken.append(arguments)
        if len(taken) == 3:
            raise KeyboardInterrupt
        return record(*arguments)

    monkeypatch.setattr(sys.modules["hso.calibrate"], "record", stopping)
    file = tmp_path / "again.calibration"
    assert hso(CALIBRATE, file, "--batch", 4).code == 130
    assert not file.exists()
    assert hso(CALIBRATE, file, "--batch", 4).code == 0
    # Two batches before the stop, one that was stopped, and the two that were left.
    assert len(taken) == 5
    assert library.Calibration.load(file).calls == library.Calibration.load(calibration).calls


def test_processes_under_accelerate_launch_share_the_images_and_one_of_them_speaks(hso, calibration, tmp_path):
    pytest.importorskip("accelerate")
    file = tmp_path / "shared.calibration"
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "-m", "hso"]
    words = [*launcher, *CALIBRATE.split(), str(file), "--batch", "4"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.count("16 images, 496 network calls") == 1
    assert done.stderr.count("wrote") == 1
    assert not (tmp_path / "shared.calibration.part").exists()
    alone = tmp_path / "alone.calibration"
    hso(CALIBRATE, alone, "--batch", "4")
    first, second = (library.Calibration.load(one) for one in (alone, file))
    np.testing.assert_allclose(second.grams, first.grams, atol=1e-14 * first.grams.max())


def test_tuning_ends_in_a_schedule_that_is_no_worse_than_the_safe_one(hso, calibration, tmp_path):
    file = tmp_path / "tuned.json"
    line = f"tune --model mixture --images 48 --nfe 4 --solver ddim --calibration {calibration} --json -o {file}"
    code, out, err = hso(line)
    assert code == 0, err
    found = json.loads(out)
    assert found["times"] == library.SamplingSchedule.load(file).times.tolist()
    assert {"trailing", "hso", "calibrated"} <= {one["name"] for one in found["candidates"]}
    assert found["calls"] > 0
    assert found["fell_back"] or found["gain"] is None or found["gain"]["value"] >= 0
    table = hso(line.replace(" --json", "").replace("--images 48", "--images 47"))
    assert "candidates, run for real" in table.out


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("calibrate --model mixtur -o c", "--model: expected one of"),
        ("calibrate --model mixture --images 4 -o c", "--images: expected an integer from 8"),
        ("calibrate --model mixture --points 3 -o c", "--points: expected an integer from 8"),
        ("calibrate --model mixture --batch 0 -o c", "--batch: expected an integer from 1"),
        ("calibrate --model mixture --guidance 3 -o c", "--guidance: expected 1 for mixture"),
        ("calibrate --model mixture -o nowhere/c", "nowhere/c: cannot write: there is no such folder"),
        ("tune --model mixture --nfe 4 --calibration none -o t.json", "none: cannot read"),
        ("tune --model mixture --nfe 4 --solver heun -o t.json", "--nfe: expected an odd number of network calls"),
        ("tune --model mixture --nfe 4 --features nothing -o t.json", "features: expected"),
        ("tune --model mixture --nfe 4 --features band -o t.json", "did you mean 'bands'?"),
        (
            "tune --model digits --nfe 4 --features transformers -o t.json",
            "features: expected transformers:ID_OR_FOLDER",
        ),
        ("optimize --noise cogvideox --nfe 4 --calibration CALIBRATION", "calibration made for"),
        ("optimize --noise sd1.5 --nfe 4 --objective replay", "objective: expected one that can be made from its name"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(hso, calibration, tmp_path, monkeypatch, line, problem):
    monkeypatch.chdir(tmp_path)
    code, _, err = hso(line.replace("CALIBRATION", str(calibration)))
    assert (code, err.count("\n")) == (2, 1), err
    assert problem in err


def test_a_folder_knows_in_which_features_it_was_begun(hso, tmp_path, monkeypatch):
    tune = f"tune --model gaussian --nfe 2 --images 24 --budget 3000 -o {tmp_path / 't.json'} --features"

    def stopped(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("hso.tuning.tune._run", stopped)
    assert hso(tune, "pixels").code == 130
    for other in ("own", "bands"):
        code, _, err = hso(tune, other)
        assert code == 2
        assert "features" in err


def test_a_run_that_is_killed_while_it_removes_its_folder_can_be_made_again(hso, tmp_path, monkeypatch):
    tune = "tune --model gaussian --nfe 2 --images 24 --batch 4 --budget 3000 -o"
    file = tmp_path / "t.json"
    rmtree = shutil.rmtree

    def killed(folder, **options):
        # One file is gone, and the process with it.
        for path in sorted(folder.rglob("tuning-teacher*"))[-1:]:
            path.unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", killed)
    assert hso(tune, file).code == 130
    first = library.SamplingSchedule.load(file)
    monkeypatch.setattr("shutil.rmtree", rmtree)
    assert hso(tune, file).code == 0
    assert library.SamplingSchedule.load(file) == first
    assert [path.name for path in tmp_path.iterdir()] == ["t.json"]


@pytest.mark.parametrize(
    "command", ["calibrate --images 16 --points 12 --batch 4", "tune --nfe 2 --images 24 --batch 4"]
)
@pytest.mark.parametrize("other", ["--model mixture", "--model gaussian --seed 1", "--model digits@3"])
def test_a_stopped_run_does_not_go_on_with_another_model(hso, tmp_path, monkeypatch, command, other):
    module = sys.modules["hso.calibrate"]
    record, taken = module.record, []

    def stopping(*arguments):
        taken.append(arguments)
        if len(taken) == 3:
            raise KeyboardInterrupt
        return record(*arguments)

    monkeypatch.setattr(module, "record", stopping)
    file = tmp_path / "out"
    assert hso(f"{command} --model gaussian -o", file).code == 130
    code, out, err = hso(f"{command} {other} -o", file)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "out.part: holds a run with " in err
    assert "delete it, or name another output" in err
    assert hso(f"{command} --model gaussian -o", file).code == 0


def test_a_run_whose_settings_are_nested_too_deeply_is_refused(hso, tmp_path):
    (tmp_path / "t.json.part").mkdir()
    for name in ("model.json", "run.json"):
        (tmp_path / "t.json.part" / name).write_text('{"a":' * 200_000 + "1" + "}" * 200_000)
        code, _, err = hso("tune --model gaussian --nfe 2 --images 24 -o", tmp_path / "t.json")
        assert code == 2
        assert f"{name}: expected a JSON object, found something else" in err
        (tmp_path / "t.json.part" / name).unlink()


def test_a_guidance_in_the_name_of_a_model_is_that_of_its_calibration(hso, tmp_path):
    file = tmp_path / "c"
    assert hso("calibrate --model digits@3 --images 8 --points 8 -o", file).code == 0
    assert library.Calibration.load(file).guidance == 3
    code, _, err = hso("calibrate --model digits@3 --guidance 7 --images 8 --points 8 -o", file)
    assert (code, err) == (2, "hso: error: --guidance: expected none with digits@3, which says it, got 7.0\n")
