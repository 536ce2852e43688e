"""Subsets are the same for all schedules, and their scatter says how far the truth can be."""

from __future__ import annotations

import numpy as np
import pytest

import hso
from hso.comparison.statistics.subsets import LARGEST, SUBSETS, Subsets, measure_on_subsets

DIMENSION, SHIFT = 4, 0.3


def squared_distance(images, data):
    """Between means, less what chance adds on average."""
    noise = sum(np.var(rows, axis=0, ddof=1).sum() / len(rows) for rows in (images, data))
    return float(np.sum((images.mean(axis=0) - data.mean(axis=0)) ** 2) - noise)


def measured(images, data):
    subsets = Subsets.draw(len(images), len(data))
    return measure_on_subsets(squared_distance, lambda numbers: images[numbers], data, subsets)


def test_subsets_are_halves_at_most_and_never_repeat_an_image():
    subsets = Subsets.draw(300, 10_000)
    assert subsets.images.shape == subsets.data.shape == (SUBSETS, 150)
    assert all(np.all(np.diff(row) > 0) for row in (*subsets.images, *subsets.data))
    assert Subsets.draw(10_000, 10_000).images.shape == (SUBSETS, LARGEST)
    assert Subsets.draw(300, 20).images.shape == (SUBSETS, 20)
    assert np.array_equal(subsets.images, Subsets.draw(300, 10_000).images)


def test_too_few_images_or_data_are_refused():
    with pytest.raises(hso.ArgumentError, match="data: expected at least 5 images, got 4"):
        Subsets.draw(100, 4)
    with pytest.raises(hso.ArgumentError, match="samples: expected at least 10 images, got 9"):
        Subsets.draw(9, 100)


def test_intervals_cover_the_truth_and_the_figure_is_unbiased():
    truth, trials = DIMENSION * SHIFT**2, 120
    found = []
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        found.append(measured(SHIFT + rng.standard_normal((60, DIMENSION)), rng.standard_normal((500, DIMENSION))))
    values = np.array([each.value for each in found])
    assert abs(values.mean() - truth) < 4 * values.std() / np.sqrt(trials)
    covered = sum(low <= truth <= high for low, high in (each.interval() for each in found))
    # The scatter of the data's subsets is counted too, so that intervals are rather too wide.
    assert covered >= 0.93 * trials


def test_pairs_are_told_apart_better_than_each_is_known():
    rng = np.random.default_rng(0)
    common, data = rng.standard_normal((400, DIMENSION)), rng.standard_normal((500, DIMENSION))
    near, far = measured(common + 0.3, data), measured(common + 0.33, data)
    assert near.interval()[1] > far.interval()[0]
    assert near.is_below(far)
    assert not far.is_below(near)


def test_the_figure_is_not_corrected():
    rng = np.random.default_rng(1)
    found = measured(rng.standard_normal((50, DIMENSION)), rng.standard_normal((50, DIMENSION)))
    assert found.corrected == pytest.approx(found.value)
