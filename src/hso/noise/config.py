"""Noise schedules from diffusers configurations.

| what the configuration says | family |
|---|---|
| a FlowMatch class, or ``use_flow_sigmas`` | rectified flow, its shift static or dynamic |
| an EDM class, CosineDPMSolver, or Euler with continuous timesteps and v-prediction | EDM |
| betas | variance preserving |

What only chooses the sampling schedule (spacing, Karras, beta or exponential sigmas) or the solver is ignored, since
both are chosen anew. What a pipeline, or the ``model_index.json`` of its folder, says of the model becomes its traits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hso.errors import ArgumentError, FileError, check_choice, check_integer, check_real
from hso.noise.base import NoiseSchedule, describe_source
from hso.noise.betas import BETA_CLASSES, read_betas
from hso.noise.edm import EDM, ArctanEDM
from hso.noise.flow import LEAST_SHIFT, MOST_SHIFT, RectifiedFlow, ReversedFlow, dynamic_shift
from hso.noise.traits import read_traits

CONFIG_FILES = ("scheduler_config.json", "scheduler/scheduler_config.json")
MODEL_INDEX = "model_index.json"
FLOW_CLASSES = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
DYNAMIC_FIELDS = ("base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len", "time_shift_type")
_EDM = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}
EDM_CLASSES: Mapping[str, Mapping[str, float]] = {
    "EDMEulerScheduler": _EDM,
    "EDMDPMSolverMultistepScheduler": _EDM,
    "CosineDPMSolverMultistepScheduler": {"sigma_min": 0.3, "sigma_max": 500.0, "sigma_data": 1.0},
}
# Distilled models know the levels of their own grid only. A scheduler object by itself names no model, so the first two
# are refused with the model they come from; the others have no other use.
DISTILLED_WITH_MODEL = ("LCMScheduler", "TCDScheduler")
DISTILLED = (
    "CMStochasticIterativeScheduler",
    "FlowMatchLCMScheduler",
    "HeliosDMDScheduler",
    "SCMScheduler",
)
KNOWN = (*FLOW_CLASSES, *EDM_CLASSES, *BETA_CLASSES, *DISTILLED)


def read_config(source: Any, name: str | None = None, image_seq_len: int | None = None) -> NoiseSchedule:
    """See :meth:`hso.NoiseSchedule.from_config`."""
    if isinstance(source, str | Path):
        noise = from_mapping(read_json(Path(source)), name or describe_source(source), image_seq_len)
        file = Path(source, MODEL_INDEX)
        return noise.with_traits(read_traits(read_json(file))) if file.is_file() else noise
    if isinstance(source, Mapping):
        return from_mapping(source, name or str(source.get("_class_name", "config")), image_seq_len)
    scheduler = getattr(source, "scheduler", source)
    config = getattr(scheduler, "config", None)
    if not isinstance(config, Mapping):
        expected = "a path, a dict, a diffusers scheduler or a pipeline"
        raise ArgumentError("config", expected, type(source).__name__)
    class_name = _class_of(scheduler, config)
    if scheduler is not source:
        _refuse_distilled(class_name, DISTILLED_WITH_MODEL)
    noise = _read({**config, **_live(scheduler)}, class_name, name or type(source).__name__, image_seq_len)
    parts = None if scheduler is source else getattr(source, "config", None)
    return noise.with_traits(read_traits(parts)) if isinstance(parts, Mapping) else noise


def from_mapping(config: Mapping[str, Any], name: str, image_seq_len: int | None = None) -> NoiseSchedule:
    """The noise schedule of the model that comes with this scheduler configuration."""
    class_name = config.get("_class_name") or ""
    if class_name:
        check_choice("_class_name", class_name, KNOWN)
    _refuse_distilled(class_name, DISTILLED_WITH_MODEL)
    return _read(config, class_name, name, image_seq_len)


def _read(config: Mapping[str, Any], class_name: str, name: str, image_seq_len: int | None) -> NoiseSchedule:
    _refuse_distilled(class_name, DISTILLED)
    if class_name in FLOW_CLASSES or config.get("use_flow_sigmas"):
        return _read_flow(config, class_name, name, image_seq_len)
    if image_seq_len is not None:
        raise ArgumentError("image_seq_len", "None for a model without dynamic shifting", image_seq_len)
    continuous = config.get("timestep_type") == "continuous" and config.get("prediction_type") == "v_prediction"
    if class_name in EDM_CLASSES or continuous:
        return _read_edm(config, class_name, name)
    return read_betas(config, class_name, name)


def _read_flow(config: Mapping[str, Any], class_name: str, name: str, image_seq_len: int | None) -> RectifiedFlow:
    if config.get("use_dynamic_shifting"):
        given = {field: config[field] for field in DYNAMIC_FIELDS if config.get(field) is not None}
        length = given.get("max_image_seq_len", 4096) if image_seq_len is None else image_seq_len
        shift = dynamic_shift(length, **given)
    elif image_seq_len is not None:
        raise ArgumentError("image_seq_len", "None for a model without dynamic shifting", image_seq_len)
    else:
        field = "shift" if class_name in FLOW_CLASSES else "flow_shift"
        shift = check_real(field, config.get(field, 1.0), LEAST_SHIFT, MOST_SHIFT)
    # diffusers, too, takes a shift_terminal of 0 for none.
    terminal = config.get("shift_terminal") or None
    steps = check_integer("num_train_timesteps", config.get("num_train_timesteps", 1000), 2, 100_000)
    family = ReversedFlow if config.get("invert_sigmas") else RectifiedFlow
    return family(shift, terminal, steps, name)


def _read_edm(config: Mapping[str, Any], class_name: str, name: str) -> EDM:
    # Euler and its kin scale their input to unit variance for data of unit variance.
    defaults = EDM_CLASSES.get(class_name, {"sigma_data": 1.0})
    values = {**defaults, **{field: config[field] for field in _EDM if config.get(field) is not None}}
    missing = [field for field in _EDM if field not in values]
    if missing:
        raise ArgumentError("config", f"{' and '.join(missing)} with continuous timesteps", sorted(map(str, config)))
    family = ArctanEDM if class_name == "CosineDPMSolverMultistepScheduler" else EDM
    return family(values["sigma_min"], values["sigma_max"], values["sigma_data"], name)


def _class_of(scheduler: Any, config: Mapping[str, Any]) -> str:
    """The diffusers class of a scheduler, by its own name or that of a class it derives from."""
    for kind in type(scheduler).__mro__:
        if kind.__name__ in KNOWN:
            return kind.__name__
    return check_choice("_class_name", config.get("_class_name", type(scheduler).__name__), KNOWN)


def _live(scheduler: Any) -> dict[str, Any]:
    """What was set on the scheduler after it was made (``set_shift``)."""
    is_live = isinstance(getattr(type(scheduler), "shift", None), property)
    return {"shift": scheduler.shift} if is_live else {}


def _refuse_distilled(class_name: str, classes: tuple[str, ...]) -> None:
    if class_name in classes:
        cause = "the model was distilled onto fixed noise levels, and others are not an option"
        raise ArgumentError("config", "the scheduler of a model for any noise level", class_name, cause)


def read_json(path: Path) -> Mapping[str, Any]:
    """The scheduler configuration in a file or a diffusers folder, or FileError."""
    if path.is_dir():
        found = [path / name for name in CONFIG_FILES if (path / name).is_file()]
        if not found:
            raise FileError(path, f"expected a diffusers folder with {' or '.join(CONFIG_FILES)}, found neither")
        path = found[0]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(path, f"cannot read the scheduler configuration: {error.strerror}") from None
    except ValueError:
        raise FileError(path, "expected a scheduler configuration in JSON, found something else") from None
    if not isinstance(content, dict):
        raise FileError(path, f"expected a JSON object, found a {type(content).__name__}")
    return content
