"""Load the small digits model, its classifier and the reference moments of its data."""

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
        # The default needs the accelerate package and gives a warning without it.
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
    # The configuration of the digits classifier does not have these two values.
    more = {name: config[name] for name in ("channels", "classes") if name in config}
    classifier = DigitsClassifier(tuple(config["widths"]), config["feature_size"], **more)
    classifier.load_state_dict(load_file(source / "model.safetensors"))
    return classifier.eval().requires_grad_(False)


def load_digits_moments(folder: Path | None = None) -> Moments:
    """Return the moments of the classifier's features over the real data set."""
    with np.load((folder or digits_folder()) / "reference_features.npz") as arrays:
        return Moments(arrays["mean"], arrays["covariance"])


def upsample_digits(pixels: torch.Tensor, moves: torch.Tensor | None = None) -> torch.Tensor:
    """Return scikit-learn's digits in the form of the bundled model's data: 16x16 pixels in [-1, 1].

    One interpolation moves and upsamples the images, so moved images are as sharp as the others.

    Args:
        pixels: Images of shape (n, 1, 8, 8) with values 0 to 16.
        moves: The shift of each image, shape (n, 2), in units of half its width. By default no image is moved.
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
    """Return the mean and covariance of features. Each row holds the features of one image."""
    rows = np.asarray(features, dtype=np.float64)
    return Moments(rows.mean(axis=0), np.cov(rows, rowvar=False))


def guided(
    unet: UNet2DModel, labels: torch.Tensor, guidance: float, no_class: int | None = None
) -> Callable[[torch.Tensor, float | torch.Tensor], torch.Tensor]:
    """Return the guided noise prediction as a function of the sample and the timestep.

    The timestep is a training index and may be fractional. It is one number for the whole batch, or a tensor with one
    number for each sample. Guidance 1 costs one conditional network call. Any other value calls the network once on a
    batch with both halves, with and without the class. ``no_class`` is the label that means "no class", by default the
    last one.
    """
    _require("torch")
    import torch

    # A model without labels has no label for "no class". It does not need one, because it has no guidance.
    nothing = (unet.config["num_class_embeds"] or 0) - 1 if no_class is None else no_class

    def predict(x: torch.Tensor, timesteps: float | torch.Tensor) -> torch.Tensor:
        # The U-Net would truncate a Python number to a whole index, but it keeps a tensor as it is.
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
