"""Metrics that sums do not give: features are kept for them, streamed, and held against the data's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import hso
from hso.comparison.report.files import to_json
from hso.comparison.runs.plan import prepare
from hso.comparison.runs.run import compare, finished_part
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.runs.store import RunFolder
from hso.comparison.runs.work import Shard, work
from hso.comparison.statistics.metrics import METRICS, Metric
from hso.comparison.statistics.subsets import Subsets, measure_on_subsets
from hso.comparison.subjects import SubjectSettings, load_subject

pytest.importorskip("torchmetrics")
PLAIN = ComparisonSettings(
    SubjectSettings("gaussian"), ("ddim",), (2, 8), ("trailing", "edm"), samples=100, reference_nfe=20, batch=30
)
KEPT = dataclasses.replace(PLAIN, also=("kid",))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return compare(KEPT, tmp_path_factory.mktemp("kept"), resamples=20)


def sums_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in (folder / "sums").rglob("*.npz")}


def test_kid_stands_beside_the_others(outcome):
    assert outcome.metrics == ("reference", "data", "error", "kid")
    figures = {row.entry.nfe: row.figures["kid"].value for row in outcome.rows if row.names == ("edm",)}
    assert figures[2] > figures[8]
    assert abs(outcome.reference.figures["kid"].value) < figures[2]
    assert {"value", "corrected", "low", "high", "beaten"} == set(to_json(outcome)["rows"][0]["figures"]["kid"])


def test_the_features_are_those_of_the_images(outcome):
    subject, entry = load_subject(PLAIN.subject), outcome.rows[1].entry
    rows = np.concatenate(
        [subject.features(subject.sample("ddim", entry.schedule, subject.begin(b))) for b in PLAIN.batches()]
    )
    numbers = np.array([0, 29, 30, 31, 75, 99])
    np.testing.assert_allclose(outcome.store.features(entry.key, PLAIN.batches(), numbers), rows[numbers], atol=1e-6)
    expected = measure_on_subsets(METRICS["kid"].of, lambda some: rows[some], subject.data(), Subsets.draw(100, 5000))
    assert outcome.rows[1].figures["kid"].value == pytest.approx(expected.value, rel=1e-4)


def test_a_run_without_features_gains_them(outcome, tmp_path):
    compare(PLAIN, tmp_path, resamples=20)
    before = sums_of(tmp_path)
    again = compare(KEPT, tmp_path, resamples=20)
    assert sums_of(tmp_path) == before
    assert to_json(again) == to_json(outcome)


def test_what_is_finished_has_its_features_too(tmp_path):
    run = prepare(KEPT, tmp_path, load_subject(KEPT.subject))
    work(run, Shard(0, 2))
    work(run._replace(settings=PLAIN, store=RunFolder(tmp_path, PLAIN.common())), Shard(1, 2))
    assert finished_part(KEPT, tmp_path, resamples=20).images == 60
    assert finished_part(PLAIN, tmp_path, resamples=20).images == 100


def test_damaged_features_are_named(tmp_path):
    compare(KEPT, tmp_path, resamples=20)
    path = next((tmp_path / "features").rglob("*.npy"))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(hso.FileError, match=rf"{path.name}: expected a batch of this run.*; delete it"):
        compare(KEPT, tmp_path, resamples=20)
    path.unlink()
    assert compare(KEPT, tmp_path, resamples=20) is not None


def test_data_of_which_only_moments_are_known_are_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr("hso.comparison.subjects.exact.ExactSubject._drawn", None)
    with pytest.raises(hso.ArgumentError, match=r"also: expected data, or the option --data, got .*its data only"):
        compare(KEPT, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(hso.ArgumentError, match="also: expected one of kid, precision, recall"):
        dataclasses.replace(KEPT, also=("fid",))


def spread(images, data):
    return abs(images.std() - data.std())


def test_where_more_is_better_the_largest_is_best(outcome, monkeypatch):
    found: dict[str, list[str]] = {}
    for metric in (Metric("", "", spread), Metric("", "", lambda *rows: -spread(*rows), more_is_better=True)):
        for module in ("outcome", "runs.judge"):
            monkeypatch.setattr(f"hso.comparison.{module}.METRICS", {**METRICS, "kid": metric})
        again = finished_part(KEPT, outcome.store.folder, resamples=20)
        found[metric.direction] = [again.verdict(row, "kid") for row in again.rows]
    assert found["more"] == found["less"]
    assert set(found["more"]) == {"best", ""}
