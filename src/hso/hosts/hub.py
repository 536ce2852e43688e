"""The two small files of a model on the hub that say how it is sampled, in the folder where the hub's client keeps them."""

from __future__ import annotations

from pathlib import Path

from hso.errors import FileError, MissingExtraError
from hso.noise.config import CONFIG_FILES, MODEL_INDEX


def pipeline_folder(pipeline: str) -> Path:
    """A folder with ``model_index.json`` and the scheduler's configuration: itself, or a copy from the hub.

    Args:
        pipeline: A diffusers folder, or the hub's name of a model such as ``owner/model``.

    Raises:
        FileError: If it is neither.
        MissingExtraError: If the client of the hub is not installed.
    """
    folder = Path(pipeline)
    if folder.is_dir():
        return folder
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtraError(error.name or "huggingface_hub", extra="diffusers") from None
    try:
        index = hf_hub_download(pipeline, MODEL_INDEX)
        hf_hub_download(pipeline, CONFIG_FILES[1])
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise FileError(pipeline, f"expected a diffusers folder or a model on the hub: {reason}") from None
    return Path(index).parent
