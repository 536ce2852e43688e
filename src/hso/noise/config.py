"""Noise schedules from diffusers configurations.

Each family has a reader that recognises its configurations (see the readers' own words); ``READERS`` lists them. Fields
that choose only the solver or the sampling schedule (spacing, Karras, beta or exponential sigmas) are ignored, since both
are chosen anew. What a pipeline, or the ``model_index.json`` of its folder, says about the model becomes its traits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from hso import files
from hso.errors import ArgumentError, FileError, check_choice
from hso.noise.betas import BetaReader
from hso.noise.clock import Clock
from hso.noise.cosine import CosineReader
from hso.noise.default_rule import read_default_rule
from hso.noise.edm import CosmosReader, EDMReader
from hso.noise.flow import FlowReader
from hso.noise.path import Path
from hso.noise.reading import Configuration, Reader
from hso.noise.traits import UNKNOWN, Traits, read_traits

CONFIG_FILES = ("scheduler_config.json", "scheduler/scheduler_config.json")
MODEL_INDEX = "model_index.json"
# The first reader that recognises a configuration reads it. A new family is one line here.
READERS: tuple[Reader, ...] = (
    CosmosReader(),
    FlowReader(),
    EDMReader(),
    CosineReader(),
    BetaReader(),
)
# The scheduler of this library (hso.hosts.diffusers.planned) keeps the configuration of another one, and here its class.
STANDS_FOR = "stands_for"
# Distilled models know only the levels of their own grid. The first two classes are refused when they come with a model; a
# bare scheduler object of such a class names no model. The other classes are always refused: they have no other use.
DISTILLED_WITH_MODEL = ("LCMScheduler", "TCDScheduler")
DISTILLED = (
    "CMStochasticIterativeScheduler",
    "FlowMatchLCMScheduler",
    "HeliosDMDScheduler",
    "SCMScheduler",
)


class Reading(NamedTuple):
    """What was read of a model: the arguments of :class:`hso.NoiseSchedule`."""

    clock: Clock
    path: Path
    name: str
    traits: Traits = UNKNOWN


def known_classes() -> tuple[str, ...]:
    """Names of all scheduler classes that are read or refused."""
    return (*(name for reader in READERS for name in reader.classes), *DISTILLED)


def read_source(source: Any, name: str | None = None, image_seq_len: int | None = None) -> Reading:
    """See :meth:`hso.NoiseSchedule.from_config`."""
    if isinstance(source, str | FilePath):
        return _read_path(FilePath(source), name, image_seq_len)
    if isinstance(source, Mapping):
        return Reading(*read_mapping(source, image_seq_len), name or str(source.get("_class_name", "config")))
    return _read_object(source, name or type(source).__name__, image_seq_len)


def read_mapping(config: Mapping[str, Any], image_seq_len: int | None = None, pipeline: str = "") -> tuple[Clock, Path]:
    """Read the clock and the path of a model from the configuration of its scheduler.

    Args:
        config: The configuration.
        image_seq_len: Tokens of the image.
        pipeline: The class of the diffusers pipeline, if it is known.

    Raises:
        ArgumentError: If a field is missing, unknown or impossible, or the model was distilled onto fixed levels.
    """
    class_name = config.get(STANDS_FOR) or config.get("_class_name") or ""
    if class_name:
        check_choice("_class_name", class_name, known_classes())
    _refuse_distilled(class_name, DISTILLED_WITH_MODEL)
    return _read(Configuration(config, class_name, image_seq_len, pipeline))


def _read_path(path: FilePath, name: str | None, image_seq_len: int | None) -> Reading:
    """From a file, or a folder whose ``model_index.json`` says more."""
    config = read_json(path)
    index = read_json(path / MODEL_INDEX) if (path / MODEL_INDEX).is_file() else {}
    _refuse_distilled_model(index)
    clock, found = read_mapping(config, image_seq_len, str(index.get("_class_name", "")))
    return Reading(clock, found, name or _model_name(path), _traits(index, config) if index else UNKNOWN)


def read_scheduler(scheduler: Any, pipeline: str = "", image_seq_len: int | None = None) -> tuple[Clock, Path]:
    """Read the clock and the path of a model from a live scheduler, whether or not the model was distilled.

    Args:
        scheduler: The scheduler.
        pipeline: The class of its pipeline, if it is known.
        image_seq_len: Tokens of the image.
    """
    values = scheduler_values(scheduler)
    return _read(Configuration(values, values["_class_name"], image_seq_len, pipeline))


def _read_object(source: Any, name: str, image_seq_len: int | None) -> Reading:
    """From a scheduler, or a pipeline with one."""
    scheduler = getattr(source, "scheduler", source)
    if not isinstance(getattr(scheduler, "config", None), Mapping):
        expected = "a path, a dict, a diffusers scheduler or a pipeline"
        raise ArgumentError("config", expected, type(source).__name__)
    if scheduler is source:
        return Reading(*read_scheduler(scheduler, image_seq_len=image_seq_len), name)
    values = scheduler_values(scheduler)
    _refuse_distilled(values["_class_name"], DISTILLED_WITH_MODEL)
    parts = getattr(source, "config", None)
    index = {"_class_name": type(source).__name__, **(parts if isinstance(parts, Mapping) else {})}
    _refuse_distilled_model(index)
    clock, path = read_scheduler(scheduler, str(index["_class_name"]), image_seq_len)
    return Reading(clock, path, name, _traits(index, values) if isinstance(parts, Mapping) else UNKNOWN)


def scheduler_values(scheduler: Any) -> dict[str, Any]:
    """The configuration of a live scheduler, with its known class and what was set on it later."""
    return {**scheduler.config, **_live(scheduler), "_class_name": _class_of(scheduler, scheduler.config)}


def _traits(index: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:
    """What a pipeline's parts and its scheduler's configuration say of the model."""
    return replace(read_traits(index), default_rule=read_default_rule(str(index.get("_class_name", "")), config))


def _read(config: Configuration) -> tuple[Clock, Path]:
    _refuse_distilled(config.class_name, DISTILLED)
    for reader in READERS:
        if reader.recognises(config):
            if not reader.takes_image_seq_len:
                config.refuse_image_seq_len()
            return reader.read(config)
    clues = "; or ".join(reader.clue for reader in reversed(READERS) if reader.clue)
    raise ArgumentError("config", f"a known _class_name; or {clues}", sorted(map(str, config.values)))


def _class_of(scheduler: Any, config: Mapping[str, Any]) -> str:
    """The known class of a scheduler: its own, or one that it derives from, or the one in its configuration."""
    known = known_classes()
    for kind in type(scheduler).__mro__:
        if kind.__name__ in known:
            return kind.__name__
    named = config.get(STANDS_FOR) or config.get("_class_name", type(scheduler).__name__)
    return check_choice("_class_name", named, known)


def _live(scheduler: Any) -> dict[str, Any]:
    """What was set on the scheduler after it was made (``set_shift``)."""
    is_live = isinstance(getattr(type(scheduler), "shift", None), property)
    return {"shift": scheduler.shift} if is_live else {}


def _refuse_distilled(class_name: str, classes: tuple[str, ...]) -> None:
    if class_name in classes:
        cause = "the model was distilled onto fixed noise levels; it cannot use others"
        raise ArgumentError("config", "the scheduler of a model for any noise level", class_name, cause)


def _refuse_distilled_model(index: Mapping[str, Any]) -> None:
    """Refuse a pipeline that says of itself that its model was distilled, as FLUX.2 klein and Krea 2 Turbo do."""
    if index.get("is_distilled") is True:
        cause = "the model was distilled onto a few steps of its own schedule"
        raise ArgumentError("config", "a pipeline that is not distilled", "is_distilled: true", cause)


def _model_name(path: FilePath) -> str:
    """Name of the model that a file belongs to: its folder."""
    path = path.resolve()
    folder = path if path.is_dir() else path.parent
    return folder.parent.name if folder.name == "scheduler" else folder.name


def read_json(path: FilePath) -> Mapping[str, Any]:
    """The scheduler configuration in a file or a diffusers folder.

    Raises:
        FileError: If the file is missing or does not hold a JSON object.
    """
    # os.path answers no where pathlib raises OSError, as for a name that is too long.
    if os.path.isdir(path):
        found = [path / name for name in CONFIG_FILES if (path / name).is_file()]
        if not found:
            raise FileError(path, f"expected a diffusers folder with {' or '.join(CONFIG_FILES)}, found neither")
        path = found[0]
    try:
        content = files.read_json(path)
    except OSError as error:
        raise FileError(path, f"cannot read the scheduler configuration: {error.strerror}") from None
    except ValueError:
        raise FileError(path, "expected a scheduler configuration in JSON, found something else") from None
    if not isinstance(content, dict):
        raise FileError(path, f"expected a JSON object, found a {type(content).__name__}")
    return content
