r"""Figures of images with bootstrap intervals, from sums over blocks of images (:mod:`hso.comparison.statistics.blocks`).

The bootstrap draws blocks with replacement, block b :math:`w_b` times, and the same ones for every schedule, since all
start from the same noise: differences between schedules are then known better than either. Computing a Frechet distance
:math:`\theta` anew for each resample would take hours in 2048 features; to first order it is
:math:`\theta + \sum_b (w_b - 1) \psi_b` with the blocks' influences. A fitted distance is also too large, by about C / n.
The jackknife over K groups of blocks says by how much, and the replicates carry it, as resamples would:

.. math::
    \theta^* = \theta + \beta + \sum_b (w_b - 1) \psi_b, \qquad
    \beta = (K - 1) \Big( \frac{1}{K} \sum_k \theta_{(-k)} - \theta \Big)

where :math:`\theta_{(-k)}` leaves the k-th group out. With fewer images than features the excess is not C / n; there two
halves come closest (K = 2), and nothing is certain but large differences. Intervals are the basic ones, reflected at the
estimate:

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


class Measured(NamedTuple):
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
        """The figure less what the number of images adds to it on average."""
        return 2 * self.value - float(self.replicates.mean())

    def minus(self, other: Measured) -> Measured:
        """The difference, from the same resamples."""
        return Measured(self.value - other.value, self.replicates - other.replicates)

    def is_below(self, other: Measured, confidence: float = CONFIDENCE) -> bool:
        """Whether the interval of the difference says so."""
        return self.minus(other).interval(confidence)[1] < 0


class Resamples(NamedTuple):
    """How often each resample counts each block, shape (R, B)."""

    weights: Array

    @classmethod
    def draw(cls, blocks: int, count: int, seed: int = 0) -> Resamples:
        """``count`` resamples of so many blocks, with replacement."""
        shares = np.full(blocks, 1 / blocks)
        return cls(np.random.default_rng(seed).multinomial(blocks, shares, size=count).astype(np.float64))


def measure_error(sample: Sample, resamples: Resamples) -> Measured:
    """The root mean square error and its replicates."""
    whole = np.ones(len(sample.counts))
    return Measured(float(sample.errors(whole)), sample.errors(resamples.weights))


def measure_frechet(sample: Sample, target: Target, resamples: Resamples) -> Measured:
    """The Frechet distance and its replicates.

    Args:
        sample: The sample.
        target: To what the distance is taken; a sample of as many images from the same noise changes with them.
        resamples: The resamples.
    """
    value, there, back = sample.whole.linearized(target.whole)
    rest = [sample.without(groups).distance(target.without(groups)) for groups in sample.parts]
    excess = (len(rest) - 1) * (np.mean(rest) - value)
    influences = sample.influences(target.whole, there) + target.influences(sample.whole, back)
    return Measured(value, value + excess + (resamples.weights - 1) @ influences)
