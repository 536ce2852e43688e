"""A text-to-image pipeline on disk, tiny and with random weights, and images with captions to judge it by."""

from __future__ import annotations

import itertools
import shutil
import string

import numpy as np
import pytest

from tests.saved_pipeline import save

COUNT = 12


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    """A folder that DiffusionPipeline.from_pretrained reads."""
    pytest.importorskip("diffusers")
    from benchmarks.recording import make_scheduler

    scheduler = make_scheduler("PNDMScheduler", skip_prk_steps=True)
    # Images of 8 x 8 pixels: there are that many fewer features.
    return save(tmp_path_factory.mktemp("pipeline"), scheduler, sample_size=4)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """A folder with ``images`` and ``captions.txt``, one line for each image."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("dataset")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        values = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image.fromarray(values).save(folder / "images" / f"{index:05}.png")
    (folder / "captions.txt").write_text("".join(f"a {letter}\n" for letter in string.ascii_lowercase[:COUNT]))
    return folder


@pytest.fixture
def unreported(monkeypatch):
    """Runs without their report, whose drawings take longer than the tiny pipeline's images."""
    monkeypatch.setattr("hso.comparison.report.files.write", lambda outcome, folder: [])


@pytest.fixture
def words(unreported, pipeline, dataset, tmp_path):
    """The command line of a recipe on the pipeline: ten images in pixels, since Inception needs weights."""
    given = {"--model": pipeline, "--data": dataset / "images", "--captions": dataset / "captions.txt"}
    given |= {"--features": "pixels", "--guidance": 3, "--images": 10, "--runs": tmp_path / "run"}
    return ["--quick", *map(str, itertools.chain.from_iterable(given.items()))]


@pytest.fixture
def named(pipeline, tmp_path):
    """The pipeline in a folder of another name."""

    def copied(name):
        shutil.copytree(pipeline, tmp_path / name)
        return str(tmp_path / name)

    return copied
