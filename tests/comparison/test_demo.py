"""The demo is a small comparison of the bundled model, and its pictures show what the comparison's run holds."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import hso
from hso.comparison.demo import NAMES, demo_settings, processes_for
from hso.comparison.report import showcase
from hso.comparison.report.showcase import COLUMNS, GAIN, Showcase
from hso.comparison.runs.run import compare
from hso.models.bundled import digits_folder

pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    # The reference alone would take most of the time.
    settings = dataclasses.replace(demo_settings(budgets=(2, 3), samples=50, guidance=1.0), reference_nfe=2)
    outcome = compare(settings, tmp_path_factory.mktemp("demo") / "run", resamples=20)
    return Showcase(outcome, NAMES, hso.NoiseSchedule.from_config(digits_folder()))


def test_every_solver_and_budget_has_its_default_and_its_rivals(shown):
    assert shown.outcome.cells == [("ddim", 2), ("ddim", 3), ("unipc", 2), ("unipc", 3)]
    for solver, nfe in shown.outcome.cells:
        names = [name for row in shown.outcome.cell(solver, nfe, "error") for name in row.names]
        assert sorted(names) == sorted(NAMES)


def test_the_command_draws_what_the_readme_shows():
    settings = demo_settings()
    assert (settings.budgets, settings.samples, settings.subject.guidance) == ((4, 5, 6, 8, 10), 100, 3.0)
    assert [solver.name for solver in settings.methods] == ["ddim", "unipc"]
    assert 1 <= processes_for(settings) <= len(settings.batches())


def test_the_files_are_what_is_promised(shown, tmp_path):
    written = shown.write(tmp_path / "demo")
    assert [path.name for path in written] == [
        "closeup.png",
        "grid.png",
        "differences.png",
        "schedules.png",
        "table.md",
    ]
    assert all(path.stat().st_size > 100 for path in written)
    content = json.loads((tmp_path / "demo" / "table.json").read_text())
    assert len(content["rows"]) == len(shown.outcome.rows)
    table = (tmp_path / "demo" / "table.md").read_text().splitlines()
    lines = [line for line in table if line.startswith("|")]
    assert {line.count("|") for line in lines} == {len(shown.heads) + 1}
    assert len(lines) == len(shown.outcome.rows) + 3
    for row in shown.outcome.rows:
        for name in row.names:
            file = f"{row.entry.solver}-{row.entry.nfe}-{NAMES[name].lower()}.json"
            assert hso.SamplingSchedule.load(tmp_path / "demo" / "schedules" / file) == row.entry.schedule


def test_the_best_of_each_cell_is_marked(shown):
    lines = shown.table(("best {}", "{} tied", "{}"))[1:]
    for column, metric in enumerate(shown.outcome.metrics, start=4):
        for solver, nfe in shown.outcome.cells:
            cell = [line[column] for line in lines if line[:2] == (solver, str(nfe))]
            (best,) = [words for words in cell if words.startswith("best")]
            assert best == f"best {shown.outcome.best(solver, nfe, metric).figures[metric].value:.3g}"


@pytest.fixture
def drawn(shown, tmp_path, monkeypatch):
    """The blocks of every picture, by its title."""
    found = {}
    monkeypatch.setattr(showcase, "image_grid", lambda blocks, title, *rest, **more: found.update({title: blocks}))
    monkeypatch.setattr(showcase, "save_figure", lambda figure, path: None)
    shown.write(tmp_path)
    return found


def _of(drawn, title):
    (blocks,) = [blocks for each, blocks in drawn.items() if each.startswith(title)]
    return blocks


def test_the_grid_shows_the_images_of_the_run(shown, drawn):
    grid = _of(drawn, "The same noise")
    assert list(grid) == ["ddim", "unipc"]
    for solver, rows in grid.items():
        assert list(rows)[:2] == ["reference, 2 calls", "2 calls, default"]
        assert all(images.shape == (COLUMNS, 16, 16) and images.dtype == np.uint8 for images in rows.values())
        row = next(r for r in shown.outcome.rows if (r.entry.solver, r.entry.nfe) == (solver, 3) and "hso" in r.names)
        assert np.array_equal(rows["3 calls, HSO"], shown.outcome.pictures(row))
        # Ten digits, so ten different pictures.
        assert len(np.unique(rows["3 calls, HSO"].reshape(COLUMNS, -1), axis=0)) == COLUMNS


def test_differences_are_those_from_the_reference(drawn):
    grid, differences = _of(drawn, "The same noise"), _of(drawn, "Differences")
    for solver, rows in grid.items():
        first = rows["reference, 2 calls"]
        assert list(differences[solver]) == list(rows)
        assert not differences[solver]["reference, 2 calls"].any()
        for name, images in rows.items():
            expected = np.minimum(GAIN * np.abs(images - first.astype(float)), 255)
            assert np.array_equal(differences[solver][name], expected)


def test_the_closeup_has_one_solver_and_one_number_of_calls(drawn):
    closeup, grid = _of(drawn, "unipc, 3 network calls"), _of(drawn, "The same noise")
    images, differences = closeup.values()
    assert list(images) == ["reference, 2 calls", *(f"3 calls, {name}" for name in NAMES.values())]
    assert all(np.array_equal(images[name], grid["unipc"][name]) for name in images)
    assert list(differences) == list(images)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"budgets": (4, 0)}, "nfe: expected an integer from 1"),
        ({"samples": 5}, "samples: expected an integer from 10"),
        ({"guidance": -1.0}, "guidance: expected a number in"),
        ({"terminal": "dirty"}, "terminal: expected one of clean, published, t_min"),
        ({"seed": 0.5}, "seed: expected an integer"),
    ],
)
def test_unusable_settings_are_refused(settings, says):
    with pytest.raises(hso.ArgumentError, match=says):
        demo_settings(**settings)
