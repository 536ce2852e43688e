"""Small real data for the reference models; they come with scikit-learn, so that nothing is downloaded.

References:
    | Scikit-learn: Machine Learning in Python (Pedregosa et al., 2011)
    | https://jmlr.org/papers/v12/pedregosa11a.html
    | Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998)
    | https://doi.org/10.24432/C50P49
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from hso.errors import MissingExtraError, check_integer
from hso.noise.base import Array


def image_patches(size: int = 8, count: int = 10_000, seed: int = 0) -> Array:
    """Grey patches of two photographs, shape (count, size**2), in [-1, 1].

    Args:
        size: Pixels along a side.
        count: Number of patches, half of each photograph.
        seed: Seed of their places.

    Raises:
        MissingExtraError: If scikit-learn is not installed.
    """
    check_integer("size", size, 2, 256)
    check_integer("count", count, 2, 10_000_000)
    photographs = _require("sklearn.datasets").load_sample_images().images
    extract = _require("sklearn.feature_extraction.image").extract_patches_2d
    # Luma of ITU-R BT.601, the grey of most image libraries.
    grey = [photograph @ np.array([0.299, 0.587, 0.114]) for photograph in photographs]
    parts = [extract(image, (size, size), max_patches=count // 2, random_state=seed) for image in grey]
    return np.concatenate(parts).reshape(-1, size**2) / 127.5 - 1


def handwritten_digits() -> tuple[Array, np.ndarray[Any, np.dtype[np.int64]]]:
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
        raise MissingExtraError("scikit-learn", extra="compare") from error
