"""What can be judged: exact-score models, the bundled model, and pipelines of diffusers."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from hso.comparison.subjects.base import LoopSubject, Start, Subject, SubjectSettings
from hso.comparison.subjects.exact import digits_empirical, gaussian, mixture
from hso.comparison.subjects.features import FEATURES
from hso.comparison.subjects.text_to_image import load_pipeline
from hso.comparison.subjects.unet import UNetSubject, digits
from hso.errors import ArgumentError, FileError, check_choice

# A new subject is one function and one line here.
SUBJECTS: Mapping[str, Callable[[SubjectSettings], Subject]] = {
    "gaussian": gaussian,
    "mixture": mixture,
    "digits-empirical": digits_empirical,
    "digits": digits,
}


def load_subject(settings: SubjectSettings) -> Subject:
    """The subject that the settings name.

    Raises:
        ArgumentError: If the name is unknown, or a setting does not fit the model.
        FileError: If a folder is not what was expected, or a hub id cannot be loaded.
        MissingExtraError: If an optional dependency is not installed.

    Example:
        >>> load_subject(SubjectSettings("gaussian")).shape
        (64,)
    """
    if settings.features is not None:
        check_choice("features", settings.features, FEATURES)
    name, _, scale = settings.model.partition("@")
    if name in SUBJECTS:
        return SUBJECTS[name](_with_guidance(settings, name, scale) if scale else settings)
    folder = Path(settings.model)
    if folder.exists() or settings.model.startswith((os.sep, ".")):
        return _from_folder(folder, settings)
    if "/" in settings.model:
        return load_pipeline(settings)
    check_choice("model", name, SUBJECTS)
    raise AssertionError


def _with_guidance(settings: SubjectSettings, name: str, scale: str) -> SubjectSettings:
    try:
        return dataclasses.replace(settings, model=name, guidance=float(scale))
    except ValueError:
        raise ArgumentError("model", f"{name}@G with a number G", settings.model) from None


def _from_folder(folder: Path, settings: SubjectSettings) -> Subject:
    index = folder / "model_index.json"
    if not folder.is_dir() or not any(folder.iterdir()):
        found = "nothing" if not folder.exists() else ("an empty folder" if folder.is_dir() else "a file")
        raise FileError(folder, f"expected a diffusers pipeline folder, found {found}")
    try:
        parts = json.loads(index.read_text(encoding="utf-8"))
    except OSError:
        raise FileError(folder, "expected a diffusers pipeline folder with model_index.json, found none") from None
    except ValueError:
        parts = None
    if not isinstance(parts, dict):
        raise FileError(index, "expected a JSON object, found something else")
    if "text_encoder" in parts:
        return load_pipeline(settings)
    if parts.get("unet", [None, None])[1] != "UNet2DModel":
        raise FileError(index, "expected a text_encoder, or a unet of class UNet2DModel, found neither")
    return UNetSubject(folder.resolve().name, folder, settings)


__all__ = ["FEATURES", "SUBJECTS", "LoopSubject", "Start", "Subject", "SubjectSettings", "load_subject"]
