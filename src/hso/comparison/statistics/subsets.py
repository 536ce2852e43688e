r"""Figures on subsets of images, for metrics that need more than sums, and intervals from the scatter of the subsets.

The figure is the mean over S subsets of m images, each compared with m data, as KID is defined. m is the least of 1000,
half of the n images, and the number of data. Every schedule has the same subsets, so differences between schedules are
known better than the figures themselves. The figure :math:`\theta_s` of a subset scatters about the figure of all images
with a variance proportional to :math:`1/m - 1/n`, and the figure of all images scatters about the truth with a variance
proportional to :math:`1/n`. Therefore the replicates for intervals are

.. math::
    \theta^*_s = \theta + c\,(\theta_s - \theta), \qquad c^2 = \frac{m}{n - m} + \frac{1}{S}, \qquad
    \theta = \frac{1}{S} \sum_s \theta_s

where the second term accounts for the finite number of subsets. Resamples with replacement are of no use here, because an
image that is drawn twice is its own nearest neighbour. A metric that depends on m itself, such as precision and recall, is
the metric of m images.

References:
    | Subsampling (Politis, Romano and Wolf, 1999), Section 2.2
    | https://doi.org/10.1007/978-1-4612-1554-7
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from hso.comparison.statistics.blocks import Integers
from hso.comparison.statistics.intervals import Estimate
from hso.errors import ArgumentError
from hso.noise.base import Array

SUBSETS, LARGEST, LEAST = 100, 1000, 5
# Number of subsets whose images are read together. More need more memory, fewer read every file more often.
TOGETHER = 10


class Subsets(NamedTuple):
    """Numbers of images and of data, shape (S, m) each and increasing along rows, and how many images there are."""

    images: Integers
    data: Integers
    total: int

    @classmethod
    def draw(cls, images: int, data: int, seed: int = 0) -> Subsets:
        """Draw subsets of the images and of the data, without replacement.

        Raises:
            ArgumentError: If there are too few of either.

        Example:
            >>> Subsets.draw(images=500, data=1797).images.shape
            (100, 250)
        """
        size = min(LARGEST, images // 2, data)
        if size < LEAST:
            few = ("data", data) if data < LEAST else ("samples", images)
            raise ArgumentError(few[0], f"at least {LEAST if data < LEAST else 2 * LEAST} images", few[1])
        rng = np.random.default_rng(seed)
        chosen, others = (
            np.array([np.sort(rng.choice(count, size, replace=False)) for _ in range(SUBSETS)])
            for count in (images, data)
        )
        return cls(chosen, others, images)


def measure_on_subsets(
    of: Callable[[Array, Array], float], rows: Callable[[Integers], Array], data: Array, subsets: Subsets
) -> Estimate:
    """A figure and its replicates.

    Args:
        of: The figure for features of images and of data.
        rows: From numbers of images, which increase, to their features.
        data: The features of the data, one a row.
        subsets: The subsets.
    """
    figures = np.array(list(_figures(of, rows, data, subsets)))
    size = subsets.images.shape[1]
    scale = math.sqrt(size / (subsets.total - size) + 1 / len(figures))
    value = float(figures.mean())
    return Estimate(value, value + scale * (figures - value))


def _figures(
    of: Callable[[Array, Array], float], rows: Callable[[Integers], Array], data: Array, subsets: Subsets
) -> Iterator[float]:
    for first in range(0, len(subsets.images), TOGETHER):
        images = subsets.images[first : first + TOGETHER]
        numbers = np.unique(images)
        features = rows(numbers)
        for some, others in zip(images, subsets.data[first:], strict=False):
            yield of(features[np.searchsorted(numbers, some)], data[others])
