"""Bands are orthonormal maps whose coefficients lie in the order of their bands."""

import numpy as np
import pytest
from scipy.fft import dctn

from hso.errors import ArgumentError
from hso.models.bands import KINDS, Cosine, Linear, Principal, fit_bands, restore


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


MADE = {
    "vectors": images(12, 9),
    "grey": images(12, 1, 8, 8),
    "colour": images(12, 3, 8, 6),
    "video": images(9, 6, 3, 8, 8),
}


@pytest.mark.parametrize("batch", MADE.values(), ids=MADE)
def test_the_map_is_orthonormal_and_every_coefficient_has_one_band(batch):
    bands = fit_bands(batch)
    found = bands.coefficients(batch)
    assert found.shape == (len(batch), batch[0].size)
    np.testing.assert_allclose(
        found @ found.T, batch.reshape(len(batch), -1) @ batch.reshape(len(batch), -1).T, atol=1e-9
    )
    assert bands.sizes.sum() == batch[0].size
    assert bands.sizes.min() > 0
    assert [places.stop - places.start for places in bands.slices] == bands.sizes.tolist()


def test_the_first_band_of_one_channel_is_its_mean_and_the_last_holds_the_finest_waves():
    bands = Cosine((1, 8, 8), np.eye(1))
    found = bands.coefficients(np.ones((1, 1, 8, 8)))
    assert found[0, 0] == pytest.approx(8.0)
    np.testing.assert_allclose(found[0, 1:], 0.0, atol=1e-12)
    finest = np.zeros((1, 1, 8, 8))
    finest[0, 0, 7, 7] = 1.0
    assert np.abs(bands.coefficients(dctn(finest, type=3, norm="ortho", axes=(2, 3)))[0, bands.slices[-1]]).max() > 0.99


def test_long_axes_have_waves_of_the_same_length_in_one_band():
    wide, narrow = Cosine((1, 16, 16), np.eye(1)), Cosine((1, 16, 4), np.eye(1))
    # The shorter axis can hold a fourth of the waves, each in the ring of its length.
    assert len(narrow.sizes) <= len(wide.sizes)
    assert narrow.sizes.sum() * 4 == wide.sizes.sum()


def test_channels_that_copy_each_other_become_one():
    grey = images(10, 1, 4, 4)
    bands = Cosine.fit(np.concatenate((grey, grey, grey), axis=1))
    found = bands.coefficients(np.concatenate((grey, grey, grey), axis=1))
    np.testing.assert_allclose(found[:, 16:], 0.0, atol=1e-9)


def test_principal_bands_fall_in_variance():
    rng = np.random.default_rng(1)
    batch = rng.normal(size=(200, 12)) * 2.0 ** -np.arange(12) @ np.linalg.qr(rng.normal(size=(12, 12)))[0]
    bands = Principal.fit(batch)
    variances = bands.coefficients(batch).var(axis=0)
    assert np.all(np.diff([variances[places].mean() for places in bands.slices]) < 0)


@pytest.mark.parametrize("kind", KINDS)
def test_bands_are_restored_from_their_arrays(kind):
    batch = MADE["colour"]
    made = {
        "cosine": Cosine.fit(batch),
        "principal": Principal.fit(MADE["vectors"]),
        "linear": Linear(images(4, 9), [3, 1, 3, 0]),
    }[kind]
    again = restore(kind, made.arrays())
    data = batch if kind == "cosine" else MADE["vectors"]
    np.testing.assert_array_equal(again.coefficients(data), made.coefficients(data))
    assert again.sizes.tolist() == made.sizes.tolist()


def test_images_of_another_shape_are_refused():
    with pytest.raises(ArgumentError, match=r"images of shape \(3, 8, 6\)"):
        Cosine.fit(MADE["colour"]).coefficients(MADE["grey"])
    with pytest.raises(ArgumentError, match="images of 9 numbers"):
        Principal.fit(MADE["vectors"]).coefficients(MADE["grey"])
    with pytest.raises(ArgumentError, match="groups"):
        Linear(np.eye(3), [0, 1])
