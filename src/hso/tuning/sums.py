r"""What is kept of students that were run for real: sums over images, which can be merged.

At call c a student's state z misses the teacher's by :math:`\delta_c = z_c - z^*(\lambda_c)`, the network's data by
:math:`\Delta_c = D_c - D^*(\lambda_c)`, and its end by e. With the vectors u of the teacher's recording
(:mod:`hso.models.recording`), what the model of the student can be corrected by are inner products of

.. math::
    w = (\delta_0, \dots, \delta_{C-1},\; \Delta_0, \dots, \Delta_{C-1})

with u and with one another in each band, and the mean of w. What the true loss needs is kept for each of a few groups of
images, by which one sees how much other images would have changed it. Of features, if there are any, those of every image
are kept, since these are fewer numbers than their products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from hso.models.bands import Bands
from hso.noise.base import Array

S = TypeVar("S", "Ends", "Misses")


@dataclass(frozen=True, eq=False)
class Ends:
    """Statistics of the final images of several runs. The first axis of the first four is the group of images.

    Attributes:
        counts: Number of images, shape (groups,).
        powers: Sum of the squares of the coefficients, shape (groups, bands).
        errors: Sum of the squared errors to the teacher's ends, likewise.
        totals: Sum of the coefficients, shape (groups, F).
        rows: Features of the images, shape (B, d); d is 0 where no features are asked for.
        owners: Group of each image, shape (B,).
    """

    counts: Array
    powers: Array
    errors: Array
    totals: Array
    rows: Array
    owners: Array

    @classmethod
    def of(cls, bands: Bands, ends: Array, misses: Array, rows: Array, owners: Array, groups: int) -> Ends:
        """The sums of a batch.

        Args:
            bands: The bands.
            ends: Coefficients of the ends, shape (B, F).
            misses: Those of the ends minus the teacher's, likewise.
            rows: Features, shape (B, d).
            owners: Group of each image, shape (B,).
            groups: Number of groups.
        """
        members = (np.arange(groups)[:, None] == owners).astype(np.float64)
        powers, errors = (members @ band_sums(bands, values**2) for values in (ends, misses))
        return cls(members.sum(axis=1), powers, errors, members @ ends, rows, owners)


@dataclass(frozen=True, eq=False)
class Misses:
    """Inner products of w.

    Attributes:
        cross: With u, shape (bands, V, W).
        own: With one another, shape (bands, W, W).
        totals: Sums of w over images, shape (W, F).
    """

    cross: Array
    own: Array
    totals: Array

    @classmethod
    def of(cls, bands: Bands, vectors: Array, misses: Array) -> Misses:
        """The sums of a batch, from coefficients of u, shape (V, B, F), and of w, shape (W, B, F)."""
        cross, own = [], []
        for places in bands.slices:
            known, found = (rows[:, :, places].reshape(len(rows), -1) for rows in (vectors, misses))
            cross.append(known.astype(np.float64) @ found.T)
            own.append(found @ found.T)
        return cls(np.stack(cross), np.stack(own), misses.sum(axis=1))


@dataclass(frozen=True, eq=False)
class Rollout:
    """What a schedule did on some images."""

    ends: Ends
    misses: Misses

    def arrays(self) -> dict[str, Array]:
        """What :meth:`restore` makes the same of."""
        found = {f"ends.{name}": values for name, values in vars(self.ends).items()}
        return found | {f"misses.{name}": values for name, values in vars(self.misses).items()}

    @classmethod
    def restore(cls, arrays: Mapping[str, Array]) -> Rollout:
        """The rollout that :meth:`arrays` describes."""
        ends = Ends(**{one.name: arrays[f"ends.{one.name}"] for one in fields(Ends)})
        misses = Misses(**{one.name: arrays[f"misses.{one.name}"] for one in fields(Misses)})
        return cls(ends, misses)


def merged(parts: Sequence[Rollout]) -> Rollout:
    """The rollout on all images of several, in the order of the images."""
    return Rollout(merged_sums([part.ends for part in parts]), merged_sums([part.misses for part in parts]))


def merged_sums(parts: Sequence[S]) -> S:
    """The sums over all images of several sums; features and their owners are put one after the other."""
    found: dict[str, Any] = {}
    for one in fields(parts[0]):
        values = [getattr(part, one.name) for part in parts]
        found[one.name] = np.concatenate(values) if one.name in ("rows", "owners") else sum(values[1:], values[0])
    return type(parts[0])(**found)


def pooled(one: Ends, other: Ends) -> Ends:
    """The ends on two sets of images, each with its own groups."""
    found = {part.name: np.concatenate((getattr(one, part.name), getattr(other, part.name))) for part in fields(Ends)}
    return Ends(**{**found, "owners": np.concatenate((one.owners, other.owners + len(one.counts)))})


def band_sums(bands: Bands, values: Array) -> Array:
    """Add up the values of each band. ``values`` has shape (..., F), one value per coefficient; the result (..., bands)."""
    starts = np.concatenate(([0], np.cumsum(bands.sizes)[:-1]))
    return np.asarray(np.add.reduceat(values, starts, axis=-1))
