"""Inception's features, in the network that torchmetrics has but with weights of chance: those of FID have to be fetched.

Skipped where torch-fidelity, or a torchvision that fits torch, is not installed.
"""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

import hso
from hso.cli.app import app
from hso.comparison.subjects.features import INCEPTION_DIMENSIONS, inception

pytest.importorskip("torch")
try:
    network = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
except RuntimeError as error:
    pytest.skip(f"torchvision does not fit torch: {error}", allow_module_level=True)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16))


@pytest.fixture
def weights(monkeypatch):
    """Weights that need not be fetched."""
    import torch

    torch.manual_seed(0)
    monkeypatch.setattr(network, "load_state_dict_from_url", lambda *words, **settings: {})
    monkeypatch.setattr(network.FeatureExtractorInceptionV3, "load_state_dict", lambda *words: None)


@pytest.mark.usefixtures("weights")
def test_images_have_2048_features_in_grey_and_in_the_same_colours():
    features = inception("cpu")
    grey, coloured = features(IMAGES), features(np.repeat(IMAGES[..., None], 3, axis=3))
    assert grey.shape == (3, INCEPTION_DIMENSIONS)
    assert grey.dtype == np.float64
    assert np.array_equal(grey, coloured)
    assert not np.allclose(grey[0], grey[1])


@pytest.mark.usefixtures("weights")
def test_features_do_not_depend_on_the_batch():
    features = inception("cpu")
    np.testing.assert_allclose(features(IMAGES)[1:2], features(IMAGES[1:2]), rtol=1e-4, atol=1e-6)


def test_weights_that_cannot_be_fetched_are_named(monkeypatch):
    def fails(*words, **settings):
        raise OSError("no route to host")

    monkeypatch.setattr(network, "load_state_dict_from_url", fails)
    with pytest.raises(hso.FileError, match="weights of Inception: the network cannot be fetched: no route"):
        inception("cpu")


@pytest.mark.usefixtures("weights")
def test_a_comparison_in_inceptions_features(tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "data").mkdir()
    for index, picture in enumerate(np.random.default_rng(1).integers(0, 256, (20, 16, 16), dtype=np.uint8)):
        image.fromarray(picture).save(tmp_path / "data" / f"{index:02d}.png")
    words = f"compare --model digits --features inception --data {tmp_path / 'data'} --samples 50 --reference-nfe 4"
    words += f" --solver ddim --nfe 2 --schedules trailing,hso --also kid,precision,recall -o {tmp_path / 'run'}"
    found = CliRunner().invoke(app, words.split())
    assert found.exit_code == 0, found.output
    assert "fewer than the 2048 features" in found.output
    assert (tmp_path / "run" / "report.html").exists()
