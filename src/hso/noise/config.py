"""Noise schedules from diffusers configurations.

The three beta schedules, and the rescaling to zero terminal SNR, are those of diffusers' schedulers:

- ``linear``: beta from ``beta_start`` to ``beta_end`` in equal steps
- ``scaled_linear``: the same for sqrt(beta)
- ``squaredcos_cap_v2``: the cosine schedule at discrete steps, beta at most 0.999

References:
    | Common Diffusion Noise Schedules and Sample Steps are Flawed (Lin et al., 2024), Algorithm 1
    | https://arxiv.org/abs/2305.08891
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hso.errors import ArgumentError, FileError, check_choice, check_integer, check_real
from hso.noise.base import Array, NoiseSchedule, describe_source
from hso.noise.discrete import DiscreteVP, vector

# diffusers puts this in place of the zero, so that lambda stays finite (its lambda is then -8.3).
ZERO_SNR_GUARD = 2.0**-24
CONFIG_FILES = ("scheduler_config.json", "scheduler/scheduler_config.json")
BETA_FIELDS = {"beta_start", "beta_end", "beta_schedule", "trained_betas"}
DEFAULTS: Mapping[str, Any] = {
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "num_train_timesteps": 1000,
}


def _linear(start: float, end: float, steps: int) -> Array:
    return np.linspace(start, end, steps)


def _scaled_linear(start: float, end: float, steps: int) -> Array:
    return np.asarray(np.linspace(start**0.5, end**0.5, steps) ** 2)


def _squared_cosine(start: float, end: float, steps: int) -> Array:
    alpha_bar = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], 0.999)


BETA_SCHEDULES: Mapping[str, Callable[[float, float, int], Array]] = {
    "linear": _linear,
    "scaled_linear": _scaled_linear,
    "squaredcos_cap_v2": _squared_cosine,
}


def read_config(source: Any, name: str | None = None) -> NoiseSchedule:
    """See :meth:`hso.NoiseSchedule.from_config`."""
    if isinstance(source, str | Path):
        return from_mapping(_read_json(Path(source)), name or describe_source(source))
    if isinstance(source, Mapping):
        return from_mapping(source, name or str(source.get("_class_name", "config")))
    scheduler = getattr(source, "scheduler", source)
    config = getattr(scheduler, "config", None)
    if not isinstance(config, Mapping):
        expected = "a path, a dict, a diffusers scheduler or a pipeline"
        raise ArgumentError("config", expected, type(source).__name__)
    return from_mapping(config, name or type(source).__name__)


def from_mapping(config: Mapping[str, Any], name: str) -> NoiseSchedule:
    """The noise schedule that a scheduler with this configuration was trained on."""
    class_name = str(config.get("_class_name", ""))
    if "Flow" in class_name or "EDM" in class_name or config.get("use_flow_sigmas"):
        expected = "the configuration of a variance-preserving scheduler"
        raise ArgumentError("config", expected, class_name or "use_flow_sigmas", "flow and EDM models come next")
    if not BETA_FIELDS & set(config):
        raise ArgumentError("config", f"at least one of {', '.join(sorted(BETA_FIELDS))}", sorted(config))
    betas = _betas({**DEFAULTS, **config})
    schedule = DiscreteVP.from_betas(betas, name)
    if config.get("rescale_betas_zero_snr"):
        return DiscreteVP(_zero_snr(np.cumprod(1 - betas)), name)
    return schedule


def _betas(config: Mapping[str, Any]) -> Array:
    if config.get("trained_betas") is not None:
        return vector("trained_betas", config["trained_betas"])
    steps = check_integer("num_train_timesteps", config["num_train_timesteps"], 2, 100_000)
    kind = check_choice("beta_schedule", config["beta_schedule"], BETA_SCHEDULES)
    start = check_real("beta_start", config["beta_start"], 0.0, 1.0)
    end = check_real("beta_end", config["beta_end"], 0.0, 1.0)
    return BETA_SCHEDULES[kind](start, end, steps)


def _zero_snr(alphas_cumprod: Array) -> Array:
    """Shift and scale sqrt(alphas_cumprod) so that its last value is 0 and its first stays; then guard the zero."""
    root = np.sqrt(alphas_cumprod)
    rescaled = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    rescaled[-1] = ZERO_SNR_GUARD
    return rescaled


def _read_json(path: Path) -> Mapping[str, Any]:
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
