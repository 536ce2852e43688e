"""Diffusers folders with a UNet2DModel, with or without classes; the bundled model is one.

The folder is laid out as the bundled one: ``unet``, ``scheduler`` and, if the folder brings its own features,
``classifier`` and ``reference_features.npz``. Guidance needs a model whose label 10 means "no class".
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hso.comparison.subjects.base import LoopSubject, Network, SubjectSettings, at_guidance, refuse
from hso.comparison.subjects.device import check_device
from hso.comparison.subjects.features import FEATURES, Features, folder_features, folder_moments
from hso.errors import ArgumentError, FileError
from hso.models.bundled import (
    NO_CLASS,
    Moments,
    digits_folder,
    guided,
    load_digits_classifier,
    load_digits_model,
    load_digits_moments,
    upsample_digits,
)
from hso.models.datasets import handwritten_digits
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.solvers import Node


class UNetSubject(LoopSubject):
    """A U-Net of a diffusers folder, sampled in this library's own loop.

    Args:
        name: What to call it.
        folder: The folder.
        settings: Guidance, seed, device and features.

    Raises:
        ArgumentError: If guidance is asked of a model that has none, or the device is not there.
        FileError: If the folder is not laid out so.
        MissingExtraError: If torch or diffusers is not installed.
    """

    def __init__(self, name: str, folder: Path, settings: SubjectSettings) -> None:
        refuse(name, settings, "captions")
        self.device = check_device(settings.device)
        self.unet: Any = _load(folder).to(self.device)
        self.name = name if settings.guidance == 1 else f"{name}@{settings.guidance:g}"
        self.noise = at_guidance(NoiseSchedule.from_config(folder), settings.guidance)
        self.prediction = _prediction(folder)
        self.guidance, self.seed = settings.guidance, settings.seed
        self.shape = (self.unet.config.in_channels, *_size(self.unet.config.sample_size))
        self._labels()
        self._judge(folder, settings)

    def _labels(self) -> None:
        """How many labels there are to ask for."""
        known = self.unet.config.num_class_embeds
        if self.guidance != 1 and known != NO_CLASS + 1:
            raise ArgumentError("guidance", f"1 for a model without a label {NO_CLASS} for no class", self.guidance)
        self.period = 1 if known is None else (NO_CLASS if known == NO_CLASS + 1 else known)

    def _judge(self, folder: Path, settings: SubjectSettings) -> None:
        """Features and the data's moments: the folder's own, or those asked for."""
        self._features: Features
        own = (folder / "classifier").is_dir() and (folder / "reference_features.npz").is_file()
        if settings.features is None and own:
            refuse(f"{self.name} in its own features", settings, "data")
            self._features, self.moments = _own(folder)
            if folder == digits_folder():
                self.data = lambda: self._features(_training_images())
            return
        self._features = FEATURES[settings.features or "inception"](self.device)
        if settings.data is not None:
            self.moments = _fitting(folder_moments(settings.data, self._features), self.shape, settings)
            self.data = partial(folder_features, settings.data, self._features)

    def network(self, images: range) -> Network:
        import torch

        labels = torch.tensor([index % self.period for index in images], device=self.device)
        predict = guided(self.unet, labels, self.guidance) if self.unet.config.num_class_embeds else self._plain

        def network(x: torch.Tensor, node: Node) -> torch.Tensor:
            with torch.inference_mode():
                return predict(x, float(self.noise.timestep_of_time(node.t)))

        return network

    def features(self, images: Array) -> Array:
        return self._features(_channels_last(images))

    def pictures(self, images: Array) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return super().pictures(_channels_last(images))

    def _plain(self, x: Any, timestep: Any) -> Any:
        import torch

        index = torch.as_tensor(timestep, dtype=torch.float32, device=x.device).expand(len(x))
        return self.unet(x, index).sample

    def _as_input(self, noise: Array) -> Any:
        import torch

        return torch.from_numpy(noise.astype(np.float32)).to(self.device)

    def _as_images(self, x: Any) -> Array:
        return np.asarray(x.clamp(-1, 1).cpu())


def _own(folder: Path) -> tuple[Features, Moments]:
    try:
        return _Classifier(folder), load_digits_moments(folder)
    except Exception as error:  # safetensors, torch and NumPy have many names for a damaged file
        problem = " ".join(str(error).split())[:160]
        raise FileError(folder, f"cannot load classifier and reference_features.npz: {problem}") from None


class _Classifier:
    """The features of the folder's own classifier."""

    def __init__(self, folder: Path) -> None:
        self.network = load_digits_classifier(folder)

    def __call__(self, images: Array) -> Array:
        import torch

        with torch.inference_mode():
            rows = self.network.features(torch.from_numpy(np.ascontiguousarray(images[:, None], dtype=np.float32)))
        return np.asarray(rows, dtype=np.float64)


def digits(settings: SubjectSettings) -> UNetSubject:
    """The bundled model, class-conditional."""
    return UNetSubject("digits", digits_folder(), settings)


def _training_images() -> Array:
    """The digits as the bundled model was trained on them."""
    import torch

    coarse = 8 * (handwritten_digits()[0].astype(np.float32) + 1)
    return np.asarray(upsample_digits(torch.from_numpy(coarse).reshape(-1, 1, 8, 8)))[:, 0]


def _load(folder: Path) -> Any:
    try:
        return load_digits_model(folder=folder)
    except OSError as error:
        raise FileError(folder, f"cannot load unet: {' '.join(str(error).split())[:160]}") from None


def _prediction(folder: Path) -> str:
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    return str(config.get("prediction_type", "epsilon"))


def _fitting(moments: Moments, shape: tuple[int, ...], settings: SubjectSettings) -> Moments:
    if settings.features == "pixels" and len(moments.mean) != int(np.prod(shape)):
        raise ArgumentError("data", f"images of {int(np.prod(shape))} numbers, as the model's", len(moments.mean))
    return moments


def _size(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _channels_last(images: Array) -> Array:
    return images[:, 0] if images.shape[1] == 1 else np.moveaxis(images, 1, -1)
