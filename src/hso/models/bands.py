r"""Bands: an orthonormal map of images to coefficients, and groups of coefficients that a network treats alike.

A network that removes noise acts almost like a Wiener filter: it keeps coefficients that vary much over images, and
removes coefficients that vary little. So a few numbers describe it, if the coefficients are nearly uncorrelated and
each group has coefficients of similar variance. For natural images the cosine transform gives such coefficients, and
the groups are rings of spatial frequency.

- :class:`Cosine` is for images (B, C, ...). It rotates the channels to their principal components and applies the
  orthonormal DCT-II to the axes after the channel. The radius of the frequency decides the group of a coefficient.
- :class:`Principal` is for vectors (B, D). Its basis is the principal components of the images.
- :class:`Linear` has any matrix, such as a linear map to features, and any groups.

References:
    | Discrete Cosine Transform (Ahmed, Natarajan and Rao, 1974)
    | https://doi.org/10.1109/T-C.1974.223784
    | Relations between the statistics of natural images and the response properties of cortical cells (Field, 1987)
    | https://doi.org/10.1364/JOSAA.4.002379
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hso.errors import ArgumentError
from hso.noise.base import Array

# Number of rings of frequency of a channel, or of groups of principal components.
RINGS = 10
# With more channels than this, channels share bands, so that the file of a calibration stays small.
CHANNEL_GROUPS = 4

Integers = NDArray[np.int64]


class Bands(ABC):
    """A linear map to coefficients, which are in the order of their bands.

    Attributes:
        kind: Its name in files.
        sizes: Number of coefficients in each band, shape (bands,).
    """

    kind: ClassVar[str]
    sizes: Integers

    @abstractmethod
    def coefficients(self, images: Array) -> Array:
        """Coefficients of images (B, ...), float64, shape (B, F). The coefficients of the first band come first."""

    @abstractmethod
    def arrays(self) -> dict[str, Array]:
        """The arrays from which :func:`restore` makes the same bands."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Bands:
        """The bands that :meth:`arrays` describes."""

    @property
    def slices(self) -> list[slice]:
        """The indices of each band's coefficients."""
        ends = np.cumsum(self.sizes).tolist()
        return [slice(end - size, end) for end, size in zip(ends, self.sizes.tolist(), strict=True)]


class Linear(Bands):
    """A matrix and a group for each of its rows.

    Args:
        matrix: Shape (F, D), for images of D numbers.
        groups: A number for each row, shape (F,). Rows with the same number are a band, and the numbers give the order
            of the bands.

    Raises:
        ArgumentError: If the shapes do not fit.

    Example:
        >>> bands = Linear(np.eye(3), [1, 0, 1])
        >>> bands.coefficients(np.array([[1.0, 2.0, 3.0]])).tolist(), bands.sizes.tolist()
        ([[2.0, 1.0, 3.0]], [1, 2])
    """

    kind = "linear"

    def __init__(self, matrix: ArrayLike, groups: ArrayLike) -> None:
        values, labels = np.asarray(matrix, dtype=np.float64), np.asarray(groups)
        if values.ndim != 2 or labels.shape != (len(values),):
            raise ArgumentError("groups", "a number for each row of the matrix", f"{labels.shape} for {values.shape}")
        order = np.argsort(labels, kind="stable")
        self.matrix = values[order]
        self.sizes = np.unique(labels, return_counts=True)[1]

    def coefficients(self, images: Array) -> Array:
        rows = np.asarray(images, dtype=np.float64).reshape(len(images), -1)
        if rows.shape[1] != self.matrix.shape[1]:
            raise ArgumentError("images", f"images of {self.matrix.shape[1]} numbers", f"shape {np.shape(images)}")
        return np.asarray(rows @ self.matrix.T)

    def arrays(self) -> dict[str, Array]:
        return {"matrix": self.matrix, "groups": np.repeat(np.arange(len(self.sizes)), self.sizes).astype(np.float64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Bands:
        return cls(arrays["matrix"], arrays["groups"])


class Principal(Linear):
    """Principal components of images. Components of similar variance are in the same band."""

    kind = "principal"

    @classmethod
    def fit(cls, images: Array, bands: int = RINGS) -> Principal:
        """The bands of images (B, D)."""
        rows = np.asarray(images, dtype=np.float64).reshape(len(images), -1)
        basis = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=True)[2]
        # Variances fall roughly like a power of the rank. So limits that grow geometrically give bands of similar
        # variances.
        edges = np.unique(np.geomspace(1, len(basis) + 1, bands + 1).round().astype(int)) - 1
        return cls(basis, np.searchsorted(edges, np.arange(len(basis)), side="right"))


class Cosine(Bands):
    """Rings of spatial frequency of each channel.

    Args:
        shape: Shape of one image: channels, then one axis or more.
        rotation: An orthonormal matrix that decorrelates the channels, shape (C, C). Its rows are in the order of
            variance.
    """

    kind = "cosine"

    def __init__(self, shape: tuple[int, ...], rotation: Array) -> None:
        self.shape, self.rotation = shape, rotation
        parts = np.array_split(np.arange(shape[0]), min(shape[0], CHANNEL_GROUPS))
        channel = np.concatenate([np.full(len(part), index) for index, part in enumerate(parts)])
        rings = _rings(shape[1:])
        labels = (channel[:, None] * RINGS + rings.ravel()).ravel()
        self._order = np.argsort(labels, kind="stable")
        self.sizes = np.unique(labels, return_counts=True)[1]

    @classmethod
    def fit(cls, images: Array) -> Cosine:
        """The bands of images (B, C, ...)."""
        channels = np.moveaxis(images - images.mean(axis=0), 1, 0).reshape(images.shape[1], -1)
        basis = np.linalg.eigh(channels @ channels.T)[1]
        return cls(images.shape[1:], basis[:, ::-1].T)

    def coefficients(self, images: Array) -> Array:
        from scipy.fft import dctn

        values = np.asarray(images, dtype=np.float64)
        if values.shape[1:] != self.shape:
            raise ArgumentError("images", f"images of shape {self.shape}", f"shape {values.shape}")
        waves = dctn(values, axes=range(2, values.ndim), norm="ortho")
        turned = np.einsum("dc,bc...->bd...", self.rotation, waves)
        return np.asarray(turned.reshape(len(values), -1)[:, self._order])

    def arrays(self) -> dict[str, Array]:
        return {"shape": np.array(self.shape, dtype=np.float64), "rotation": self.rotation}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Bands:
        return cls(tuple(int(size) for size in arrays["shape"]), arrays["rotation"])


def _rings(shape: tuple[int, ...]) -> Integers:
    """The ring of each frequency. The mean has a ring of its own; the edges of the other rings grow geometrically."""
    longest = max(shape)
    # A frequency is counted in waves along the longest axis, so that waves of one ring have similar lengths on every
    # axis.
    axes = [np.arange(size) * (longest / size) for size in shape]
    radius = np.sqrt(sum(np.square(axis) for axis in np.ix_(*axes)))
    edges = np.geomspace(1.0, radius.max() * (1 + 1e-9), RINGS)
    rings = np.where(radius == 0, 0, np.clip(np.searchsorted(edges, radius, side="right"), 1, RINGS - 1))
    return np.asarray(rings, dtype=np.int64)


# A new kind of bands is one class and one line here.
KINDS: Mapping[str, type[Bands]] = {made.kind: made for made in (Cosine, Principal, Linear)}


def fit_bands(images: Array) -> Bands:
    """The usual bands for these images: principal components for vectors, and the cosine transform for other shapes."""
    return Principal.fit(images) if images.ndim == 2 else Cosine.fit(images)


def restore(kind: str, arrays: Mapping[str, Any]) -> Bands:
    """The bands of a kind, from the arrays in a file."""
    return KINDS[kind].from_arrays(arrays)
