"""One command: same noises, batches that can be stopped anywhere, and verdicts that intervals bear out."""

from __future__ import annotations

import csv
import dataclasses
import errno
import io
import json
import os
import re
from functools import partial

import numpy as np
import pytest

import hso
from hso.comparison.report import files as comparison_files
from hso.comparison.report.page import html_report
from hso.comparison.runs import plan as planning
from hso.comparison.runs import run as comparing
from hso.comparison.runs import store
from hso.comparison.runs.plan import load_plan
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.runs.work import Shard, work
from hso.comparison.subjects import SubjectSettings, load_subject
from hso.solvers import UniPC

compare = partial(comparing.compare, resamples=40)
finished_part = partial(comparing.finished_part, resamples=40)


def prepare(settings, folder):
    return planning.prepare(settings, folder, load_subject(settings.subject))


def sums_of(folder):
    """The content of all finished batches by their place."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted((folder / "sums").rglob("*.npz"))}


def test_every_case_has_every_schedule_once(outcome, small):
    assert outcome.cells == [("ddim", 3), ("ddim", 4), ("dpmpp_2m", 3), ("dpmpp_2m", 4)]
    for solver, nfe in outcome.cells:
        names = {row.names for row in outcome.cell(solver, nfe, "error")}
        assert names == {("trailing",), ("uniform_lambda", "polyexponential"), ("hso_exact",), ("gits",)}
    assert [(refusal.name, refusal.nfe) for refusal in outcome.plan.refused] == [("ays_svd", 3), ("ays_svd", 4)]
    assert outcome.images == small.samples


def test_the_reference_is_at_no_distance_from_itself(outcome):
    figures = outcome.reference.figures
    assert figures["error"].value == 0
    assert figures["reference"].value < 1e-9
    assert figures["data"].corrected < min(row.figures["data"].corrected for row in outcome.rows)


def test_a_schedule_is_beaten_only_if_the_interval_of_the_difference_says_so(outcome):
    for solver, nfe in outcome.cells:
        best, *others = outcome.cell(solver, nfe, "error")
        assert outcome.verdict(best, "error") == "best"
        for row in others:
            low, high = best.figures["error"].minus(row.figures["error"]).interval()
            assert outcome.is_beaten(row, "error") == (high < 0)
            assert low <= high


def test_no_difference_is_called_one(outcome):
    row = outcome.rows[0]
    assert not row.figures["error"].is_below(row.figures["error"])


def test_the_same_run_again_generates_nothing(outcome, small, monkeypatch):
    folder = outcome.store.folder
    before = {path: path.stat().st_mtime_ns for path in (folder / "sums").rglob("*.npz")}
    monkeypatch.setattr("hso.comparison.subjects.exact.ExactSubject.sample", None)
    monkeypatch.setattr("hso.comparison.runs.plan.make_plan", None)
    again = compare(small, folder)
    assert {path: path.stat().st_mtime_ns for path in (folder / "sums").rglob("*.npz")} == before
    assert comparison_files.to_json(again) == comparison_files.to_json(outcome)
    assert not list((folder / "reference").iterdir())


def test_two_processes_give_the_same_bytes_as_one(outcome, small, tmp_path):
    again = compare(small, tmp_path, processes=2)
    assert sums_of(tmp_path) == sums_of(outcome.store.folder)
    assert comparison_files.to_json(again) == comparison_files.to_json(outcome)


def test_a_run_grows_with_samples_budgets_and_schedules(outcome, small, tmp_path):
    fewer = dataclasses.replace(small, samples=120, budgets=(4,), schedules=("trailing", "gits"))
    compare(fewer, tmp_path)
    again = compare(small, tmp_path)
    assert sums_of(tmp_path) == sums_of(outcome.store.folder)
    assert comparison_files.to_json(again) == comparison_files.to_json(outcome)


def test_what_is_finished_can_be_judged(outcome, small, tmp_path):
    run = prepare(small, tmp_path)
    with pytest.raises(hso.ArgumentError, match="a batch that every schedule has finished"):
        finished_part(small, tmp_path)
    work(run, Shard(0, 2))
    part = finished_part(small, tmp_path)
    assert part.images == 120
    with pytest.raises(hso.FileError, match="expected the folder of a run"):
        finished_part(small, tmp_path / "absent")


def test_a_full_disk_is_named_and_what_was_finished_stays(outcome, small, tmp_path, monkeypatch):
    written = []
    plain = os.fsync

    def fsync(handle):
        written.append(handle)
        if len(written) > 40:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(handle)

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(hso.FileError, match="No space left on device"):
        compare(small, tmp_path)
    monkeypatch.undo()
    finished = sums_of(tmp_path)
    assert 0 < len(finished) < len(sums_of(outcome.store.folder))
    assert not list(tmp_path.rglob(".*"))
    compare(small, tmp_path)
    assert sums_of(tmp_path) == sums_of(outcome.store.folder)


def test_another_run_in_the_folder_is_refused(outcome, small):
    other = dataclasses.replace(small, subject=SubjectSettings("gaussian", seed=1))
    with pytest.raises(hso.FileError, match="holds a run with seed 0, not 1"):
        compare(other, outcome.store.folder)


def test_damaged_files_are_named(small, tmp_path):
    # A single batch, of which every file can be damaged.
    small = dataclasses.replace(small, samples=40, budgets=(3,), schedules=("trailing",))
    run = prepare(small, tmp_path)
    work(run)
    plan, kept = run.plan, run.store
    path = kept.sums_path(plan.entries[0].key, small.batches()[0])
    whole = path.read_bytes()
    for damaged in (b"", b"PK half", whole[:-100], whole.replace(b"NUMPY", b"NIMPY")):
        path.write_bytes(damaged)
        with pytest.raises(hso.FileError, match="expected a batch of this run, found something else; delete it"):
            finished_part(small, tmp_path)
    for damaged, says in (
        ("{", "expected a JSON object"),
        ("[]", "expected a JSON object"),
        ("[" * 100_000, "expected a JSON object"),
        (None, "expected the plan"),
    ):
        content = json.dumps({"asked": small.asked(), "entries": [{}]}) if damaged is None else damaged
        (tmp_path / "plan.json").write_text(content)
        with pytest.raises(hso.FileError, match=rf"plan\.json: {says}"):
            load_plan(small, kept)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("solver", "unipc"),
        ("solver", "nonsense"),
        ("solver", 3),
        ("key", "../../../elsewhere"),
        ("key", "nothing"),
        ("names", [7]),
        ("preparation", {"trailing": "many"}),
    ],
)
def test_an_edited_plan_is_refused_and_named(small, tmp_path, field, value):
    settings = dataclasses.replace(small, solvers=("ddim", "unipc"), budgets=(3,), schedules=("trailing",))
    run = prepare(settings, tmp_path)
    path = tmp_path / "plan.json"
    content = json.loads(path.read_text())
    content["entries"][1][field] = value
    path.write_text(json.dumps(content))
    with pytest.raises(hso.FileError, match=r"plan\.json: expected the plan of a run|nothing\.json: cannot read"):
        load_plan(settings, run.store)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_in_a_run_folder_do_not_lead_the_writing_elsewhere(small, tmp_path):
    settings = dataclasses.replace(small, samples=40, budgets=(3,), schedules=("trailing",))
    secret, folder = tmp_path / "secret", tmp_path / "run"
    secret.write_text("mine")
    folder.mkdir()
    for name in ("plan.json", "comparison.json", "comparison.csv", "report.html"):
        (folder / name).symlink_to(secret if name != "plan.json" else tmp_path / "new")
    compare(settings, folder).write()
    assert secret.read_text() == "mine"
    assert not (tmp_path / "new").exists()
    assert not any(path.is_symlink() for path in folder.iterdir())


def test_a_file_in_the_folders_place_is_named(small, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(hso.FileError, match="cannot make the folder"):
        store.RunFolder(tmp_path / "run", small.common())


def test_progress_adds_up_also_when_work_is_taken_up(small, tmp_path):
    told = []
    settings = dataclasses.replace(small, samples=80, budgets=(3,))
    compare(settings, tmp_path, progress=lambda *words: told.append(words))
    next((tmp_path / "sums").rglob("*00000040-00000080.npz")).unlink()
    for _ in range(2):
        for stage in ("sampling", "judging"):
            done = [(amount, total) for name, amount, total in told if name == stage]
            assert sum(amount for amount, _ in done) == done[0][1]
        told.clear()
        compare(settings, tmp_path, progress=lambda *words: told.append(words))


def test_fewer_images_than_features_call_for_caution(outcome, small, tmp_path):
    assert comparison_files.to_json(outcome)["caution"] is None
    few = compare(dataclasses.replace(small, samples=40, budgets=(3,)), tmp_path)
    assert "40 images are fewer than the 64 features" in comparison_files.to_json(few)["caution"]
    few.write()
    assert "Caution" in (tmp_path / "report.html").read_text()


def test_json_and_csv_say_the_same(outcome):
    content = json.loads(json.dumps(comparison_files.to_json(outcome), allow_nan=False))
    lines = list(csv.DictReader(io.StringIO(comparison_files.to_csv(outcome))))
    assert len(content["rows"]) == len(lines) == len(outcome.rows)
    for row, line in zip(content["rows"], lines, strict=True):
        assert line["schedules"] == " ".join(row["schedules"])
        assert float(line["error_value"]) == row["figures"]["error"]["value"]
        assert line["data_beaten"] == str(row["figures"]["data"]["beaten"])


def test_the_report_stands_alone(outcome):
    html = html_report(outcome._replace(images=120))
    assert not re.findall(r'(?:src|href)="(?!data:)', html)
    assert html.count("data:image/png;base64,") == len(outcome.metrics) + 2
    for words in ("bootstrap", "Frechet to reference", "Frechet to data", "RMS error", "ays_svd", "numpy", "seed"):
        assert words in html
    assert all(name in html for row in outcome.rows for name in row.names)
    assert "the first 120 of 200 images" in html


def test_the_ranking_names_all_that_took_part(outcome):
    names = [standing.name for standing in outcome.standings("error")]
    assert sorted(names) == ["gits", "hso_exact", "polyexponential", "trailing", "uniform_lambda"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"solvers": ("dddim",)}, "solver: expected one of"),
        ({"solvers": ("ddim", "unipc", "ddim")}, "solver: expected each of them once, got 'ddim more than once'"),
        ({"solvers": ("unipc", UniPC())}, "solver: expected each of them once"),
        ({"budgets": (4, 5, 4)}, "nfe: expected each of them once"),
        ({"also": ("kid", "kid")}, "also: expected each of them once"),
        ({"budgets": (0,)}, "nfe: expected an integer"),
        ({"schedules": ("nobody",)}, "schedules: expected one of"),
        ({"samples": 3}, "samples: expected an integer from 10"),
        ({"batch": 0}, "batch: expected an integer"),
        ({"reference_nfe": 1}, "reference_nfe: expected an integer"),
        ({"terminal": "dirty"}, "terminal: expected one of"),
    ],
)
def test_unusable_settings_are_refused(settings, says):
    with pytest.raises(hso.ArgumentError, match=says):
        ComparisonSettings(SubjectSettings("gaussian"), **settings)


def test_each_solver_can_land_where_the_paper_lets_it_land(small, tmp_path):
    settings = dataclasses.replace(small, solvers=("ddim", "unipc"), budgets=(3,), terminal="published", samples=40)
    plan = prepare(settings, tmp_path).plan
    assert {entry.solver for entry in plan.entries if entry.schedule.ends_clean} == {"ddim"}
    assert {entry.solver for entry in plan.entries if not entry.schedule.ends_clean} == {"unipc"}
    for entry in plan.entries:
        if "hso_exact" in entry.names:
            noise, terminal = hso.NoiseSchedule.preset("sd1.5"), settings.landing(entry.method)
            assert (
                entry.schedule
                == hso.optimize(noise, 3, solver=entry.method, strategy="exact", terminal=terminal).schedule
            )
    assert [refusal.name for refusal in plan.refused] == ["ays_svd"]
    assert load_plan(settings, prepare(settings, tmp_path).store).entries == plan.entries


def test_a_saved_schedule_that_changed_is_planned_anew(small, tmp_path):
    noise, path = hso.NoiseSchedule.preset("sd1.5"), tmp_path / "mine.json"
    keys = []
    for last in (0.1, 0.2):
        hso.SamplingSchedule.from_times(noise, [0.98, 0.5, last]).save(path)
        settings = dataclasses.replace(small, budgets=(3,), schedules=("trailing", str(path)), samples=40)
        _, _, plan, kept = prepare(settings, tmp_path / "run")
        keys.append([entry.key for entry in plan.entries if "mine.json" in entry.names])
        assert load_plan(settings, kept) is not None
    assert len(keys[0]) == len(keys[1]) == 2
    assert not set(keys[0]) & set(keys[1])


def test_a_saved_schedule_is_refused_only_where_it_serves_no_case(small, tmp_path):
    noise, path = hso.NoiseSchedule.preset("sd1.5"), tmp_path / "mine.json"
    hso.SamplingSchedule.from_times(noise, [0.98, 0.5, 0.1]).save(path)
    settings = dataclasses.replace(small, budgets=(3, 4), schedules=("trailing", str(path)), samples=40)
    assert prepare(settings, tmp_path / "run").plan.refused == []
    plan = prepare(dataclasses.replace(settings, budgets=(4, 5)), tmp_path / "run").plan
    reason = "it has 3 nodes"
    assert plan.refused == [("mine.json", 4, reason), ("mine.json", 5, reason)]


def test_no_schedule_at_all_is_an_error(small, tmp_path):
    with pytest.raises(hso.ArgumentError, match="one at least that can serve"):
        compare(dataclasses.replace(small, schedules=("ays_svd",)), tmp_path)


def test_the_sums_are_what_sampling_gives(outcome, small):
    _, subject, plan, kept = prepare(small, outcome.store.folder)
    entry, images = plan.entries[0], small.batches()[1]
    rows = subject.features(subject.sample(entry.method, entry.schedule, subject.begin(images)))
    blocks = kept.read(entry.key, images)
    assert sum(block.count for block in blocks) == len(images)
    np.testing.assert_allclose(sum(block.total for block in blocks), rows.sum(axis=0))


def test_heun_has_cells_where_it_can_make_so_many_calls_and_the_others_stay(small, tmp_path):
    settings = dataclasses.replace(
        small, solvers=("heun", "ddim"), budgets=(3, 4), schedules=("trailing", "uniform_lambda"), samples=40
    )
    outcome = compare(settings, tmp_path)
    assert outcome.cells == [("heun", 3), ("ddim", 3), ("ddim", 4)]
    # Equal calls stand against equal calls: Heun makes three of them with two nodes.
    assert {(row.entry.solver, len(row.entry.schedule.lambdas)) for row in outcome.rows if row.entry.nfe == 3} == {
        ("heun", 2),
        ("ddim", 3),
    }
    (refused,) = outcome.plan.refused
    assert refused[:2] == ("heun", 4)
    assert "an odd number of network calls with heun" in refused.reason
    assert "an odd number of network calls" in html_report(outcome)
    assert outcome.plan.work == outcome.plan.reference.nfe + 2 * 3 + 2 * (3 + 4)


def test_progress_counts_the_calls_that_are_made(small, tmp_path, monkeypatch):
    calls = []
    plain = hso.models.gaussian.GaussianModel.x0
    monkeypatch.setattr(
        "hso.models.gaussian.GaussianModel.x0", lambda self, x, level: calls.append(len(x)) or plain(self, x, level)
    )
    told = []
    settings = dataclasses.replace(small, solvers=("heun", "unipc"), budgets=(5,), schedules=("edm",), samples=40)
    compare(settings, tmp_path, progress=lambda *words: told.append(words))
    done = [(amount, total) for stage, amount, total in told if stage == "sampling"]
    assert sum(calls) == sum(amount for amount, _ in done) == done[0][1]


def test_solvers_with_settings_of_their_own_stand_beside_the_usual_ones(small, tmp_path):
    settings = dataclasses.replace(
        small, solvers=("unipc", UniPC(order=1, corrector=False)), budgets=(3,), schedules=("trailing",), samples=40
    )
    outcome = compare(settings, tmp_path)
    assert outcome.cells == [("unipc", 3), ("unipc:order=1,corrector=false", 3)]
    # Without the corrector and with order 1 it is DDIM.
    alike = dataclasses.replace(settings, solvers=("ddim",))
    (ddim,) = compare(alike, tmp_path / "ddim").rows
    assert outcome.rows[1].figures["error"].value == pytest.approx(ddim.figures["error"].value, rel=1e-9)
    assert comparison_files.to_json(outcome)["settings"]["solvers"] == ["unipc", "unipc:order=1,corrector=false"]
    assert compare(settings, tmp_path).cells == outcome.cells


@pytest.mark.parametrize("judge", [comparing.compare, comparing.finished_part])
def test_resamples_are_checked_before_any_work(small, tmp_path, judge):
    with pytest.raises(hso.ArgumentError, match="resamples: expected an integer from 10"):
        judge(small, tmp_path / "run", resamples=0)
    assert not (tmp_path / "run").exists()


def test_the_preparation_of_schedules_is_reported(outcome):
    preparation = {name: calls for row in outcome.rows for name, calls in row.entry.preparation.items()}
    # A trajectory of 61 points of 64 images.
    assert preparation == {"gits": 61 * 64}
    assert "gits 3,904. The others took none." in html_report(outcome)
    rows = [row for row in comparison_files.to_json(outcome)["rows"] if "gits" in row["schedules"]]
    assert [row["preparation"] for row in rows] == [{"gits": 3904}] * 4
    assert load_plan(outcome.settings, outcome.store).entries[-1].preparation == outcome.rows[-1].entry.preparation
