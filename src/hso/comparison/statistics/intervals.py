r"""Figures of images with bootstrap intervals, from sums over blocks of images (:mod:`hso.comparison.statistics.blocks`).

The bootstrap draws blocks with replacement, block b :math:`w_b` times. It draws the same blocks for every schedule, because
all schedules start from the same noise. So differences between schedules are known better than the figures themselves. To
compute a Frechet distance :math:`\theta` anew for each resample would take hours with 2048 features. To first order it is
:math:`\theta + \sum_b (w_b - 1) \psi_b`, where :math:`\psi_b` are the blocks' influences. A fitted distance is also too
large, by about C / n. The jackknife over K groups of blocks estimates by how much, and the replicates contain this excess,
as real resamples would:

.. math::
    \theta^* = \theta + \beta + \sum_b (w_b - 1) \psi_b, \qquad
    \beta = (K - 1) \Big( \frac{1}{K} \sum_k \theta_{(-k)} - \theta \Big)

where :math:`\theta_{(-k)}` leaves the k-th group out. With fewer images than features the excess is not C / n. There two
halves (K = 2) come closest, and only large differences can be trusted. Intervals are the basic ones, which reflect the
replicates at the estimate:

.. math::
    [2 \hat\theta - \theta^*_{1 - a/2},\ 2 \hat\theta - \theta^*_{a/2}]

References:
    | Bootstrap Methods and Their Application (Davison and Hinkley, 1997), Sections 2.4 and 2.7
    | https://doi.org/10.1017/CBO9780511802843
    | The Jackknife and Bootstrap (Shao and Tu, 1995), Sections 2.1 and 2.3
    | https://doi.org/10.1007/978-1-4612-0795-5
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hso.comparison.statistics.blocks import Sample, Target
from hso.noise.base import Array

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A figure and its bootstrap replicates, shape (R,)."""

    value: float
    replicates: Array

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The basic bootstrap interval."""
        tail = (1 - confidence) / 2
        low, high = np.quantile(self.replicates, [tail, 1 - tail]).tolist()
        return 2 * self.value - high, 2 * self.value - low

    @property
    def corrected(self) -> float:
        """The figure without the excess that comes from the finite number of images."""
        return 2 * self.value - float(self.replicates.mean())

    def minus(self, other: Estimate) -> Estimate:
        """The difference, from the same resamples."""
        return Estimate(self.value - other.value, self.replicates - other.replicates)

    def is_below(self, other: Estimate, confidence: float = CONFIDENCE) -> bool:
        """Whether the interval of the difference says that this figure is lower."""
        return self.minus(other).interval(confidence)[1] < 0


class Resamples(NamedTuple):
    """How often each resample counts each block, shape (R, B)."""

    weights: Array

    @classmethod
    def draw(cls, blocks: int, count: int, seed: int = 0) -> Resamples:
        """``count`` resamples of so many blocks, with replacement."""
        shares = np.full(blocks, 1 / blocks)
        return cls(np.random.default_rng(seed).multinomial(blocks, shares, size=count).astype(np.float64))


def measure_error(sample: Sample, resamples: Resamples) -> Estimate:
    """The root mean square error and its replicates."""
    whole = np.ones(len(sample.counts))
    return Estimate(float(sample.errors(whole)), sample.errors(resamples.weights))


def measure_frechet(sample: Sample, target: Target, resamples: Resamples) -> Estimate:
    """The Frechet distance and its replicates.

    Args:
        sample: The sample.
        target: What the distance is measured to. If it is a sample from the same noise, it is resampled together with this.
        resamples: The resamples.
    """
    value, there, back = sample.whole.linearized(target.whole)
    rest = [sample.without(groups).distance(target.without(groups)) for groups in sample.parts]
    excess = (len(rest) - 1) * (np.mean(rest) - value)
    influences = sample.influences(target.whole, there) + target.influences(sample.whole, back)
    return Estimate(value, value + excess + (resamples.weights - 1) @ influences)
