"""The colour patches: where they come from, and what is left out."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from hso.errors import ArgumentError, MissingExtraError
from hso.models import datasets
from hso.models.datasets import LEAST_CONTRAST, PICTURES, SCALES, colour_patches

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("skimage", reason="scikit-image is not installed")

SIDE = 310


@pytest.fixture(scope="module")
def patches():
    return colour_patches(size=16, count=400, seed=5)


@pytest.fixture
def ramps(monkeypatch):
    """A picture whose red and green tell the row and the column, and whose blue is noise."""
    picture = np.empty((SIDE, SIDE, 3))
    picture[..., 0] = np.arange(SIDE)[:, None]
    picture[..., 1] = np.arange(SIDE)
    picture[..., 2] = np.random.default_rng(0).choice([-1, 1], (SIDE, SIDE))
    monkeypatch.setattr(datasets, "_pictures", lambda: [picture] * len(PICTURES))
    return picture


def test_patches_are_colour_images_of_every_picture(patches):
    images, labels = patches
    assert images.shape == (400, 3, 16, 16)
    assert images.min() + 1e-9 >= -1
    assert images.max() <= 1 + 1e-9
    assert np.bincount(labels).tolist() == [50] * len(PICTURES)


def test_no_patch_shows_one_colour_only(patches):
    assert patches[0].std(axis=(2, 3)).max(axis=1).min() >= LEAST_CONTRAST


def test_the_same_seed_gives_the_same_patches(patches):
    assert np.array_equal(patches[0], colour_patches(16, 400, 5)[0])
    assert not np.array_equal(patches[0], colour_patches(16, 400, 6)[0])


def test_a_patch_is_a_shrunken_part_of_its_picture_or_the_mirror_image(ramps):
    seen = set()
    for patch in colour_patches(size=8, count=200)[0]:
        scale = round(patch[0, 1, 0] - patch[0, 0, 0])
        mirrored = patch[1, 0, 0] > patch[1, 0, 1]
        upright = patch[:, :, ::-1] if mirrored else patch
        top, left = (round(upright[channel, 0, 0] - (scale - 1) / 2) for channel in (0, 1))
        part = ramps[top : top + 8 * scale, left : left + 8 * scale]
        shrunken = part.reshape(8, scale, 8, scale, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(upright.transpose(1, 2, 0), shrunken, atol=1e-6)
        seen.add((scale, bool(mirrored)))
    assert seen == {(scale, mirrored) for scale in SCALES for mirrored in (False, True)}


@pytest.mark.parametrize("call", [{"size": 1}, {"size": 76}, {"count": 7}])
def test_impossible_patches_are_refused(call):
    with pytest.raises(ArgumentError):
        colour_patches(**call)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(MissingExtraError, match=r"scikit-image is not installed.*hso\[compare\]"):
        colour_patches()
