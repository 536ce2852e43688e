"""Sums say what all samples say, and intervals cover what they claim to."""

from itertools import repeat

import numpy as np
import pytest
from scipy.stats import binom

from hso.evaluation.frechet import frechet_distance
from hso.evaluation.statistics import (
    BLOCKS,
    Measured,
    Normal,
    Resamples,
    block_of,
    gathered,
    measure_error,
    measure_frechet,
    normals,
    pooled,
    sums,
)

RNG = np.random.default_rng(0)
FEATURES = RNG.standard_normal((400, 6)) @ RNG.standard_normal((6, 6)) + 3.0
SQUARES = RNG.random(400)


def streamed(features, squares, batch=37, period=1):
    ranges = [range(start, min(start + batch, len(features))) for start in range(0, len(features), batch)]
    parts = (sums(features[r.start : r.stop], squares[r.start : r.stop], block_of(r, period)) for r in ranges)
    return pooled(gathered(parts))


@pytest.mark.parametrize("batch", [1, 37, 400])
@pytest.mark.parametrize("period", [1, 10])
def test_streamed_moments_are_those_of_all_samples(batch, period):
    sample = streamed(FEATURES, SQUARES, batch, period)
    mean, covariance = sample.moments()
    np.testing.assert_allclose(mean, FEATURES.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(covariance, np.cov(FEATURES.T), rtol=1e-10)
    assert sample.error() == pytest.approx(np.sqrt(SQUARES.mean()), rel=1e-13)


def test_the_frechet_distance_of_streamed_sums_is_that_of_all_samples():
    other = (np.ones(6), 2 * np.eye(6))
    expected = frechet_distance(FEATURES.mean(axis=0), np.cov(FEATURES.T), *other)
    assert frechet_distance(*streamed(FEATURES, SQUARES).moments(), *other) == pytest.approx(expected, rel=1e-9)


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
    ours = frechet_distance(*streamed(FEATURES, SQUARES).moments(), *streamed(real, real[:, 0] ** 2).moments())
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-9)


def test_a_block_never_takes_more_than_a_square_matrix():
    sample = streamed(RNG.standard_normal((3000, 6)), np.ones(3000), batch=500)
    assert sample.counts.tolist() == [60] * BLOCKS
    assert sample.rows.shape == (BLOCKS * 6, 6)


def test_every_block_has_all_labels_alike():
    blocks = block_of(range(1000), period=10)
    labels = np.arange(1000) % 10
    assert all(np.bincount(labels[blocks == block]).tolist() == [2] * 10 for block in range(BLOCKS))


def test_resampled_blocks_are_blocks_counted_often():
    sample = streamed(FEATURES, SQUARES)
    weights = RNG.integers(0, 3, BLOCKS).astype(float)
    owners = block_of(range(400), 1)
    repeated = np.repeat(FEATURES, weights[owners].astype(int), axis=0)
    mean, covariance = sample.moments(weights)
    np.testing.assert_allclose(mean, repeated.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(repeated.T), rtol=1e-9)


def test_the_fast_distance_is_the_exact_one():
    other = (np.ones(6), np.cov(RNG.standard_normal((6, 40))))
    sample = streamed(FEATURES, SQUARES)
    fast = sample.normal(np.ones(BLOCKS)).distance(Normal.of(*other))
    assert fast == pytest.approx(frechet_distance(*sample.moments(), *other), rel=1e-7)


def test_fewer_images_than_features_need_no_square_matrix():
    rows = RNG.standard_normal((30, 80))
    other = (np.ones(80), np.cov(RNG.standard_normal((80, 200))))
    sample = streamed(rows, np.ones(30))
    assert sample.is_wide
    weights = RNG.integers(0, 3, 30).astype(float)
    assert sample.normal(weights).factor.shape == (30, 80)
    exact = frechet_distance(*sample.moments(weights), *other)
    assert sample.normal(weights).distance(Normal.of(*other)) == pytest.approx(exact, rel=1e-6)
    assert Normal.of(*other).distance(sample.normal(weights)) == pytest.approx(exact, rel=1e-6)


def test_one_seed_gives_the_same_resamples():
    first, second = Resamples.draw(20, 30).weights, Resamples.draw(20, 30).weights
    assert np.array_equal(first, second)
    assert first.sum(axis=1).tolist() == [20] * 30


def is_plausible(covered, trials, level):
    """Whether so many covered trials are likely if each is covered with probability ``level``, give or take 4 %."""
    low, high = binom.ppf([0.001], trials, level - 0.04), binom.ppf([0.999], trials, min(level + 0.04, 1))
    return low <= covered <= high


def measured(features, target, resamples=100):
    sample = streamed(features, np.sum(features**2, axis=1), batch=len(features))
    draws = Resamples.draw(len(sample.counts), resamples)
    frechet = measure_frechet(sample, normals(sample, draws), target, repeat(Normal.of(*target)))
    return frechet, measure_error(sample, draws)


def test_intervals_cover_the_truth_at_their_rate():
    dimension, scale, shift, trials = 3, 1.3, 0.4, 120
    target = (np.zeros(dimension), np.eye(dimension))
    distance = dimension * (shift**2 + (scale - 1) ** 2)
    error = np.sqrt(dimension * (scale**2 + shift**2))
    covered = np.zeros(2)
    for seed in range(trials):
        rows = shift + scale * np.random.default_rng(seed).standard_normal((500, dimension))
        for index, (found, truth) in enumerate(zip(measured(rows, target), (distance, error), strict=True)):
            low, high = found.interval()
            covered[index] += low <= truth <= high
    assert all(is_plausible(count, trials, 0.95) for count in covered), covered


def test_equals_are_told_apart_no_more_often_than_the_level_says():
    target = (np.zeros(3), np.eye(3))
    false, trials = 0, 120
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        common = rng.standard_normal((300, 3))
        first, second = (measured(common + 0.5 + 0.3 * rng.standard_normal((300, 3)), target)[0] for _ in range(2))
        false += first.is_below(second) or second.is_below(first)
    assert is_plausible(trials - false, trials, 0.95), false


def test_pairing_tells_apart_what_intervals_of_each_do_not():
    common = RNG.standard_normal((500, 3))
    target = (np.zeros(3), np.eye(3))
    near, far = measured(common + 0.5, target)[0], measured(common + 0.52, target)[0]
    assert near.interval()[1] > far.interval()[0]
    assert near.is_below(far)
    assert not far.is_below(near)


def test_the_correction_takes_off_what_few_images_add():
    target = (np.zeros(8), np.eye(8))
    rows = np.random.default_rng(1).standard_normal((200, 8))
    found = measured(rows, target)[0]
    assert abs(found.corrected) < found.value / 2


def test_a_difference_keeps_the_pairs():
    first, second = Measured(2.0, np.array([1.0, 3.0])), Measured(1.0, np.array([0.5, 2.5]))
    difference = first.minus(second)
    assert difference.value == 1
    assert difference.replicates.tolist() == [0.5, 0.5]
