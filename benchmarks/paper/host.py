"""What a model's scheduler says without the model's weights: its noise schedule, and its default schedule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hso.comparison.subjects import SUBJECTS
from hso.errors import FileError
from hso.models.bundled import digits_folder
from hso.noise import NoiseSchedule
from hso.noise.config import read_json
from hso.schedule import SamplingSchedule


def noise_of(model: str) -> NoiseSchedule:
    """The noise schedule of a pipeline folder, a hub id or a bundled model; these have Stable Diffusion's.

    Raises:
        FileError: If the scheduler's configuration cannot be had.
    """
    return NoiseSchedule.from_config(_config(model), name=Path(model).name)


def default_schedule(model: str, nfe: int) -> SamplingSchedule:
    """The nodes that UniPC has in diffusers with the model's configuration, landing on the cleanest trained level.

    Raises:
        FileError: If the scheduler's configuration cannot be had.
    """
    import diffusers

    kind: Any = diffusers.UniPCMultistepScheduler
    scheduler = kind.from_config(_config(model))
    scheduler.set_timesteps(nfe)
    noise = noise_of(model)
    times = noise.time_of_timestep(scheduler.timesteps.double().numpy())
    return SamplingSchedule.from_times(noise, times, noise.t_range[0])


def _config(model: str) -> Mapping[str, Any]:
    folder = digits_folder() if model in SUBJECTS else Path(model)
    return read_json(folder) if folder.exists() else _from_hub(model)


def _from_hub(model: str) -> Mapping[str, Any]:
    import diffusers

    # Any scheduler's class reads the configuration of every other.
    kind: Any = diffusers.DDIMScheduler
    try:
        found: Mapping[str, Any] = kind.load_config(model, subfolder="scheduler")
    except (OSError, ValueError) as error:
        problem = f"cannot read the scheduler's configuration: {' '.join(str(error).split())[:160]}"
        raise FileError(model, problem) from None
    return found
