"""The features by which images are compared, and the moments of the features of a folder of real images.

Features have names, which ``--features`` takes: ``pixels``, ``inception``, ``classifier``, and
``transformers:ID_OR_FOLDER`` for a vision model of transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hso.comparison.statistics.blocks import pooled, sums
from hso.comparison.subjects.classifier import classifier
from hso.comparison.subjects.vision import coloured, vision_model
from hso.errors import ArgumentError, FileError, MissingExtraError, check_choice
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


def inception(device: str, network: Any = INCEPTION_DIMENSIONS) -> Features:
    """The pooled features of the Inception network that FID is defined with, by torchmetrics.

    Args:
        device: Where the network runs.
        network: The number of Inception's features, or another network: a torch module from images (n, 3, H, W) of
            type uint8 to rows. Only the first needs torch-fidelity.

    Raises:
        MissingExtraError: If torchmetrics or torch-fidelity is not installed.
        FileError: If the weights are neither stored here nor can be downloaded.
    """
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance

        made = FrechetInceptionDistance(feature=network).inception.to(device).eval()
    except (ImportError, RuntimeError):  # RuntimeError: torchvision was built for another torch
        package = "torch-fidelity with a torchvision that fits torch (--features pixels needs neither)"
        raise MissingExtraError(package, extra="fid") from None
    except OSError as error:
        problem = f"the network cannot be fetched: {error}; --features pixels needs none"
        raise FileError("weights of Inception", problem) from None

    def features(images: Array) -> Array:
        import torch

        colours = coloured(images)
        with torch.inference_mode():
            found = made(torch.from_numpy(np.ascontiguousarray(colours.transpose(0, 3, 1, 2))).to(device))
        return np.asarray(found.cpu(), dtype=np.float64)

    return features


class FeatureKind(NamedTuple):
    """A kind of features.

    Attributes:
        make: From a device, and from what follows the colon where something does, to a function of images
            (n, H, W[, 3]) in [-1, 1].
        source: What follows the colon after the name; empty if nothing does.
    """

    make: Callable[..., Features]
    source: str = ""


# New features are one function and one line here.
FEATURES: Mapping[str, FeatureKind] = {
    "pixels": FeatureKind(pixels),
    "inception": FeatureKind(inception),
    "classifier": FeatureKind(classifier),
    "transformers": FeatureKind(vision_model, "ID_OR_FOLDER"),
}


def check_features(name: str, besides: tuple[str, ...] = ()) -> None:
    """Refuse a name that no features have. Nothing is loaded.

    Args:
        name: The name.
        besides: What else the caller takes.

    Raises:
        ArgumentError: If the name is unknown (the nearest one is suggested), or what follows it is missing or too much.

    Example:
        >>> check_features("transformers:facebook/dinov2-small")
    """
    kind, colon, source = name.partition(":")
    if kind not in FEATURES and "/" in kind:
        raise ArgumentError(
            "features", f"one of {', '.join(_shown(besides))}", name, f"for a model: transformers:{name}"
        )
    check_choice("features", kind, (*FEATURES, *besides))
    wanted = FEATURES[kind].source if kind in FEATURES else ""
    if bool(source) != bool(wanted) or bool(colon) != bool(wanted):
        raise ArgumentError("features", f"{kind}:{wanted}" if wanted else f"{kind} with nothing after it", name)


def named_features(name: str, device: str) -> Features:
    """The features of this name.

    Raises:
        ArgumentError: If the name is unknown, and the nearest one is suggested.
        FileError: If weights cannot be loaded.
        MissingExtraError: If a library is not installed.

    Example:
        >>> named_features("pixels", "cpu")(np.zeros((2, 4, 4))).shape
        (2, 16)
    """
    check_features(name)
    kind, _, source = name.partition(":")
    made = FEATURES[kind].make
    return made(device, source) if source else made(device)


def _shown(besides: tuple[str, ...]) -> list[str]:
    return sorted((*besides, *(f"{name}:{kind.source}" if kind.source else name for name, kind in FEATURES.items())))


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
