r"""The true loss: how far students that were run for real are from the teacher, in bands of coefficients or in features.

In bands it is the objective of :mod:`hso.objectives.replay`, measured instead of predicted. In features f, with means
:math:`\mu` and covariances :math:`\Sigma` over images,

.. math::
    J = \frac{1}{\operatorname{tr} \Sigma^*} \left[ |\mu - \mu^*|^2
    + \operatorname{tr}(\Sigma + \Sigma^* - 2 (\Sigma \Sigma^*)^{1/2}) + \kappa \, E|f - f^*|^2 \right].

A covariance of d features has :math:`d (d + 1) / 2` numbers, which few images cannot tell. Only along as many principal
axes of the teacher's features as there are four images for are covariances taken whole; along the others it is one number,
their common variance. With matrices so restricted J is the same expression, and it uses all images.

References:
    | The Frechet distance between multivariate normal distributions (Dowson and Landau, 1982)
    | https://doi.org/10.1016/0047-259X(82)90077-X
    | GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017)
    | https://arxiv.org/abs/1706.08500
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hso.models.bands import Bands
from hso.noise.base import Array
from hso.objectives.frechet import Normal
from hso.tuning.sums import Ends, band_sums

# Images for each axis along which covariances are taken whole.
IMAGES_PER_AXIS = 4
TINY = float(np.finfo(np.float64).tiny)


class Loss(ABC):
    """How far ends are from the teacher's."""

    @abstractmethod
    def value(self, found: Ends, teacher: Ends, kept: Array) -> float:
        """The loss on the images of some groups.

        Args:
            found: The ends.
            teacher: The teacher's ends on the same images.
            kept: Whether each group counts, shape (groups,).
        """

    @abstractmethod
    def scale(self, losses: Array, predicted: Array) -> float:
        """The factor from what a replay predicts of schedules to their losses."""

    def of(self, found: Ends, teacher: Ends) -> float:
        """The loss on all images."""
        return self.value(found, teacher, np.ones(len(found.counts), dtype=bool))


@dataclass(frozen=True, eq=False)
class BandLoss(Loss):
    """Frechet distance of band-wise normals plus the paired error, relative to the variance of the teacher's ends.

    Attributes:
        bands: The bands.
        kappa: Weight of the paired error.
    """

    bands: Bands
    kappa: float

    def value(self, found: Ends, teacher: Ends, kept: Array) -> float:
        count = found.counts[kept].sum()
        (power, mean), (target, aim) = (self._moments(ends, kept, count) for ends in (found, teacher))
        shifts = np.square(mean - aim).sum()
        errors = found.errors[kept].sum() / count
        return float((np.square(np.sqrt(power) - np.sqrt(target)).sum() + shifts + self.kappa * errors) / target.sum())

    def scale(self, losses: Array, predicted: Array) -> float:
        """Both are the same expression."""
        return 1.0

    def _moments(self, ends: Ends, kept: Array, count: float) -> tuple[Array, Array]:
        """Variance of each band, shape (bands,), and mean, shape (F,)."""
        mean = ends.totals[kept].sum(axis=0) / count
        powers = ends.powers[kept].sum(axis=0) / count - band_sums(self.bands, mean**2)
        # Rounding can make the variance of a band without variance negative.
        return np.maximum(powers, TINY), mean


@dataclass(frozen=True, eq=False)
class FeatureLoss(Loss):
    """Frechet distance in features plus the paired error, relative to the variance of the teacher's features.

    Attributes:
        kappa: Weight of the paired error, which guards against what few images cannot see.
    """

    kappa: float = 0.1

    def value(self, found: Ends, teacher: Ends, kept: Array) -> float:
        members = kept[teacher.owners]
        aims, rows = teacher.rows[members], found.rows[members]
        axes = _axes(teacher.rows)
        one, other = (_Restricted.of(values, axes) for values in (rows, aims))
        error = np.square(rows - aims).sum() / len(rows)
        return (one.distance(other) + self.kappa * float(error)) / (other.variance or TINY)

    def scale(self, losses: Array, predicted: Array) -> float:
        """That of least squares, since features have another unit than bands."""
        return float(losses @ predicted / (predicted @ predicted or TINY))


class _Restricted(NamedTuple):
    """A normal along some axes, and its mean and its variance in all."""

    normal: Normal
    mean: Array
    variance: float

    @classmethod
    def of(cls, rows: Array, axes: Array) -> _Restricted:
        mean = rows.mean(axis=0)
        deviations = (rows - mean) / np.sqrt(len(rows))
        return cls(Normal(mean @ axes, deviations @ axes), mean, float(np.square(deviations).sum()))

    def distance(self, other: _Restricted) -> float:
        shift = np.square(self.mean - other.mean).sum() - np.square(self.normal.mean - other.normal.mean).sum()
        return self.normal.distance(other.normal) + float(shift) + (self._rest - other._rest) ** 2

    @property
    def _rest(self) -> float:
        """Standard deviation along the other axes."""
        return float(np.sqrt(max(self.variance - float(np.square(self.normal.factor).sum()), 0.0)))


def _axes(rows: Array) -> Array:
    """The first principal axes of features, as columns: one for every four images."""
    count = max(len(rows) // IMAGES_PER_AXIS, 1)
    return np.asarray(np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:count].T)
