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
from hso.comparison.runs.run import compare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.subjects import SubjectSettings


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


def test_images_of_another_size_than_the_data_are_refused(folder, captions, tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "data").mkdir()
    for index in range(12):
        image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "data" / f"{index}.png")
    model = SubjectSettings(str(folder), features="pixels", captions=captions, data=tmp_path / "data")
    settings = ComparisonSettings(model, ("ddim",), (2,), ("trailing",), samples=10, reference_nfe=2, batch=5)
    with pytest.raises(hso.ArgumentError, match="data: expected images of 768 features, as the model's, got '16"):
        compare(settings, tmp_path / "run")
