"""Sums over blocks say what all images say, and the influences are derivatives."""

from __future__ import annotations

import numpy as np
import pytest

from hso.comparison.statistics.blocks import BLOCKS, GROUPS, Known, block_of, pooled, sums
from hso.objectives.frechet import Normal, frechet_distance

RNG = np.random.default_rng(0)
FEATURES = RNG.standard_normal((400, 6)) @ RNG.standard_normal((6, 6)) + 3.0
SQUARES = RNG.random(400)
OTHER = (np.ones(6), np.cov(RNG.standard_normal((6, 40))))


def streamed(features, squares, batch=37, period=1):
    ranges = [range(start, min(start + batch, len(features))) for start in range(0, len(features), batch)]
    return pooled(
        lambda: (sums(features[r.start : r.stop], squares[r.start : r.stop], block_of(r, period)) for r in ranges)
    )


def weighted_moments(features, weights):
    """Mean and covariance of images that count so often, fractions of times included."""
    count, mean = weights.sum(), weights @ features / weights.sum()
    return mean, ((features - mean).T * weights) @ (features - mean) / (count - 1)


@pytest.mark.parametrize("batch", [1, 37, 400])
@pytest.mark.parametrize("period", [1, 10])
def test_streamed_moments_are_those_of_all_images(batch, period):
    sample = streamed(FEATURES, SQUARES, batch, period)
    mean, covariance = sample.moments()
    np.testing.assert_allclose(mean, FEATURES.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(covariance, np.cov(FEATURES.T), rtol=1e-10)
    assert sample.errors(np.ones(len(sample.counts))) == pytest.approx(np.sqrt(SQUARES.mean()), rel=1e-13)


def test_the_frechet_distance_of_streamed_sums_is_that_of_all_images():
    expected = frechet_distance(FEATURES.mean(axis=0), np.cov(FEATURES.T), *OTHER)
    assert streamed(FEATURES, SQUARES).whole.distance(Normal.of(*OTHER)) == pytest.approx(expected, rel=1e-9)


def test_it_agrees_with_torchmetrics_on_the_same_features():
    torch = pytest.importorskip("torch")
    fid = pytest.importorskip("torchmetrics.image.fid")

    class Rows(torch.nn.Module):
        num_features = 6

        def forward(self, images):
            return images.reshape(len(images), -1)

    theirs = fid.FrechetInceptionDistance(feature=Rows(), input_img_size=(1, 1, 6)).set_dtype(torch.float64)
    real = RNG.standard_normal((300, 6))
    for rows, is_real in ((real, True), (FEATURES, False)):
        theirs.update(torch.from_numpy(rows).reshape(-1, 1, 1, 6), real=is_real)
    ours = streamed(FEATURES, SQUARES).whole.distance(streamed(real, real[:, 0] ** 2).whole)
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-9)


@pytest.mark.parametrize("images", [1000, 20000])
def test_a_sample_takes_no_more_than_a_square_matrix_for_each_group(images):
    sample = streamed(RNG.standard_normal((images, 6)), np.ones(images), batch=500)
    assert sample.counts.tolist() == [images // BLOCKS] * BLOCKS
    assert sample.rows.shape == (GROUPS * 6, 6)


def test_every_block_has_all_labels_alike():
    blocks = block_of(range(1000), period=10)
    labels = np.arange(1000) % 10
    assert all(np.bincount(labels[blocks == block]).tolist() == [2] * 10 for block in range(BLOCKS))


@pytest.mark.parametrize("groups", [(), (3,), (0, 2, 4, 6, 8)])
def test_what_is_left_without_some_groups_is_that_of_the_other_images(groups):
    rows = FEATURES[~np.isin(block_of(range(400), 1) % GROUPS, groups)]
    found = streamed(FEATURES, SQUARES).without(groups)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.factor.T @ found.factor, np.cov(rows.T), rtol=1e-9, atol=1e-9)


def test_fewer_images_than_features_need_no_square_matrix():
    rows, other = RNG.standard_normal((30, 80)), Normal.of(np.ones(80), np.cov(RNG.standard_normal((80, 200))))
    sample = streamed(rows, np.ones(30))
    assert sample.is_wide
    assert sample.whole.factor.shape == (30, 80)
    exact = Normal.of(rows.mean(axis=0), np.cov(rows.T)).distance(other)
    assert sample.whole.distance(other) == pytest.approx(exact, rel=1e-9)
    assert other.distance(sample.whole) == pytest.approx(exact, rel=1e-9)
    assert [len(sample.without(part).factor) for part in sample.parts] == [15, 15]


@pytest.mark.parametrize(("images", "features"), [(400, 6), (120, 40), (60, 80)])
def test_an_influence_is_the_derivative_by_how_often_a_block_counts(images, features):
    rng = np.random.default_rng(1)
    rows = 0.5 + rng.standard_normal((images, features)) * np.linspace(0.2, 2.0, features)
    moved = rows + 0.3 * rng.standard_normal((images, features))
    fixed = (np.zeros(features), np.cov(rng.standard_normal((features, 3 * features))))
    owners, sample, target = block_of(range(images), 1), streamed(rows, rows[:, 0]), streamed(moved, rows[:, 0])
    _, there, back = sample.whole.linearized(target.whole)
    paired = sample.influences(target.whole, there) + target.influences(sample.whole, back)
    _, there, _ = sample.whole.linearized(Normal.of(*fixed))
    alone = sample.influences(Normal.of(*fixed), there) + Known(Normal.of(*fixed)).influences(sample.whole, there)
    for block in (0, 17, 49):
        values = []
        for step in (1e-4, -1e-4):
            first, second = (weighted_moments(x, 1.0 + step * (owners == block)) for x in (rows, moved))
            values.append((frechet_distance(*first, *second), frechet_distance(*first, *fixed)))
        slopes = np.subtract(*values) / 2e-4
        np.testing.assert_allclose([paired[block], alone[block]], slopes, rtol=1e-5, atol=1e-7)
