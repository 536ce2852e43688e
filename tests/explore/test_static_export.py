"""The exported page has the schedules that the library gives."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hso
from hso.explore import static_export
from hso.explore.rivals import RIVALS, rivals
from hso.explore.server import page_files
from hso.solvers import make_solver

NAMES, BUDGETS = ("sd1.5", "sdxl", "sd3", "edm-cifar10", "wan2.2"), (4, 5, 8)


@pytest.fixture(scope="module")
def book():
    return static_export.content(NAMES, BUDGETS)


def cells(book):
    for model in book["models"]:
        for solver, row in zip(book["solvers"], book["cells"][model["cells"]], strict=True):
            for nfe, place in zip(book["budgets"], row, strict=True):
                yield model["name"], solver, nfe, None if place < 0 else book["found"][place]


def test_every_cell_is_what_optimize_gives(book):
    for name, solver, nfe, found in cells(book):
        if found is None:
            assert (solver, nfe % 2) == ("heun", 0)
            continue
        result = hso.optimize(hso.NoiseSchedule.preset(name), nfe, solver=solver)
        assert found["t"] == pytest.approx(result.schedule.times.tolist(), abs=1e-5)
        assert found["J"] == pytest.approx(result.objective, rel=1e-5)
        assert found["steps"] == (None if result.schedule.train_steps is None else result.schedule.timesteps.tolist())


def test_every_cell_has_the_rivals_that_apply(book):
    for name, solver, nfe, found in cells(book):
        if found is None:
            continue
        expected = {
            list(RIVALS).index(rival.name): rival.schedule.times
            for rival in rivals(hso.NoiseSchedule.preset(name), nfe, make_solver(solver))
            if rival.schedule
        }
        assert {index for index, _, _ in found["others"]} == set(expected)
        for index, place, _ in found["others"]:
            assert book["times"][place] == pytest.approx(expected[index].tolist(), abs=1e-4)


def test_models_with_one_noise_schedule_share_it(book):
    noises = {model["name"]: model["noise"] for model in book["models"]}
    assert noises["sd1.5"] == noises["sdxl"]
    assert len(book["noises"]) == len(set(noises.values())) == 4


def test_the_files_are_the_page_and_its_schedules(tmp_path, monkeypatch):
    monkeypatch.setattr(static_export, "content", lambda: {"models": []})
    written = list(static_export.write(tmp_path / "site"))
    assert {path.name for path in written} == {*page_files(), "schedules.json"}
    html = (tmp_path / "site" / "index.html").read_text()
    assert '<meta name="hso-schedules" content="schedules.json">' in html
    assert "default-src 'none'" in html
    assert json.loads((tmp_path / "site" / "schedules.json").read_text()) == {"models": []}
    assert np.all(
        [(tmp_path / "site" / name).read_bytes() == page_files()[name] for name in page_files() if name != "index.html"]
    )
