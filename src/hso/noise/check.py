"""Compares a diffusers folder with the preset of its model, and says what differs.

The preset is the one that is named. Without a name it is, of those with the folder's pipeline, the one that has its noise
levels, or else the one with the fewest differences.

A field that a configuration does not set has the default of diffusers, where that is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hso.errors import ArgumentError, FileError
from hso.noise.betas import BETA_CLASSES, DEFAULTS
from hso.noise.config import MODEL_INDEX, read_json, read_mapping
from hso.noise.default_rule import read_default_rule
from hso.noise.presets import Preset, find_preset, presets
from hso.noise.schedule import NoiseSchedule
from hso.noise.traits import read_traits

# What diffusers takes for fields that a configuration leaves out.
FLOW_DEFAULTS: Mapping[str, Any] = {
    "shift": 1.0,
    "flow_shift": 1.0,
    "use_flow_sigmas": False,
    "use_dynamic_shifting": False,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
    "time_shift_type": "exponential",
    "shift_terminal": None,
    "invert_sigmas": False,
}
OTHER_DEFAULTS: Mapping[str, Any] = {
    "prediction_type": "epsilon",
    "rescale_betas_zero_snr": False,
    "steps_offset": 0,
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
}
# Dynamic shifting leaves the static shift without effect, and the other way round.
STATIC, DYNAMIC = (
    ("shift",),
    ("base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len", "time_shift_type"),
)


class Difference(NamedTuple):
    """One thing that a folder says otherwise than its preset.

    Attributes:
        what: What it is; a field of the scheduler's configuration has its name there.
        preset: What the preset has.
        found: What the folder has.
    """

    what: str
    preset: Any
    found: Any


class Check(NamedTuple):
    """A folder beside its preset.

    Attributes:
        preset: The preset.
        same_noise: Whether both have the same noise levels.
        differences: What differs, the noise levels' fields included.
    """

    preset: Preset
    same_noise: bool
    differences: tuple[Difference, ...]


def check_folder(folder: str | Path, name: str | None = None) -> Check:
    """Compare a folder with its preset.

    Args:
        folder: A diffusers folder, with ``model_index.json``.
        name: The preset to compare with; by default the one that fits best.

    Raises:
        FileError: If the folder cannot be read.
        ArgumentError: If no preset has the folder's pipeline, or the name is unknown.
    """
    folder = Path(folder)
    index = read_json(folder / MODEL_INDEX) if (folder / MODEL_INDEX).is_file() else None
    if index is None:
        raise FileError(folder, f"expected a diffusers folder with {MODEL_INDEX}, found none")
    config = read_json(folder)
    chosen = [find_preset(name)] if name else _candidates(str(index.get("_class_name", "")))
    checks = [_compare(preset, index, config) for preset in chosen]
    return min(checks, key=lambda check: (not check.same_noise, len(check.differences)))


def _candidates(pipeline: str) -> list[Preset]:
    found = [preset for preset in presets().values() if preset.pipeline == pipeline]
    if not found:
        cause = "name the preset to compare with"
        raise ArgumentError("check", "a folder whose pipeline a preset has", pipeline or "no _class_name", cause)
    return found


def _compare(preset: Preset, index: Mapping[str, Any], config: Mapping[str, Any]) -> Check:
    pipeline = str(index.get("_class_name", ""))
    traits = read_traits(index)
    pairs = [
        ("pipeline", preset.pipeline, pipeline),
        ("scheduler", preset.config.get("_class_name"), config.get("_class_name")),
        *_fields(preset.config, config),
        ("default_rule", preset.default_rule, read_default_rule(pipeline, config)),
        ("boundary_ratio", preset.boundary, traits.boundary),
        ("space", preset.space, traits.space),
    ]
    differences = [Difference(*pair) for pair in pairs if _differs(*pair)]
    noise = NoiseSchedule(*read_mapping(config, pipeline=pipeline), "folder")
    return Check(preset, noise.fingerprint == NoiseSchedule.preset(preset.name).fingerprint, tuple(differences))


def _differs(what: str, ours: Any, theirs: Any) -> bool:
    unknown = what in {"default_rule", "space"} and None in {ours, theirs}
    return not unknown and ours != theirs


def _fields(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The fields that either configuration sets, with defaults for the other."""
    known = {**DEFAULTS, **FLOW_DEFAULTS, **OTHER_DEFAULTS}
    names = [name for name in (*ours, *known) if name != "_class_name" and (name in ours or name in theirs)]
    dynamic = ours.get("use_dynamic_shifting", False), theirs.get("use_dynamic_shifting", False)
    idle = {(True, True): STATIC, (False, False): DYNAMIC}.get(dynamic, ())
    return [(name, _value(ours, name), _value(theirs, name)) for name in dict.fromkeys(names) if name not in idle]


def _value(config: Mapping[str, Any], name: str) -> Any:
    usual = {**DEFAULTS, **FLOW_DEFAULTS, **OTHER_DEFAULTS, **BETA_CLASSES.get(config.get("_class_name", ""), {})}
    value = config.get(name)
    return usual.get(name) if value is None else value
