"""Networks of diffusers that take a state, a timestep and possibly a label, sampled in this library's own loop.

Labels take turns: image i has the i-th label, and the first label follows the last one. If there are many labels, they are
shuffled before, so that few images show all kinds. The label that means "no class" is left out. It is the last one unless
the settings name another. Guidance needs it. Without guidance a model is known to have it if its own classifier has one
class less than there are labels, or if the settings name it. A model of latents ends with its autoencoder's decoder, and
all figures are of decoded images.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hso import files
from hso.comparison.subjects.base import LoopSubject, SubjectSettings, at_guidance, channels_last, refuse
from hso.comparison.subjects.classifier import ClassifierFeatures
from hso.comparison.subjects.device import check_device
from hso.comparison.subjects.features import Features, folder_features, folder_moments, named_features
from hso.errors import ArgumentError, FileError
from hso.models.bundled import (
    digits_folder,
    guided,
    load_digits_model,
    load_digits_moments,
    upsample_digits,
)
from hso.models.datasets import handwritten_digits
from hso.models.teacher import Network
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.noise.config import read_json
from hso.solvers import Node

Decode = Callable[[Any], Any]
# Up to so many labels, every block of the bootstrap has them all.
FEW_LABELS = 20
# Classes of the bundled classifier, whose configuration does not count them.
DIGITS = 10


class Parts(NamedTuple):
    """What a network of diffusers is sampled with.

    Attributes:
        name: The name in reports.
        module: The network: a state, timesteps and ``class_labels`` to its prediction.
        noise: The model's noise schedule.
        prediction: What it predicts.
        labels: Number of labels that the network knows, "no class" included; 0 if it knows none.
        has_no_class: Whether it is known that one of them means "no class".
        decode: Clean states to images; None if the states are images.
    """

    name: str
    module: Any
    noise: NoiseSchedule
    prediction: str
    labels: int = 0
    has_no_class: bool = False
    decode: Decode | None = None


class Labels(NamedTuple):
    """The labels that images take in turn, and the one that means "no class"."""

    taken: tuple[int, ...]
    no_class: int | None

    @classmethod
    def of(cls, parts: Parts, settings: SubjectSettings) -> Labels:
        """The labels of a network.

        Raises:
            ArgumentError: If guidance or a label is asked for that the network does not have.
        """
        known, given = parts.labels, settings.no_class
        if given is not None and given >= known:
            expected = f"a label from 0 to {known - 1}" if known else f"none for {parts.name}, which has no labels"
            raise ArgumentError("no_class", expected, given)
        if settings.guidance != 1 and known < 2:
            raise ArgumentError("guidance", f"1 for {parts.name}, which has no label for no class", settings.guidance)
        no_class: int | None = known - 1 if given is None else given
        if settings.guidance == 1 and given is None and not parts.has_no_class:
            no_class = None
        taken = [label for label in range(known) if label != no_class]
        if len(taken) > FEW_LABELS:
            taken = np.random.default_rng(0).permutation(taken).tolist()
        return cls(tuple(taken), no_class)


class NetworkSubject(LoopSubject):
    """A network of diffusers.

    Args:
        parts: The network, and what belongs to it.
        settings: Guidance, seed, device and features.

    Raises:
        ArgumentError: If guidance or a label is asked for that the model does not have, or the device is missing.
        FileError: If the data cannot be read.
        MissingExtraError: If torch or diffusers is not installed.
    """

    def __init__(self, parts: Parts, settings: SubjectSettings) -> None:
        refuse(parts.name, settings, "captions")
        self.labels = Labels.of(parts, settings)
        self.device = check_device(settings.device)
        self.parts, self.module = parts, parts.module.to(self.device)
        self.name = parts.name if settings.guidance == 1 else f"{parts.name}@{settings.guidance:g}"
        self.noise = at_guidance(parts.noise, settings.guidance)
        self.prediction = parts.prediction
        self.guidance, self.seed = settings.guidance, settings.seed
        self.period = len(self.labels.taken) if 1 <= len(self.labels.taken) <= FEW_LABELS else 1
        self.shape = (self.module.config.in_channels, *_size(self.module.config.sample_size))
        self._features: Features
        self._judge(settings)

    def _judge(self, settings: SubjectSettings) -> None:
        """The features and the data that the settings ask for."""
        self._features = named_features(settings.features or "inception", self.device)
        if settings.data is not None:
            self.moments = folder_moments(settings.data, self._features)
            self.data = partial(folder_features, settings.data, self._features)

    def network(self, images: range) -> Network:
        import torch

        predict: Callable[[Any, Any], Any] = self._plain
        channels = self.shape[0]
        if self.labels.taken:
            taken = self.labels.taken
            wanted = torch.tensor([taken[index % len(taken)] for index in images], device=self.device)
            predict = guided(self.module, wanted, self.guidance, self.labels.no_class)

        def network(x: torch.Tensor, node: Node) -> torch.Tensor:
            with torch.inference_mode():
                # Networks that learn their variance return it in channels of its own, after the prediction.
                return predict(x, float(self.noise.timestep_of_time(node.t)))[:, :channels]

        return network

    def features(self, images: Array) -> Array:
        return self._features(channels_last(images))

    def pictures(self, images: Array) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return super().pictures(channels_last(images))

    def _plain(self, x: Any, timestep: Any) -> Any:
        import torch

        index = torch.as_tensor(timestep, dtype=torch.float32, device=x.device).expand(len(x))
        return self.module(x.to(self.module.dtype), index).sample.to(x.dtype)

    def _as_input(self, noise: Array) -> Any:
        import torch

        return torch.from_numpy(noise.astype(np.float32)).to(self.device)

    def _as_images(self, x: Any) -> Array:
        import torch

        with torch.inference_mode():
            images = x if self.parts.decode is None else self.parts.decode(x)
        return np.asarray(images.clamp(-1, 1).float().cpu())


class FolderSubject(NetworkSubject):
    """A UNet2DModel in a folder that may bring its own features, as the bundled model's folder does.

    The folder has ``unet`` and ``scheduler``, and for its own features ``classifier`` and ``reference_features.npz``.
    """

    def __init__(self, parts: Parts, folder: Path, settings: SubjectSettings) -> None:
        self.folder = folder
        super().__init__(parts, settings)

    def _judge(self, settings: SubjectSettings) -> None:
        if settings.features is not None or not has_own_features(self.folder):
            super()._judge(settings)
            return
        refuse(f"{self.name} in its own features", settings, "data")
        try:
            self._features, self.moments = ClassifierFeatures(self.folder), load_digits_moments(self.folder)
        except Exception as error:  # safetensors, torch and NumPy have many names for a damaged file
            problem = f"cannot load classifier and reference_features.npz: {brief(error)}"
            raise FileError(self.folder, problem) from None
        if self.folder == digits_folder():
            self.data = lambda: self._features(_training_images())


def digits(settings: SubjectSettings) -> FolderSubject:
    """The bundled model, class-conditional."""
    return unet_subject("digits", digits_folder(), settings)


def unet_subject(name: str, folder: Path, settings: SubjectSettings) -> FolderSubject:
    """A UNet2DModel of a diffusers folder.

    Raises:
        ArgumentError: If guidance or a label is asked for that the model does not have, or the device is missing.
        FileError: If the folder is laid out in another way.
        MissingExtraError: If torch or diffusers is not installed.
    """
    try:
        unet: Any = load_digits_model(folder=folder)
    except OSError as error:
        raise FileError(folder, f"cannot load unet: {brief(error)}") from None
    if unet.config.class_embed_type is not None:
        kind = unet.config.class_embed_type
        raise FileError(folder, f"expected a unet that takes numbers as labels, found class_embed_type {kind}")
    labels = unet.config.num_class_embeds or 0
    known = has_own_features(folder) and _classes_of(folder) == labels - 1
    noise = NoiseSchedule.from_config(folder)
    return FolderSubject(Parts(name, unet, noise, prediction_of(folder), labels, known), folder, settings)


def has_own_features(folder: Path) -> bool:
    """Whether a folder brings a classifier and the moments of its features over the data."""
    return (folder / "classifier").is_dir() and (folder / "reference_features.npz").is_file()


def _classes_of(folder: Path) -> int | None:
    """Number of classes of a folder's own classifier; None if it does not say."""
    try:
        config = files.read_json(folder / "classifier" / "config.json")
        return int(config.get("classes", DIGITS))
    except (OSError, ValueError, AttributeError):
        return None


def prediction_of(folder: Path) -> str:
    """What the network of a diffusers folder predicts."""
    return str(read_json(folder).get("prediction_type", "epsilon"))


def brief(error: Exception) -> str:
    """An error of another library in one short line."""
    return " ".join(str(error).split())[:160]


def _training_images() -> Array:
    """The digits as the bundled model was trained on them."""
    import torch

    coarse = 8 * (handwritten_digits()[0].astype(np.float32) + 1)
    return np.asarray(upsample_digits(torch.from_numpy(coarse).reshape(-1, 1, 8, 8)))[:, 0]


def _size(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)
