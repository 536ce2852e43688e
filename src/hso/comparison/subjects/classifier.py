"""The features of a small classifier of 16x16 images. The bundled models come with such a classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hso.errors import ArgumentError
from hso.models.bundled import SIZE, digits_folder, load_digits_classifier
from hso.noise.base import Array


class ClassifierFeatures:
    """The last features but one of the classifier in a folder.

    Args:
        folder: A folder with a ``classifier``, as that of the bundled model.

    Raises:
        MissingExtraError: If torch or safetensors is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.network = load_digits_classifier(folder)

    def __call__(self, images: Array) -> Array:
        import torch

        channels = images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)
        with torch.inference_mode():
            rows = self.network.features(torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32)))
        return np.asarray(rows, dtype=np.float64)


def classifier(device: str) -> Callable[[Array], Array]:
    """The features of the bundled digit classifier. It is small and always runs on the CPU."""
    features = ClassifierFeatures(digits_folder())

    def checked(images: Array) -> Array:
        if images.shape[1:] != (SIZE, SIZE):
            raise ArgumentError("features", f"grey images of {SIZE} by {SIZE} pixels for classifier", images.shape[1:])
        return features(images)

    return checked
