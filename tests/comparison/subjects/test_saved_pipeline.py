"""A text-to-image pipeline in a folder, as diffusers saves it, is compared like any other model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from benchmarks.recording import make_scheduler
from tests.saved_pipeline import save

import hso
from hso.calibrate import calibrate_images
from hso.comparison.runs.run import compare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.subjects import SubjectSettings, load_subject
from hso.models.recording import Plan


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path, make_scheduler("DDIMScheduler"))


def test_a_comparison_of_a_saved_pipeline(folder, captions, tmp_path):
    model = SubjectSettings(str(folder), guidance=3.0, features="pixels", captions=captions)
    names = ("trailing", "hso_exact", "gits")
    settings = ComparisonSettings(model, ("ddim", "unipc"), (2,), names, samples=10, reference_nfe=4, batch=5)
    outcome = compare(settings, tmp_path / "run")
    assert outcome.subject == "pipeline@3"
    assert len(outcome.rows) == 4
    assert outcome.metrics == ("reference", "error")
    assert [refusal.name for refusal in outcome.plan.refused] == ["gits"]
    with pytest.raises(hso.ArgumentError, match="solver: expected one of ddim, deis"):
        compare(dataclasses.replace(settings, solvers=("heun",)), tmp_path / "run")


def test_a_pipeline_can_be_calibrated_and_its_schedules_compared(folder, captions, tmp_path):
    model = SubjectSettings(str(folder), guidance=3.0, features="pixels", captions=captions)
    settings = ComparisonSettings(model, ("ddim",), (2,), ("trailing",), samples=10, reference_nfe=4, batch=5)
    subject = load_subject(model)
    images = subject.images(0, 10, size=5)
    calibration = calibrate_images(Plan(subject.noise, subject.prediction, points=16), images)
    assert calibration.shape == (4, 8, 8)
    schedule = hso.optimize(subject.noise, 2, solver="ddim", calibration=calibration).schedule
    schedule.save(tmp_path / "calibrated.json")
    names = ("trailing", str(tmp_path / "calibrated.json"))
    outcome = compare(dataclasses.replace(settings, schedules=names), tmp_path / "run")
    assert {row.names[0] for row in outcome.rows} == {"trailing", "calibrated.json"}


def test_images_of_another_size_than_the_data_are_refused(folder, captions, tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "data").mkdir()
    for index in range(12):
        image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "data" / f"{index}.png")
    model = SubjectSettings(str(folder), features="pixels", captions=captions, data=tmp_path / "data")
    settings = ComparisonSettings(model, ("ddim",), (2,), ("trailing",), samples=10, reference_nfe=2, batch=5)
    with pytest.raises(hso.ArgumentError, match="data: expected images of 768 features, as the model's, got '16"):
        compare(settings, tmp_path / "run")
