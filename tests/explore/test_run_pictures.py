"""The images of a run, from the folder that a comparison writes, and nothing from anywhere else."""

from __future__ import annotations

import base64
import json
import shutil

import numpy as np
import pytest

from hso.errors import ArgumentError, FileError
from hso.explore.run_pictures import RunPictures

from .conftest import pictures


def pixels(found):
    shape = (found["count"], found["height"], found["width"], found["channels"])
    return np.frombuffer(base64.b64decode(found["bytes"]), dtype=np.uint8).reshape(shape)


def sums_of(run, index):
    key = json.loads((run / "plan.json").read_text())["entries"][index]["key"]
    (path,) = (run / "sums" / key).glob("*.npz")
    return path


def test_every_entry_has_its_images(run):
    found = RunPictures(run)
    summary = found.summary()
    assert summary["folder"] == "mine"
    assert [(one["names"], one["solver"], one["nfe"]) for one in summary["entries"]] == [
        (["reference"], "ddim", 12),
        (["trailing"], "ddim", 4),
        (["hso"], "ddim", 4),
    ]
    for index in range(3):
        assert np.array_equal(pixels(found.images(index))[..., 0], pictures(50 * index))
    assert found.images(1)["times"] == pytest.approx([1.0, 0.75, 0.5, 0.25])


def test_nothing_is_written_into_the_folder(run):
    before = sorted(path.relative_to(run) for path in run.rglob("*"))
    found = RunPictures(run)
    found.summary()
    found.images(0)
    assert sorted(path.relative_to(run) for path in run.rglob("*")) == before


def test_colours_stay_colours(run):
    path = sums_of(run, 1)
    np.savez(path, pictures=pictures(7, colours=3))
    assert np.array_equal(pixels(RunPictures(run).images(1)), pictures(7, colours=3))


def test_the_folder_of_a_demo_has_its_run_inside(run, tmp_path):
    shutil.copytree(run, tmp_path / "demo" / "run")
    assert RunPictures(tmp_path / "demo").summary()["folder"] == "demo"


def test_figures_of_the_report_stand_beside_the_images(run):
    figures = {"error": {"value": 0.25, "low": 0.2, "high": 0.3}}
    rows = [{"solver": "ddim", "nfe": 4, "schedules": ["trailing"], "figures": figures}]
    (run / "comparison.json").write_text(json.dumps({"rows": rows}))
    assert [one["figures"] for one in RunPictures(run).summary()["entries"]] == [{}, {"error": 0.25}, {}]


@pytest.mark.parametrize("content", ["[]", '{"rows": 3}', '{"rows": [{}]}', "not JSON"])
def test_a_damaged_report_is_left_out(run, content):
    (run / "comparison.json").write_text(content)
    assert all(one["figures"] == {} for one in RunPictures(run).summary()["entries"])


@pytest.mark.parametrize("index", [3, -1, "0", None, 1.0, True, "../plan"])
def test_entries_are_asked_for_by_number(run, index):
    with pytest.raises(ArgumentError, match="entry: expected an integer from 0 to 2"):
        RunPictures(run).images(index)


@pytest.mark.parametrize("key", ["../../secret", "/etc", "a/b", "", ".", ".."])
def test_a_key_that_leads_out_of_the_folder_is_refused(run, key):
    plan = json.loads((run / "plan.json").read_text())
    plan["entries"][1]["key"] = key
    (run / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(FileError, match="expected the plan of a run"):
        RunPictures(run)


@pytest.mark.parametrize("what", ["sums", "entry", "batch"])
def test_a_link_that_leads_out_of_the_folder_is_not_followed(run, tmp_path, what):
    batch = sums_of(run, 1)
    place = {"sums": run / "sums", "entry": batch.parent, "batch": batch}[what]
    elsewhere = tmp_path / "elsewhere"
    shutil.move(place, elsewhere)
    place.symlink_to(elsewhere)
    with pytest.raises(FileError, match="is a link that leads out of the folder of the run"):
        RunPictures(run).images(1)


def test_a_plan_that_is_a_link_is_not_followed(run, tmp_path):
    shutil.move(run / "plan.json", tmp_path / "plan.json")
    (run / "plan.json").symlink_to(tmp_path / "plan.json")
    with pytest.raises(FileError, match="expected the folder of a comparison"):
        RunPictures(run)


@pytest.mark.parametrize(
    "arrays",
    [
        {"pictures": np.zeros((2, 3, 3))},
        {"pictures": np.zeros((2, 3, 3, 4), dtype=np.uint8)},
        {"pictures": np.zeros(5, dtype=np.uint8)},
    ],
)
def test_what_are_no_images_is_refused(run, arrays):
    np.savez(sums_of(run, 1), **arrays)
    with pytest.raises(FileError, match="expected a batch of a run, found something else"):
        RunPictures(run).images(1)


def test_a_damaged_batch_is_refused(run):
    sums_of(run, 1).write_bytes(b"PK damaged")
    with pytest.raises(FileError, match="expected a batch of a run, found something else"):
        RunPictures(run).images(1)


def test_states_that_are_no_images_have_none(run):
    np.savez(sums_of(run, 1), index=np.arange(2))
    assert RunPictures(run).images(1)["count"] == 0


def test_an_entry_that_is_not_finished_says_so(run):
    sums_of(run, 1).unlink()
    with pytest.raises(FileError, match=r"no batch of ddim-4-[0-9a-f]+ is finished"):
        RunPictures(run).images(1)
