r"""Sums over blocks of images, and the normal distributions and influences that follow from them.

A block keeps four things of its images: their number n, the sum f of their features, a factor F with
:math:`F^T F = \sum x x^T` over their features x, and the sum of their squared errors. Batches are read one at a time, and
twice.

The *first* time they are added up. A factor is kept for each of ``GROUPS`` groups of blocks. As long as there are few rows,
the factor is the rows of features themselves; later it is the triangular factor of their QR decomposition, which has the
same :math:`F^T F` and no more rows than features. So memory does not grow with the number of images:

.. math::
    \mu = \frac{1}{n} \sum f, \qquad \Sigma = \frac{\sum F^T F - n \mu \mu^T}{n - 1}

The *second* time the influences are computed. The influence :math:`\psi_b` of a block on a Frechet distance is the
derivative of the distance with respect to the number of times that the block is counted. To count block b
:math:`1 + \epsilon` times changes mean and covariance by :math:`\epsilon` times

.. math::
    \mathrm{d}\mu = \frac{f_b - n_b \mu}{n}, \qquad
    \mathrm{d}\Sigma = \frac{C_b - n_b \Sigma}{n - 1}, \qquad
    C_b = F_b^T F_b - f_b \mu^T - \mu f_b^T + n_b \mu \mu^T,

where :math:`C_b` is the block's scatter about the common mean, and the derivative of the distance
(:mod:`hso.objectives.frechet`) turns these changes into the change of the distance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from hso.noise.base import Array
from hso.objectives.frechet import Normal

# More blocks make better intervals, fewer make smaller files. The number of groups is even, so that they have halves.
BLOCKS, GROUPS = 50, 10
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


# Gives the blocks of all batches, anew at every call.
Batches = Callable[[], Iterable[list[Block]]]


def block_of(images: range, period: int) -> Integers:
    """The block of each image. Whole periods of labels go to blocks in turn, so every block has each label equally often.

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


class _Rows:
    """The rows of a group of blocks; never more than twice the number of features."""

    def __init__(self) -> None:
        self.parts: list[Array] = []
        self.count = 0

    def add(self, rows: Array) -> None:
        # A view would keep its whole batch in memory.
        self.parts.append(rows.copy())
        self.count += len(rows)
        # Only when there are twice as many rows as features: a decomposition for each batch would take longer.
        if self.count >= 2 * rows.shape[1]:
            self.parts = [self.factor()]
            self.count = len(self.parts[0])

    def factor(self) -> Array:
        return _factor(np.concatenate(self.parts))


def pooled(batches: Batches) -> Sample:
    """All batches as one sample. The memory does not grow with their number."""
    heads: dict[int, Block] = {}
    rows: dict[int, _Rows] = {}
    for batch in batches():
        for block in batch:
            rows.setdefault(block.index % GROUPS, _Rows()).add(block.factor)
            alone = block._replace(factor=np.empty((0, len(block.total))))
            heads[block.index] = _added(heads[block.index], alone) if block.index in heads else alone
    blocks, factors = [heads[index] for index in sorted(heads)], [rows[group].factor() for group in sorted(rows)]
    return Sample(
        batches=batches,
        indices=np.array([block.index for block in blocks]),
        counts=np.array([block.count for block in blocks]),
        totals=np.stack([block.total for block in blocks]),
        squares=np.array([block.squares for block in blocks]),
        rows=np.concatenate(factors),
        owners=np.repeat(sorted(rows), [len(factor) for factor in factors]),
    )


class Target(Protocol):
    """What distances are measured to. It may depend on the images or not."""

    @property
    def whole(self) -> Normal:
        """The normal distribution."""

    def without(self, groups: tuple[int, ...]) -> Normal:
        """The same without the images of some groups."""

    def influences(self, other: Normal, there: Array) -> Array | float:
        """The influence of every block on the distance to ``other``; K of the map to it is ``there``."""


class Known(NamedTuple):
    """A normal distribution that does not depend on the images."""

    whole: Normal

    def without(self, groups: tuple[int, ...]) -> Normal:
        return self.whole

    def influences(self, other: Normal, there: Array) -> float:
        return 0.0


@dataclass(frozen=True, eq=False)
class Sample:
    """Sums of the images.

    Attributes:
        batches: Where they come from.
        indices: The blocks, shape (B,), increasing.
        counts: Their numbers of images, shape (B,).
        totals: Their sums of features, shape (B, d).
        squares: Their sums of mean squared errors, shape (B,).
        rows: Factors of the groups, one below the other, shape (r, d).
        owners: The group of each row, shape (r,).
    """

    batches: Batches
    indices: Integers
    counts: Integers
    totals: Array
    squares: Array
    rows: Array
    owners: Integers

    @property
    def is_wide(self) -> bool:
        """Whether there are fewer images than features. Then rows are images, and no square matrix is needed."""
        return len(self.rows) == self.counts.sum() < self.rows.shape[1]

    @property
    def parts(self) -> list[tuple[int, ...]]:
        """The groups that the jackknife leaves out together: one at a time, or a half of them if the sample is wide."""
        groups = np.unique(self.owners).tolist()
        return [tuple(groups[0::2]), tuple(groups[1::2])] if self.is_wide else [(group,) for group in groups]

    def moments(self) -> tuple[Array, Array]:
        """Mean and covariance."""
        return self._moments(())

    @property
    def whole(self) -> Normal:
        return self.without(())

    def without(self, groups: tuple[int, ...]) -> Normal:
        if groups not in self._found:
            self._found[groups] = self._deviations(groups) if self.is_wide else Normal.of(*self._moments(groups))
        return self._found[groups]

    def influences(self, other: Normal, there: Array) -> Array:
        mean, count = self.whole.mean, self.counts.sum()
        # tr((I - T) C_b) for every block: how much a block's scatter about the mean adds to the distance.
        scatter = self._scatter(mean, there)
        # The first term of the distance's derivative, 2 (mu - mu')^T d mu, with d mu = (f_b - n_b mu) / n.
        moved = 2 * (self.totals - self.counts[:, None] * mean) @ (mean - other.mean) / count
        # The second term, tr((I - T) d Sigma) with d Sigma = (C_b - n_b Sigma) / (n - 1). The scatters of all blocks add up
        # to (n - 1) Sigma, so tr((I - T) Sigma) is their sum over n - 1, and Sigma itself is not needed.
        spread = (scatter - self.counts * scatter.sum() / (count - 1)) / (count - 1)
        return np.asarray(moved + spread)

    def errors(self, weights: Array) -> Array:
        """Root mean square errors if each block is counted ``weights`` times, shape (R, B)."""
        return np.asarray(np.sqrt(weights @ self.squares / (weights @ self.counts)))

    @cached_property
    def _found(self) -> dict[tuple[int, ...], Normal]:
        return {}

    def _kept(self, groups: tuple[int, ...]) -> tuple[int, Array, Array]:
        """Number and mean of the images outside some groups, and the rows of their factors."""
        blocks = ~np.isin(self.indices % GROUPS, groups)
        count = int(self.counts[blocks].sum())
        return count, self.totals[blocks].sum(axis=0) / count, self.rows[~np.isin(self.owners, groups)]

    def _moments(self, groups: tuple[int, ...]) -> tuple[Array, Array]:
        count, mean, rows = self._kept(groups)
        return mean, (rows.T @ rows - count * np.outer(mean, mean)) / max(count - 1, 1)

    def _deviations(self, groups: tuple[int, ...]) -> Normal:
        count, mean, rows = self._kept(groups)
        return Normal(mean, (rows - mean) / np.sqrt(max(count - 1, 1)))

    def _scatter(self, mean: Array, there: Array) -> Array:
        """tr((I - T) C) of every block, where T = K^T K and K is ``there``."""
        # C = F^T F - f mu^T - mu f^T + n mu mu^T. With T = K^T K, tr((I - T) a b^T) = a^T b - (K a)^T (K b): no matrix of
        # the size features by features is made. First the term F^T F, row by row of F:
        squares = np.zeros(len(self.indices))
        for batch in self.batches():
            rows = np.concatenate([block.factor for block in batch])
            owners = np.repeat([block.index for block in batch], [len(block.factor) for block in batch])
            each = np.sum(rows**2, axis=1) - np.sum((rows @ there.T) ** 2, axis=1)
            np.add.at(squares, np.searchsorted(self.indices, owners), each)
        # Then the two mixed terms, which are equal, and the last one.
        crossed = self.totals @ mean - (self.totals @ there.T) @ (there @ mean)
        return np.asarray(squares - 2 * crossed + self.counts * (mean @ mean - np.sum((there @ mean) ** 2)))


def _factor(rows: Array) -> Array:
    return rows if len(rows) <= rows.shape[1] else np.asarray(np.linalg.qr(rows, mode="r"))


def _added(first: Block, second: Block) -> Block:
    return first._replace(
        count=first.count + second.count,
        total=first.total + second.total,
        squares=first.squares + second.squares,
    )
