"""In what images are compared, and the moments of a folder of real images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hso.comparison.statistics.blocks import pooled, sums
from hso.errors import ArgumentError, FileError, MissingExtraError
from hso.models.bundled import Moments
from hso.noise.base import Array

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
INCEPTION_DIMENSIONS = 2048
# Number of real images that are read together.
CHUNK = 64
Features = Callable[[Array], Array]


def pixels(device: str) -> Features:
    """The images themselves, as rows."""
    return lambda images: np.asarray(images, dtype=np.float64).reshape(len(images), -1)


def inception(device: str) -> Features:
    """The pooled features of the Inception network that FID is defined with, by torchmetrics.

    Raises:
        MissingExtraError: If torchmetrics or torch-fidelity is not installed.
        FileError: If the weights are neither stored here nor can be downloaded.
    """
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance

        network = FrechetInceptionDistance(feature=INCEPTION_DIMENSIONS).inception.to(device).eval()
    except (ImportError, RuntimeError):  # RuntimeError: torchvision was built for another torch
        package = "torch-fidelity with a torchvision that fits torch (--features pixels needs neither)"
        raise MissingExtraError(package, extra="fid") from None
    except OSError as error:
        problem = f"the network cannot be fetched: {error}; --features pixels needs none"
        raise FileError("weights of Inception", problem) from None

    def features(images: Array) -> Array:
        import torch

        colours = np.clip(127.5 * (_coloured(images) + 1), 0, 255).round().astype(np.uint8)
        with torch.inference_mode():
            found = network(torch.from_numpy(np.ascontiguousarray(colours.transpose(0, 3, 1, 2))).to(device))
        return np.asarray(found.cpu(), dtype=np.float64)

    return features


# New features are one function and one line here: a device to a function of images (n, H, W[, 3]) in [-1, 1].
FEATURES: Mapping[str, Callable[[str], Features]] = {"pixels": pixels, "inception": inception}


def folder_moments(folder: Path, features: Features) -> Moments:
    """Mean and covariance of the features of the images in a folder. They need not fit into memory.

    Raises:
        FileError: If the folder is missing or has no images, an image cannot be read, or its size differs.
    """
    sample = pooled(
        lambda: (sums(each, np.zeros(len(each)), np.zeros(len(each), int)) for each in _rows(folder, features))
    )
    if sample.counts.sum() < 2:
        raise FileError(folder, "expected images, found a single one")
    mean, covariance = sample.moments()
    return Moments(mean.astype(np.float64), covariance.astype(np.float64))


def folder_features(folder: Path, features: Features) -> Array:
    """The features of the images in a folder, one image a row; it raises the same errors."""
    return np.concatenate(list(_rows(folder, features)))


def image_paths(folder: Path) -> list[Path]:
    """The images of a folder, by name.

    Raises:
        FileError: If there are none.
    """
    if not folder.is_dir():
        raise FileError(folder, "expected a folder of images, found " + ("a file" if folder.exists() else "nothing"))
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise FileError(folder, f"expected images ({', '.join(IMAGE_SUFFIXES)}), found none")
    return paths


def _rows(folder: Path, features: Features) -> Iterator[Array]:
    paths = image_paths(folder)
    shape = _read(paths[0]).shape
    for first in range(0, len(paths), CHUNK):
        yield features(np.stack([_read(path, shape) for path in paths[first : first + CHUNK]]))


def _read(path: Path, shape: tuple[int, ...] | None = None) -> Array:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtraError("pillow", extra="compare") from None
    try:
        with Image.open(path) as image:
            colours: Any = image.convert("L" if image.mode in ("1", "L", "I;16") else "RGB")
            found = np.asarray(colours, dtype=np.float64) / 127.5 - 1
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FileError(path, f"cannot read the image: {error}") from None
    if shape is not None and found.shape != shape:
        raise FileError(path, f"expected an image of shape {shape} like its neighbours, got {found.shape}")
    return found


def _coloured(images: Array) -> Array:
    if images.ndim == 3:
        return np.repeat(images[..., None], 3, axis=3)
    if images.ndim == 4 and images.shape[3] == 3:
        return images
    raise ArgumentError("images", "shape (n, height, width) or (n, height, width, 3)", f"shape {images.shape}")
