r"""Ends of a student as a linear function of what the network is told.

A schedule tells the network :math:`\lambda_i + \delta_i` at node i. Runs with one shift changed at a time, by
:math:`h_i`, give for each image

.. math::
    x(\delta) = x_0 + \sum_i (\delta_i - \delta^0_i) E_i, \qquad E_i = \frac{x(\delta^0 + h_i e_i) - x_0}{h_i}

With the inner products of :math:`x^*, x_0, E_1, \dots, E_N`, where :math:`x^*` is the teacher's end, the statistics of the
ends follow for any shifts without a run. Features are linear in the shifts in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from hso.models.bands import Bands
from hso.noise.base import Array
from hso.tuning.sums import Ends


@dataclass(frozen=True, eq=False)
class Tangent:
    r"""Statistics of the ends of a student, and of how they change with the shifts. Those of several parts can be merged.

    Attributes:
        counts: Number of images, shape (groups,).
        grams: Inner products of :math:`x^*, x_0, E_1, \dots, E_N`, shape (groups, bands, 2 + N, 2 + N).
        totals: Sums of :math:`x_0, E_1, \dots, E_N`, shape (groups, 1 + N, F).
        rows: Features of :math:`x_0` and their derivatives, shape (B, d, 1 + N).
        owners: Group of each image, shape (B,).
    """

    counts: Array
    grams: Array
    totals: Array
    rows: Array
    owners: Array

    @classmethod
    def of(cls, bands: Bands, teacher: Array, ends: Array, rows: Array, owners: Array, groups: int) -> Tangent:
        """The statistics of a batch.

        Args:
            bands: The bands.
            teacher: Coefficients of the teacher's ends, shape (B, F).
            ends: Those of :math:`x_0, E_1, ...`, shape (1 + N, B, F).
            rows: Features of :math:`x_0` and their derivatives, shape (B, d, 1 + N).
            owners: Group of each image, shape (B,).
            groups: Number of groups.
        """
        known = np.concatenate((teacher[None], ends))
        members = [owners == group for group in range(groups)]
        grams = [[_gram(known[:, member, places]) for places in bands.slices] for member in members]
        totals = [ends[:, member].sum(axis=1) for member in members]
        return cls(
            np.bincount(owners, minlength=groups).astype(np.float64), np.array(grams), np.array(totals), rows, owners
        )

    def ends(self, moved: Array) -> Ends:
        """The statistics of the ends after the shifts have changed by ``moved``, shape (N,)."""
        whole = np.concatenate(([0.0, 1.0], moved))
        missed = whole - np.eye(1, len(whole))[0]
        powers, errors = (np.einsum("i,gbij,j->gb", one, self.grams, one) for one in (whole, missed))
        return Ends(self.counts, powers, errors, whole[1:] @ self.totals, self.rows @ whole[1:], self.owners)


def merged_tangents(parts: Sequence[Tangent]) -> Tangent:
    """The statistics over all images of several, in the order of the images."""
    found = {}
    for one in fields(Tangent):
        values = [getattr(part, one.name) for part in parts]
        found[one.name] = np.concatenate(values) if one.name in ("rows", "owners") else sum(values[1:], values[0])
    return Tangent(**found)


def _gram(vectors: Array) -> Array:
    """Inner products of vectors (V, B, F)."""
    rows = vectors.reshape(len(vectors), -1).astype(np.float64)
    return np.asarray(rows @ rows.T)
