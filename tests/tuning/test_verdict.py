"""The jackknife of a mean is its standard error, and paired images cancel."""

import numpy as np
import pytest
from scipy.stats import t

from hso.models.bands import Linear
from hso.tuning.losses import Loss
from hso.tuning.sums import Ends
from hso.tuning.verdict import compare

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
    assert found.is_confirmed
    assert found.is_certain


def test_what_both_share_does_not_widen_it():
    shared = 100 * np.random.default_rng(0).random(20)
    found = compare(Error(), ends(shared), ends(shared + 1), ends(np.zeros(20)))
    assert found.high - found.low < 1e-9


def test_what_is_worse_is_not_confirmed():
    found = compare(Error(), ends(np.full(20, 2.0)), ends(np.ones(20)), ends(np.zeros(20)))
    assert not found.is_confirmed
    assert "-100.0%" in str(found)
