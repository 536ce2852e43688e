"""Load the small digits model, its classifier and its data's reference moments."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch
    from diffusers.models.unets.unet_2d import UNet2DModel

    from hso.models.classifier import DigitsClassifier

NO_CLASS = 10
"""The class label that stands for "no class" in classifier-free guidance."""
SIZE = 16
"""Pixels along a side of the model's images."""

FloatArray = npt.NDArray[np.float64]


class Moments(NamedTuple):
    """Mean and covariance of classifier features."""

    mean: FloatArray
    covariance: FloatArray


def digits_folder() -> Path:
    """Return the bundled model's folder, a diffusers pipeline folder."""
    return Path(__file__).parent / "digits"


def load_digits_model(dtype: torch.dtype | None = None, folder: Path | None = None) -> UNet2DModel:
    """Return the class-conditional U-Net in evaluation mode, its weights frozen.

    Args:
        dtype: The weights' type; float32 when not given (they are stored as float16).
        folder: Another folder of the same layout; the bundled one when not given.
    """
    _require("torch")
    import torch

    unet: UNet2DModel = _require("diffusers").UNet2DModel.from_pretrained(
        (folder or digits_folder()) / "unet",
        torch_dtype=dtype or torch.float32,
        local_files_only=True,
        use_safetensors=True,
        # The default wants the accelerate package and warns where it is absent.
        low_cpu_mem_usage=False,
    )
    return unet.eval().requires_grad_(False)


def load_digits_classifier(folder: Path | None = None) -> DigitsClassifier:
    """Return the classifier in evaluation mode, its weights frozen, as float32.

    Args:
        folder: Another folder of the same layout; the bundled one when not given.
    """
    _require("torch")
    load_file = _require("safetensors.torch").load_file
    from hso.models.classifier import DigitsClassifier

    source = (folder or digits_folder()) / "classifier"
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    # A configuration that leaves these two out is for digits.
    more = {name: config[name] for name in ("channels", "classes") if name in config}
    classifier = DigitsClassifier(tuple(config["widths"]), config["feature_size"], **more)
    classifier.load_state_dict(load_file(source / "model.safetensors"))
    return classifier.eval().requires_grad_(False)


def load_digits_moments(folder: Path | None = None) -> Moments:
    """Return the moments of the classifier's features over the real data set."""
    with np.load((folder or digits_folder()) / "reference_features.npz") as arrays:
        return Moments(arrays["mean"], arrays["covariance"])


def upsample_digits(pixels: torch.Tensor, moves: torch.Tensor | None = None) -> torch.Tensor:
    """Return scikit-learn's digits as the bundled model knows them, at 16x16 in [-1, 1].

    Moving and upsampling are one interpolation, so that moved images are as sharp as the others.

    Args:
        pixels: Images of shape (n, 1, 8, 8) with values 0 to 16.
        moves: How far each is moved, shape (n, 2), in halves of its width; not at all when not given.
    """
    _require("torch")
    import torch
    from torch.nn import functional

    affine = torch.eye(2, 3).repeat(len(pixels), 1, 1)
    if moves is not None:
        affine[:, :, 2] = moves
    grid = functional.affine_grid(affine, [len(pixels), 1, SIZE, SIZE], align_corners=False)
    fine = functional.grid_sample(pixels, grid, mode="bicubic", padding_mode="zeros", align_corners=False)
    return fine.clamp(0, 16) / 8 - 1


def moments_of(features: npt.ArrayLike) -> Moments:
    """Return the mean and covariance of features given one row per image."""
    rows = np.asarray(features, dtype=np.float64)
    return Moments(rows.mean(axis=0), np.cov(rows, rowvar=False))


def guided(
    unet: UNet2DModel, labels: torch.Tensor, guidance: float, no_class: int | None = None
) -> Callable[[torch.Tensor, float | torch.Tensor], torch.Tensor]:
    """Return the guided noise prediction as a function of the sample and the timestep.

    The timestep is a training index, not necessarily a whole number: a number for
    the whole batch or a tensor with one for every sample. Guidance 1 costs one
    conditional forward; any other value evaluates both halves as one batch.
    ``no_class`` is the label that means "no class", by default the last one.
    """
    _require("torch")
    import torch

    # A model without labels has none for no class, and needs none without guidance.
    nothing = (unet.config["num_class_embeds"] or 0) - 1 if no_class is None else no_class

    def predict(x: torch.Tensor, timesteps: float | torch.Tensor) -> torch.Tensor:
        # The U-Net truncates Python numbers to whole indices, but not tensors.
        index = torch.as_tensor(timesteps, dtype=torch.float32, device=x.device).expand(len(x))
        classes = labels.to(x.device).expand(len(x))
        sample = x.to(unet.dtype)
        if guidance == 1:
            eps: torch.Tensor = unet(sample, index, class_labels=classes).sample
            return eps.to(x.dtype)
        both = torch.cat([torch.full_like(classes, nothing), classes])
        stacked = unet(torch.cat([sample, sample]), index.repeat(2), class_labels=both).sample
        without, conditional = stacked.to(x.dtype).chunk(2)
        combined: torch.Tensor = without + guidance * (conditional - without)
        return combined

    return predict


def _require(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        from hso.errors import MissingExtraError

        raise MissingExtraError(name.partition(".")[0], extra="demo") from error
