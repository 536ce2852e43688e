"""Small real data for the reference models. scikit-learn and scikit-image contain them, so nothing is downloaded.

References:
    | Scikit-learn: Machine Learning in Python (Pedregosa et al., 2011)
    | https://jmlr.org/papers/v12/pedregosa11a.html
    | scikit-image: image processing in Python (van der Walt et al., 2014)
    | https://doi.org/10.7717/peerj.453
    | Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998)
    | https://doi.org/10.24432/C50P49
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from hso.errors import MissingExtraError, check_integer
from hso.noise.base import Array

Labels = np.ndarray[Any, np.dtype[np.int64]]

PICTURES = ("china", "flower", "astronaut", "coffee", "cat", "rocket", "immunohistochemistry", "retina")
"""The pictures of the colour patches, in the order of their labels."""
SCALES = (1, 2, 3, 4)
"""One pixel of a patch is the mean of this many pixels of a picture along each side. Each patch draws one of these."""
WIDTH = 300
"""A picture whose shorter side has more than twice this many pixels is first made smaller, towards this size."""
LEAST_CONTRAST = 0.1
"""A patch shows one colour only, and is left out, if its values deviate less than this from its mean colour."""


def image_patches(size: int = 8, count: int = 10_000, seed: int = 0) -> Array:
    """Grey patches of two photographs, shape (count, size**2), in [-1, 1].

    Args:
        size: Pixels along a side.
        count: Number of patches, half of each photograph.
        seed: Seed of the random places.

    Raises:
        MissingExtraError: If scikit-learn is not installed.
    """
    check_integer("size", size, 2, 256)
    check_integer("count", count, 2, 10_000_000)
    photographs = _require("sklearn.datasets").load_sample_images().images
    extract = _require("sklearn.feature_extraction.image").extract_patches_2d
    # These weights give the luma of ITU-R BT.601, the grey value in most image libraries.
    grey = [photograph @ np.array([0.299, 0.587, 0.114]) for photograph in photographs]
    parts = [extract(image, (size, size), max_patches=count // 2, random_state=seed) for image in grey]
    return np.concatenate(parts).reshape(-1, size**2) / 127.5 - 1


def colour_patches(size: int = 16, count: int = 8_000, seed: int = 0) -> tuple[Array, Labels]:
    """Colour patches of eight pictures, shape (count, 3, size, size), in [-1, 1], and the pictures' numbers.

    A side of a patch covers ``size`` to ``4 * size`` pixels of the picture, and half of the patches are mirrored.
    Patches that show almost one colour only are left out.

    Args:
        size: Pixels along a side.
        count: Number of patches; the pictures take turns, in the order of ``PICTURES``.
        seed: Seed of the random places, sizes and mirrors.

    Raises:
        MissingExtraError: If scikit-learn or scikit-image is not installed.
    """
    check_integer("size", size, 2, WIDTH // SCALES[-1])
    check_integer("count", count, len(PICTURES), 10_000_000)
    pictures = _pictures()
    patches, labels = np.empty((count, 3, size, size)), np.arange(count) % len(PICTURES)
    for label, picture in enumerate(pictures):
        chosen = labels == label
        random = np.random.default_rng((seed, label))
        patches[chosen] = _patches(_sums(picture), size, int(chosen.sum()), random)
    return patches, labels.astype(np.int64)


def _pictures() -> list[Array]:
    """The pictures with values in [-1, 1], shape (height, width, 3)."""
    scenes = _require("sklearn.datasets").load_sample_images().images
    data = _require("skimage.data")
    return [scene / 127.5 - 1 for scene in (*scenes, *(getattr(data, name)() for name in PICTURES[2:]))]


def _sums(picture: Array) -> Array:
    """Sums over all pixels above and left of every corner. They give the mean of any rectangle."""
    shrink = min(picture.shape[:2]) // WIDTH
    height, width = (side // shrink for side in picture.shape[:2])
    blocks = picture[: height * shrink, : width * shrink].reshape(height, shrink, width, shrink, 3)
    sums = np.zeros((height + 1, width + 1, 3))
    sums[1:, 1:] = blocks.mean(axis=(1, 3)).cumsum(axis=0).cumsum(axis=1)
    return sums


def _patches(sums: Array, size: int, count: int, random: np.random.Generator) -> Array:
    """Patches with enough contrast, shape (count, 3, size, size)."""
    found, total = [], 0
    while total < count:
        patches = _any_patches(sums, size, count, random)
        contrast = patches.std(axis=(2, 3)).max(axis=1)
        found.append(patches[contrast >= LEAST_CONTRAST])
        total += len(found[-1])
    return np.concatenate(found)[:count]


def _any_patches(sums: Array, size: int, count: int, random: np.random.Generator) -> Array:
    """Patches with random places, sizes and mirrors, without a check of their contrast."""
    scale = random.choice(SCALES, count)[:, None]
    top, left = (random.integers(0, side - size * scale) for side in sums.shape[:2])
    rows, columns = (start + scale * np.arange(size + 1) for start in (top, left))
    corners = sums[rows[:, :, None], columns[:, None, :]]
    patches = np.diff(np.diff(corners, axis=1), axis=2) / scale[:, :, None, None] ** 2
    mirrored = random.random(count) < 0.5
    patches[mirrored] = patches[mirrored, :, ::-1]
    return patches.transpose(0, 3, 1, 2)


def handwritten_digits() -> tuple[Array, Labels]:
    """Images of 8 by 8 pixels, shape (1797, 64), in [-1, 1], and the digits they show, shape (1797,).

    Raises:
        MissingExtraError: If scikit-learn is not installed.

    Example:
        >>> images, digits = handwritten_digits()
        >>> images.shape, digits[:5].tolist()
        ((1797, 64), [0, 1, 2, 3, 4])
    """
    images, digits = _require("sklearn.datasets").load_digits(return_X_y=True)
    return images / 8 - 1, np.asarray(digits, dtype=np.int64)


def _require(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = "scikit-image" if name.startswith("skimage") else "scikit-learn"
        raise MissingExtraError(package, extra="compare") from error
