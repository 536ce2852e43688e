"""The demo, small: the same job with few samples and few evaluations."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hso
from hso.comparison import demo
from hso.comparison import demo_report as report
from hso.comparison.demo import Settings

SMALL = Settings(budgets=(2, 3), samples=10)


@pytest.fixture(scope="module")
def outcome():
    done = []
    noise = demo.bundled_noise()
    # The reference alone would take most of the time.
    rows = [row for row in demo.plan(noise, SMALL) if row.name != demo.REFERENCE]
    rows = [demo.Row("unipc", demo.REFERENCE, rows[-1].schedule), *rows]
    found = demo.run(noise, rows, SMALL, done.append)
    assert sum(done) == demo.work(rows, SMALL)
    return found


def test_every_solver_and_budget_has_its_default_and_its_rivals():
    rows = demo.plan(demo.bundled_noise(), SMALL)
    assert [row.name.partition(" ")[0] for row in rows] == ["reference", *["default", "DM-NonUniform", "HSO"] * 4]
    assert [(row.solver, row.schedule.nfe) for row in rows[3::3]] == [
        ("ddim", 2),
        ("ddim", 3),
        ("unipc", 2),
        ("unipc", 3),
    ]


def test_defaults_are_what_diffusers_does_when_nobody_asks():
    diffusers = pytest.importorskip("diffusers")
    noise = demo.bundled_noise()
    config = diffusers.DDIMScheduler(steps_offset=1).config
    for solver, scheduler in (("ddim", diffusers.DDIMScheduler), ("unipc", diffusers.UniPCMultistepScheduler)):
        theirs = scheduler.from_config({name: config[name] for name in ("num_train_timesteps", "steps_offset")})
        theirs.set_timesteps(5)
        (ours,) = [
            row for row in demo.plan(noise, Settings(budgets=(5,))) if (row.solver, row.name[:7]) == (solver, "default")
        ]
        assert ours.schedule.timesteps.tolist() == theirs.timesteps.tolist()


def test_all_rows_have_samples_and_finite_figures(outcome):
    assert all(images.shape == (10, 16, 16) and np.abs(images).max() <= 1 for images in outcome.images)
    assert np.isfinite(outcome.figures).all()
    assert outcome.figures[0].error == 0


def test_rows_with_one_schedule_and_solver_get_the_same_samples(outcome):
    last = outcome.rows[-1]
    assert (last.solver, last.name) == ("unipc", "HSO")
    assert np.array_equal(outcome.images[0], outcome.images[-1])


def test_the_number_of_cores_does_not_change_the_samples(outcome):
    torch = pytest.importorskip("torch")
    cores = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if cores > 1 else 2)
        again = demo.run(outcome.noise, outcome.rows[:1], SMALL)
        assert np.array_equal(again.images[0], outcome.images[0])
    finally:
        torch.set_num_threads(cores)


def test_the_files_are_what_is_promised(outcome, tmp_path):
    report.prepare(tmp_path / "demo")
    written = report.write(outcome, SMALL, tmp_path / "demo")
    assert [path.name for path in written] == ["grid.png", "schedules.png", "table.md"]
    assert all(path.stat().st_size > 100 for path in written)
    content = json.loads((tmp_path / "demo" / "table.json").read_text())
    assert len(content["rows"]) == len(outcome.rows)
    assert content["rows"][3]["mep"] == outcome.figures[3].mep
    table = (tmp_path / "demo" / "table.md").read_text().splitlines()
    assert [line.count("|") for line in table if line.startswith("|")] == [len(report.COLUMNS) + 1] * (
        len(outcome.rows) + 2
    )


def test_every_schedule_is_kept_for_use_elsewhere(outcome, tmp_path):
    report.prepare(tmp_path)
    report.write(outcome, SMALL, tmp_path)
    for row in outcome.rows[1:]:
        name = f"{row.solver}-{row.schedule.nfe}-{row.name.partition(' ')[0].lower()}.json"
        assert hso.SamplingSchedule.load(tmp_path / "schedules" / name) == row.schedule


def test_the_table_says_where_each_row_lands(outcome):
    column = report.COLUMNS.index("lands on")
    assert {row[column] for row in report.table(outcome)} == {"clean"}


def test_optimized_schedules_can_land_on_t_min():
    rows = demo.plan(demo.bundled_noise(), Settings(budgets=(3,), terminal="t_min"))
    assert [row.schedule.ends_clean for row in rows] == [True, True, False, False, True, False, False]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"budgets": (4, 1)}, "nfe: expected an integer from 2 to 100, got 1"),
        ({"samples": 5}, "samples: expected an integer from 10"),
        ({"guidance": -1.0}, "guidance: expected a number in"),
        ({"terminal": "dirty"}, "terminal: expected one of clean, t_min"),
        ({"seed": 0.5}, "seed: expected an integer"),
    ],
)
def test_unusable_settings_are_refused(settings, says):
    with pytest.raises(hso.ArgumentError) as caught:
        Settings(**settings)
    assert says in str(caught.value)
