"""Features of images by a vision model of transformers: DINO, CLIP, SigLIP, ViT, ConvNeXt and others.

A model that was trained with texts gives its embedding of an image. Another one gives its pooled output, or its first token
if its file has no weights for the pooling. Images are prepared by the model's own image processor.

References:
    | DINOv2: Learning Robust Visual Features without Supervision (Oquab et al., 2023)
    | https://arxiv.org/abs/2304.07193
    | Learning Transferable Visual Models From Natural Language Supervision (Radford et al., 2021)
    | https://arxiv.org/abs/2103.00020
    | Exposing flaws of generative model evaluation metrics (Stein et al., 2023)
    | https://arxiv.org/abs/2306.04675
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hso.errors import ArgumentError, FileError, MissingExtraError
from hso.noise.base import Array

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
POOLING = "pooler"


def vision_model(device: str, source: str) -> Callable[[Array], Array]:
    """Features of a vision model.

    Args:
        device: Where the model runs.
        source: A folder that ``save_pretrained`` wrote, or a hub id, which is downloaded. Weights are read from
            safetensors files only, and no code of the model is run.

    Raises:
        FileError: If there is no such model, it is no vision model, or weights are missing.
        MissingExtraError: If transformers is not installed.
    """
    try:
        import torch
        import transformers as library
    except ImportError:
        raise MissingExtraError("transformers", extra="diffusers") from None
    transformers: Any = library
    local = Path(source).is_dir()
    if not local and source.startswith(("/", "\\", ".")):
        raise FileError(source, "there is no such folder")
    try:
        prepare = transformers.AutoImageProcessor.from_pretrained(source, local_files_only=local)
        model, loaded = transformers.AutoModel.from_pretrained(
            source, local_files_only=local, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
        raise FileError(source, f"cannot load a vision model: {' '.join(str(error).split())[:160]}") from None
    missing = {str(key).split(".")[0] for key in loaded["missing_keys"]}
    if missing - {POOLING}:
        raise FileError(source, f"has no weights for {', '.join(sorted(missing - {POOLING}))}")
    model.to(device).eval().requires_grad_(False)

    def features(images: Array) -> Array:
        given = prepare(images=list(coloured(images)), return_tensors="pt")["pixel_values"].to(device)
        with torch.inference_mode():
            rows = _rows(model, given, pools=POOLING not in missing)
        return np.asarray(rows.float().cpu(), dtype=np.float64)

    return features


def _rows(model: Any, images: Any, pools: bool) -> Any:
    """One row for each image."""
    if hasattr(model, "get_image_features"):
        found = model.get_image_features(pixel_values=images)
        return found if hasattr(found, "shape") else found.pooler_output
    found = model(pixel_values=images)
    pooled = getattr(found, "pooler_output", None)
    if pools and pooled is not None:
        return pooled.flatten(1)
    tokens = found.last_hidden_state
    return tokens[:, 0] if tokens.ndim == 3 else tokens.flatten(2).mean(2)


def coloured(images: Array) -> Bytes:
    """Images as bytes in three colours, shape (n, H, W, 3); grey ones have the same value in all three.

    Raises:
        ArgumentError: If they have another shape.

    Example:
        >>> coloured(np.full((1, 2, 2), -1.0))[0, 0].tolist()
        [[0, 0, 0], [0, 0, 0]]
    """
    if images.ndim == 3:
        images = np.repeat(images[..., None], 3, axis=3)
    if images.ndim != 4 or images.shape[3] != 3:
        expected = "shape (n, height, width) or (n, height, width, 3)"
        raise ArgumentError("images", expected, f"shape {images.shape}")
    return np.asarray(np.clip(127.5 * (images + 1), 0, 255).round(), dtype=np.uint8)
