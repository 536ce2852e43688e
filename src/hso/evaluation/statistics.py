r"""Statistics of many images from sums over blocks of them, and bootstrap intervals that need no more than the sums.

Of the images of a block only the count n, the sum of their features f, a factor F with :math:`F^T F = \sum f f^T`, and
the sum of their squared errors are kept. F is the feature rows themselves while they are no more than features, and the
triangular factor of their QR decomposition beyond, so that a block never takes more than a square matrix. Mean and
covariance of any collection of blocks, each counted :math:`w_b` times, follow:

.. math::
    n = \sum_b w_b n_b, \qquad \mu = \frac{1}{n} \sum_b w_b \sum f, \qquad
    \Sigma = \frac{\sum_b w_b F_b^T F_b - n \mu \mu^T}{n - 1}

The bootstrap draws blocks with replacement, and the same ones for every schedule, since all start from the same noise:
differences between schedules are then known better than either. A fitted Frechet distance is too large by about what
resampling adds once more, so intervals are the basic ones, reflected at the estimate:

.. math::
    [2 \hat\theta - \theta^*_{1 - a/2},\ 2 \hat\theta - \theta^*_{a/2}]

References:
    | Bootstrap Methods and Their Application (Davison and Hinkley, 1997), Section 2.4
    | https://doi.org/10.1017/CBO9780511802843
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from hso.evaluation.frechet import frechet_distance
from hso.noise.base import Array

# More blocks make better intervals; fewer, smaller files.
BLOCKS = 50
CONFIDENCE = 0.95
Integers = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


class Block(NamedTuple):
    """What is kept of a block of images.

    Attributes:
        index: Which block.
        count: Number of images.
        total: Sum of the features, shape (d,).
        factor: F, shape (r, d) with r at most d.
        squares: Sum over the images of the mean squared error.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which means nothing here
    count: int  # type: ignore[assignment]
    total: Array
    factor: Array
    squares: float


def block_of(images: range, period: int) -> Integers:
    """The block of each image: whole periods of labels go to blocks in turn, so that every block has all labels alike.

    Example:
        >>> block_of(range(4), period=1).tolist(), block_of(range(4), period=2).tolist()
        ([0, 1, 2, 3], [0, 0, 1, 1])
    """
    return np.asarray(images, dtype=np.int64) // period % BLOCKS


def sums(features: Array, squares: Array, blocks: Integers) -> list[Block]:
    """The blocks of a batch.

    Args:
        features: Shape (n, d).
        squares: Mean squared error of each image, shape (n,).
        blocks: The block of each image, shape (n,).
    """
    rows = np.asarray(features, dtype=np.float64)
    chosen = {int(block): blocks == block for block in np.unique(blocks)}
    return [
        Block(block, int(mask.sum()), rows[mask].sum(axis=0), _factor(rows[mask]), float(squares[mask].sum()))
        for block, mask in chosen.items()
    ]


def gathered(batches: Iterable[list[Block]]) -> list[Block]:
    """Blocks of all batches, those of one index added in the order they come; memory does not grow with the images."""
    found: dict[int, Block] = {}
    for batch in batches:
        for block in batch:
            found[block.index] = _added(found[block.index], block) if block.index in found else block
    return [found[index] for index in sorted(found)]


def pooled(blocks: list[Block]) -> Sample:
    """The blocks as one sample."""
    return Sample(
        counts=np.array([block.count for block in blocks]),
        totals=np.stack([block.total for block in blocks]),
        rows=np.concatenate([block.factor for block in blocks]),
        owners=np.repeat(np.arange(len(blocks)), [len(block.factor) for block in blocks]),
        squares=np.array([block.squares for block in blocks]),
    )


class Sample(NamedTuple):
    """Sums of B blocks: counts (B,), totals (B, d), factors' rows (r, d) with their blocks (r,), squared errors (B,)."""

    counts: Integers
    totals: Array
    rows: Array
    owners: Integers
    squares: Array

    def moments(self, weights: Array | None = None) -> tuple[Array, Array]:
        """Mean and covariance, each block counted ``weights`` times."""
        weights = np.ones(len(self.counts)) if weights is None else weights
        count = float(weights @ self.counts)
        mean = weights @ self.totals / count
        outer = (self.rows * weights[self.owners, None]).T @ self.rows
        return mean, (outer - count * np.outer(mean, mean)) / max(count - 1, 1)

    @property
    def is_wide(self) -> bool:
        """Whether there are fewer images than features: then rows are images, and no square matrix is needed."""
        return len(self.rows) == self.counts.sum() < self.rows.shape[1]

    def normal(self, weights: Array) -> Normal:
        """The normal distribution of the blocks, each counted so many times."""
        if not self.is_wide:
            return Normal.of(*self.moments(weights))
        count = float(weights @ self.counts)
        mean = weights @ self.totals / count
        scale = np.sqrt(weights[self.owners, None] / max(count - 1, 1))
        return Normal(mean, scale * (self.rows - mean))

    def error(self, weights: Array | None = None) -> float:
        """Root mean square error, each block counted ``weights`` times."""
        weights = np.ones(len(self.counts)) if weights is None else weights
        return float(np.sqrt(weights @ self.squares / (weights @ self.counts)))


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


class Normal(NamedTuple):
    r"""A normal distribution by its mean, shape (d,), and a factor F of its covariance :math:`F^T F`, shape (r, d)."""

    mean: Array
    factor: Array

    @classmethod
    def of(cls, mean: Array, covariance: Array) -> Normal:
        """From mean and covariance."""
        values, vectors = np.linalg.eigh(covariance)
        return cls(mean, np.sqrt(np.maximum(values, 0))[:, None] * vectors.T)

    def distance(self, other: Normal) -> float:
        """The squared Frechet distance, to the square root of rounding: resamples differ by far more."""
        product = self.factor @ other.factor.T
        gram = product @ product.T if len(product) <= product.shape[1] else product.T @ product
        overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0)).sum()
        spread = np.sum(self.factor**2) + np.sum(other.factor**2) - 2 * overlap
        return max(0.0, float(np.sum((self.mean - other.mean) ** 2) + spread))


def normals(sample: Sample, resamples: Resamples) -> Iterator[Normal]:
    """The normal distribution of each resample."""
    for weights in resamples.weights:
        yield sample.normal(weights)


def measure_error(sample: Sample, resamples: Resamples) -> Measured:
    """The root mean square error and its replicates."""
    return Measured(sample.error(), np.array([sample.error(weights) for weights in resamples.weights]))


def measure_frechet(
    sample: Sample, found: Iterable[Normal], target: tuple[Array, Array], targets: Iterable[Normal]
) -> Measured:
    """The Frechet distance and its replicates.

    Args:
        sample: The sample.
        found: The normal distribution of each of its resamples.
        target: Mean and covariance to which the distance is taken.
        targets: The same for each resample.
    """
    replicates = [first.distance(second) for first, second in zip(found, targets, strict=False)]
    return Measured(frechet_distance(*sample.moments(), *target), np.array(replicates))


def _factor(rows: Array) -> Array:
    return rows if len(rows) <= rows.shape[1] else np.asarray(np.linalg.qr(rows, mode="r"))


def _added(first: Block, second: Block) -> Block:
    return Block(
        first.index,
        first.count + second.count,
        first.total + second.total,
        _factor(np.concatenate([first.factor, second.factor])),
        first.squares + second.squares,
    )
