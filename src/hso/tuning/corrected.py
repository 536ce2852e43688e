r"""The model of the student, corrected by what a rollout showed.

A linearized student (:mod:`hso.objectives.student`) takes the network's data for
:math:`D^* + g_b (z - z^*)`. At call c of a rollout it was off by the *residual*

.. math::
    r_c = \Delta_c - g_b(\lambda_c) \, \delta_c

with the misses of :mod:`hso.tuning.sums`. The corrected student adds :math:`R(\lambda)`, which goes through the residuals:

.. math::
    D(z, \lambda) = D^*(\lambda) + g_b(\lambda) (z - z^*(\lambda)) + R(\lambda), \qquad R(\lambda_c) = r_c

It is then the true student at the schedule of the rollout, state by state, whatever the gains. R is a piecewise cubic
with the slopes of parabolas through three neighbours. It is zero at the teacher's start, where all students see the
teacher's state, and constant beyond the last node. The first call, of unit noise, has a residual of its own. The
residuals are further vectors beside the recorded u, so that Gram matrices of both are all that is needed, and judging a
schedule still costs no network call.

References:
    | Space mapping technique for electromagnetic optimization (Bandler et al., 1994)
    | https://doi.org/10.1109/22.339794
    | A trust-region framework for managing the use of approximation models in optimization (Alexandrov et al., 1998)
    | https://doi.org/10.1007/BF01197433
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from hso.models.bands import Bands
from hso.models.calibration import Calibration
from hso.models.gains import Gains
from hso.models.recording import data_rows, start_rows
from hso.models.splines import Splines
from hso.noise.base import Array
from hso.tuning.sums import Misses

# Levels nearer than this are one.
SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Recorded:
    """What was recorded of the teacher on the images that students are run on: sums over images.

    Attributes:
        count: Number of images.
        grams: Gram matrices of u, shape (bands, V, V).
        totals: Sums of u, shape (V, F).
    """

    count: int
    grams: Array
    totals: Array

    def calibration(self, made: Calibration) -> Calibration:
        """A calibration with the sums over these images in place of its own. These sums have no told levels."""
        nothing = np.empty((0, *self.grams.shape))
        return dataclasses.replace(
            made,
            images=self.count,
            states=made.states[:, : made.recorded],
            told=None,
            grams=self.grams / self.count,
            mean_grams=_gram(self.totals / self.count, made.bands),
            left_out=nothing,
            left_out_means=nothing,
        )


class CorrectedSplines(Splines):
    """The teacher between its points, and R.

    Args:
        lambdas: See :class:`hso.models.splines.Splines`.
        data: Likewise.
        states: Likewise.
        places: Levels of the residuals, increasing.
        residuals: Residuals there: coefficients, or anything that is linear in them.
    """

    def __init__(self, lambdas: Array, data: Array, states: Array, places: Array, residuals: Array) -> None:
        super().__init__(lambdas, data, states)
        self._residuals = places, residuals
        self._correction = _curve(places, residuals, lambdas[-1])

    def turned(self, matrices: Array) -> Splines:
        lambdas, *rows = self._points
        places, residuals = self._residuals
        turned = [np.einsum("mv,bvr->mbr", values, matrices, optimize=True) for values in (*rows, residuals)]
        return CorrectedSplines(lambdas, turned[0], turned[1], places, turned[2])

    def data(self, lambdas: Array) -> Array:
        return super().data(lambdas) + np.asarray(self._correction(lambdas))

    def data_slopes(self, lambdas: Array) -> Array:
        return super().data_slopes(lambdas) + np.asarray(self._correction(lambdas, 1))


@dataclass(frozen=True, eq=False, repr=False)
class Corrected(Calibration):
    """A calibration whose students are corrected. Its vectors are u and the residuals, that of the first call first.

    Attributes:
        places: Levels of the residuals, that of the first call first, shape (C,).
    """

    places: Array = field(default_factory=lambda: np.empty(0))

    def _check(self) -> None:
        """It is made of what was checked."""

    @cached_property
    def data(self) -> Array:
        return data_rows(len(self.lambdas), len(self.end))

    @cached_property
    def splines(self) -> Splines:
        start = self.lambdas[:1]
        residuals = np.concatenate((np.zeros((1, len(self.end))), self._residuals[1:]))
        places = np.concatenate((start, self.places[1:]))
        return CorrectedSplines(self.lambdas, self.data, self.states[:-1], places, residuals)

    @cached_property
    def starts(self) -> Splines:
        rows = start_rows(len(self.lambdas), len(self.end))
        return CorrectedSplines(self.start_lambdas, rows, np.zeros_like(rows), self.places[:1], self._residuals[:1])

    @property
    def _residuals(self) -> Array:
        """Coefficients of the residuals, shape (C, V)."""
        return np.eye(len(self.end))[len(self.end) - len(self.places) :]


def corrected(known: Calibration, recorded: Recorded, misses: Misses, calls: Array, gains: str) -> Corrected:
    """The calibration whose students are exact where a rollout was made.

    Args:
        known: What was measured of the images of the rollout.
        recorded: The sums that it was made of.
        misses: What the rollout showed.
        calls: Level of each call of the rollout, shape (C,). Calls at one level are one, with the mean of their residuals.
        gains: The rule of the gains.
    """
    bands, count = known.bands, recorded.count
    by_band = Gains(known, gains)(calls)
    # What the network says of unit noise is recorded, and no gain is asked for.
    by_band[0] = 0.0
    places, owner = np.unique(calls, return_inverse=True)
    mean = (np.arange(len(places))[:, None] == owner) / np.bincount(owner)[:, None]
    # From w to the residuals of each band, shape (bands, C, W).
    turn = np.concatenate((-mean * by_band.T[:, None], np.broadcast_to(mean, (len(by_band.T), *mean.shape))), axis=2)
    cross = misses.cross @ turn.swapaxes(1, 2)
    own = turn @ misses.own @ turn.swapaxes(1, 2)
    grams = np.concatenate(
        (np.concatenate((recorded.grams, cross), axis=2), np.concatenate((cross.swapaxes(1, 2), own), axis=2)), axis=1
    )
    parts = [turn[band] @ misses.totals[:, slots] for band, slots in enumerate(bands.slices)]
    totals = np.concatenate((recorded.totals, np.concatenate(parts, axis=1)))
    states = np.concatenate((known.states, np.zeros((len(known.states), len(places)))), axis=1)
    nothing = np.empty((0, *grams.shape))
    shared = {one.name: getattr(known, one.name) for one in dataclasses.fields(known)}
    shared |= {"states": states, "grams": grams / count, "mean_grams": _gram(totals / count, bands)}
    return Corrected(**{**shared, "left_out": nothing, "left_out_means": nothing}, places=places)


def _curve(places: Array, residuals: Array, end: float) -> Any:
    """R: a smooth curve through the residuals, constant beyond the last place."""
    from scipy.interpolate import CubicHermiteSpline

    slopes = np.gradient(residuals, places, axis=0) if len(places) > 1 else np.zeros_like(residuals)
    if places[-1] < end - SAME:
        places, residuals = np.append(places, end), np.concatenate((residuals, residuals[-1:]))
        slopes = np.concatenate((slopes[:-1], np.zeros((2, *slopes.shape[1:]))))
    if len(places) == 1:
        # A curve needs two places.
        places, residuals = np.append(places, places + 1), np.concatenate((residuals, residuals))
        slopes = np.concatenate((slopes, slopes))
    return CubicHermiteSpline(places, residuals, slopes)


def _gram(vectors: Array, bands: Bands) -> Array:
    """Gram matrices of vectors (V, F) in each band."""
    return np.stack([vectors[:, places] @ vectors[:, places].T for places in bands.slices])
