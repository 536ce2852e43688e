"""Intervals cover what they claim to, and differences are told apart no more often than they should."""

import numpy as np
import pytest
from scipy.stats import binom

from hso.comparison.statistics.blocks import Known, block_of, pooled, sums
from hso.comparison.statistics.intervals import Estimate, Resamples, measure_error, measure_frechet
from hso.objectives.frechet import Normal

RNG = np.random.default_rng(0)


def test_one_seed_gives_the_same_resamples():
    first, second = Resamples.draw(20, 30).weights, Resamples.draw(20, 30).weights
    assert np.array_equal(first, second)
    assert first.sum(axis=1).tolist() == [20] * 30


def is_plausible(covered, trials, level):
    """Whether so many covered trials are likely if each is covered with probability ``level``, give or take 4 %."""
    low, high = binom.ppf([0.001], trials, level - 0.04), binom.ppf([0.999], trials, min(level + 0.04, 1))
    return low <= covered <= high


def sample_of(features):
    blocks = sums(features, np.sum(features**2, axis=1), block_of(range(len(features)), 1))
    return pooled(lambda: [blocks])


def measured(features, target, resamples=100):
    sample = sample_of(features)
    draws = Resamples.draw(len(sample.counts), resamples)
    return measure_frechet(sample, Known(Normal.of(*target)), draws), measure_error(sample, draws)


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


@pytest.mark.parametrize("images", [150, 600])
def test_intervals_of_distances_in_many_dimensions_cover_the_truth_at_their_rate(images):
    spread = 1 / np.sqrt(np.arange(1, 17))
    target, trials, covered = (np.zeros(16), np.diag(spread**2)), 120, 0
    truth = np.sum((0.2 * spread) ** 2)
    for seed in range(trials):
        rows = 1.2 * spread * np.random.default_rng(seed).standard_normal((images, 16))
        low, high = measured(rows, target)[0].interval()
        covered += low <= truth <= high
    assert is_plausible(covered, trials, 0.95), covered


def test_replicates_are_to_first_order_what_resampled_images_give():
    rng = np.random.default_rng(2)
    rows = 0.5 + 1.3 * rng.standard_normal((500, 6))
    target = Normal(np.zeros(6), np.eye(6))
    draws = Resamples.draw(50, 400)
    found = measure_frechet(sample_of(rows), Known(target), draws)
    owners, again = block_of(range(500), 1), []
    for weights in draws.weights:
        drawn = np.repeat(rows, weights[owners].astype(int), axis=0)
        again.append(Normal.of(drawn.mean(axis=0), np.cov(drawn.T)).distance(target))
    assert found.replicates.std() == pytest.approx(np.std(again), rel=0.05)
    assert found.replicates.mean() - found.value == pytest.approx(np.mean(again) - found.value, rel=0.2)
    assert np.corrcoef(found.replicates, again)[0, 1] > 0.99


def test_with_fewer_images_than_features_halves_tell_most_of_the_excess():
    spread = 1 / np.sqrt(np.arange(1, 65))
    truth = np.sum((0.2 * spread) ** 2)
    rows = 1.2 * spread * np.random.default_rng(0).standard_normal((50, 64))
    found = measured(rows, (np.zeros(64), np.diag(spread**2)))[0]
    assert abs(found.corrected - truth) < 0.3 * abs(found.value - truth)


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
    first, second = Estimate(2.0, np.array([1.0, 3.0])), Estimate(1.0, np.array([0.5, 2.5]))
    difference = first.minus(second)
    assert difference.value == 1
    assert difference.replicates.tolist() == [0.5, 0.5]
