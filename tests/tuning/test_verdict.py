"""The jackknife of a mean is its standard error, and paired images cancel."""

import numpy as np
import pytest
from scipy.stats import t

from hso.models.bands import Linear
from hso.tuning.losses import Loss
from hso.tuning.sums import Ends
from hso.tuning.verdict import Runs, compare, judge

BANDS = Linear(np.eye(1), [0])


class Error(Loss):
    def value(self, found, teacher, kept):
        return float(found.errors[kept].sum() / found.counts[kept].sum())

    def scale(self, losses, predicted):
        return 1.0


def ends(errors):
    values = np.sqrt(errors)[:, None]
    return Ends.of(BANDS, values, values, np.empty((len(errors), 0)), np.arange(len(errors)), len(errors))


def test_the_interval_of_a_mean_is_the_textbooks():
    rng = np.random.default_rng(0)
    one, other = rng.random(20), rng.random(20) + 0.5
    found = compare(Error(), ends(one), ends(other), ends(np.zeros(20)))
    difference = other - one
    half = t.ppf(0.975, 19) * difference.std(ddof=1) / np.sqrt(20)
    assert found.value == pytest.approx(difference.mean() / other.mean())
    assert found.low == pytest.approx((difference.mean() - half) / other.mean())
    assert found.high == pytest.approx((difference.mean() + half) / other.mean())
    assert found.is_certain


def test_what_both_share_does_not_widen_it():
    shared = 100 * np.random.default_rng(0).random(20)
    found = compare(Error(), ends(shared), ends(shared + 1), ends(np.zeros(20)))
    assert found.high - found.low < 1e-9


def verdict(tuning, fresh):
    """On errors of the schedule that was found, where those of the other are 1, or what is given."""
    runs = [Runs(ends(one), ends(np.ones(len(one))), ends(np.zeros(len(one)))) for one in (tuning, fresh)]
    return judge(Error(), *runs)


def test_what_is_worse_for_certain_is_refused_whatever_the_tuning_images_say():
    found = verdict(np.full(40, 1e-3), np.full(20, 2.0))
    assert not found.is_confirmed
    assert "-100.0%" in str(found.fresh)


def test_what_is_better_is_confirmed():
    assert verdict(np.full(40, 0.5), np.full(20, 0.5)).is_confirmed


def test_where_fresh_images_do_not_know_all_images_decide():
    unsure = np.full(20, 0.5)
    unsure[3] = 12.0
    assert verdict(np.full(40, 0.5), unsure).is_confirmed
    assert not verdict(np.full(40, 0.99), unsure).is_confirmed


def test_all_images_are_the_images_of_both():
    rng = np.random.default_rng(0)
    one, other = rng.random(40), rng.random(20)
    found = verdict(one, other).overall
    assert found.value == pytest.approx(1 - np.concatenate((one, other)).mean())
