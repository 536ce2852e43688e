r"""Schedules that begin part-way, made with ``start``: the sample is then an image with noise, not noise alone.

Of n steps, pipelines run the last ones by ``strength`` s, int(n s) of them or as many rounded up, and let the scheduler
noise the image to the first of these. A schedule that begins part-way has no steps to drop: with n = N and s = 1 all its
nodes are run. Where s = 1 means noise alone (inpainting with Stable Diffusion), a node more is put before the first, and
n = N + 1 with s = N / (N + 1) drops it again. :func:`call_arguments` says which of the two a pipeline needs.

Whatever is passed, the first step must be at the schedule's first node, and in a pipeline the scheduler must have noised
an image to it before; anything else is refused.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import torch

from hso.errors import HostError
from hso.hosts.diffusers.host import Call, Landing
from hso.schedule import SamplingSchedule

# The methods that are watched, with the name and the place of their timesteps.
WATCHED = {"step": ("timestep", 1), "add_noise": ("timesteps", 2), "scale_noise": ("timestep", 1)}
# Key of the stage in the scheduler's attributes.
STAGE = "_hso_stage"
FRESH, NOISED, BEGUN = "fresh", "noised", "begun"
# Of the first interval: where the level of the leading node lies before the first. No step uses it.
LEAD = 1e-3
REMEDY = "pass the pipeline what call_arguments(pipeline, schedule) returns"


def begins_part_way(schedule: SamplingSchedule) -> bool:
    """Whether the schedule was made with ``start``."""
    return schedule.start is not None


def call_arguments(pipeline: Any, schedule: SamplingSchedule) -> dict[str, Any]:
    """What to pass a pipeline so that it runs exactly the nodes of its schedule.

    Args:
        pipeline: A diffusers pipeline.
        schedule: The schedule that is attached to it.

    Returns:
        ``num_inference_steps``, and ``strength`` if the schedule begins part-way.

    Example:
        >>> import hso
        >>> noise = hso.NoiseSchedule.preset("sd1.5")
        >>> call_arguments(object(), hso.optimize(noise, 8, constraints=hso.Constraints(start=0.6)).schedule)
        {'num_inference_steps': 8, 'strength': 1.0}
    """
    if not begins_part_way(schedule):
        return {"num_inference_steps": schedule.nfe}
    if _means_noise_alone(pipeline):
        return {"num_inference_steps": schedule.nfe + 1, "strength": dropping_one(schedule.nfe + 1)}
    return {"num_inference_steps": schedule.nfe, "strength": 1.0}


def dropping_one(steps: int) -> float:
    """The strength with which all but the first of these steps are run, however a pipeline rounds."""
    strength = (steps - 1) / steps
    near = (strength, math.nextafter(strength, 1.0), math.nextafter(strength, 0.0))
    # From one strength to the next the product moves by one float at most, so that it meets the whole number.
    return next(value for value in near if value * steps == steps - 1)


def with_lead(landing: Landing) -> Landing:
    """The landing with one more node before its first."""
    first, second = landing.levels[:2]
    timestep, level = landing.timesteps[0] + 1, first + LEAD * (first - second)
    return Landing(np.append(timestep, landing.timesteps), np.append(level, landing.levels))


def watch(
    call: Call, name: str, first: float, pipeline: bool, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    """Look at what is about to be noised or stepped from, up to the first step.

    Args:
        call: The call, of a scheduler whose schedule begins part-way.
        name: The method that is called.
        first: Timestep of the schedule's first node.
        pipeline: Whether a pipeline calls it, which must noise an image first.
        arguments: Its positional arguments.
        keywords: The others.

    Raises:
        HostError: If it is not the schedule's first node, or no image was noised to it.
    """
    state, host = vars(call.scheduler), type(call.scheduler).__name__
    if state[STAGE] == BEGUN:
        return
    keyword, place = WATCHED[name]
    given = torch.as_tensor(keywords[keyword] if keyword in keywords else arguments[place]).reshape(-1).tolist()
    wrong = [t for t in given if np.float32(t) != np.float32(first)]
    if wrong:
        raise HostError(host, f"{_begins(first)}, and this run at {wrong[0]:g}; {REMEDY}")
    if name == "step" and pipeline and state[STAGE] == FRESH:
        raise HostError(host, f"{_begins(first)}, but no image was noised to it; {REMEDY}")
    state[STAGE] = BEGUN if name == "step" else NOISED


def _begins(first: float) -> str:
    return f"the attached schedule begins part-way at timestep {first:g}"


def _means_noise_alone(pipeline: Any) -> bool:
    """Whether a strength of 1 is noise alone to this pipeline: those that ask themselves have a name for it."""
    prepare = getattr(pipeline, "prepare_latents", None)
    return prepare is not None and "is_strength_max" in inspect.signature(prepare).parameters
