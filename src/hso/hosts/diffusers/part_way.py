r"""What to pass a pipeline so that it runs all nodes of a schedule, and schedules that begin part-way.

A schedule that was made with ``start`` begins part-way: the sample is then an image with noise, not noise alone. Of n
steps, pipelines run the last ones by ``strength`` s, int(n s) of them or as many rounded up, and let the scheduler noise
the image to the first of these. No node of an attached schedule may be left out: with n = N and s = 1 all are run. In some
pipelines s = 1 means noise alone (inpainting with Stable Diffusion). There a schedule that begins part-way gets one node
more before its first, and n = N + 1 with s = N / (N + 1) leaves that one out. :func:`call_arguments` says which of the two
a pipeline needs, and :mod:`hso.hosts.diffusers.watch` refuses runs that do anything else.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from hso.errors import HostError
from hso.hosts.diffusers.family import Landing
from hso.hosts.diffusers.watch import PASS_ARGUMENTS
from hso.schedule import SamplingSchedule

# Of the first interval: where the level of the leading node lies before the first. No step uses it.
LEAD = 1e-3


def begins_part_way(schedule: SamplingSchedule) -> bool:
    """Whether the schedule was made with ``start``."""
    return schedule.start is not None


def call_arguments(pipeline: Any, schedule: SamplingSchedule) -> dict[str, Any]:
    """What to pass a pipeline so that it runs exactly the nodes of its schedule.

    Args:
        pipeline: A diffusers pipeline.
        schedule: The schedule that is attached to it.

    Returns:
        ``num_inference_steps``, and ``strength`` if the pipeline takes one or the schedule begins part-way.

    Example:
        >>> import hso
        >>> noise = hso.NoiseSchedule.preset("sd1.5")
        >>> call_arguments(object(), hso.optimize(noise, 8, constraints=hso.Constraints(start=0.6)).schedule)
        {'num_inference_steps': 8, 'strength': 1.0}
    """
    if begins_part_way(schedule) and _means_noise_alone(pipeline):
        return {"num_inference_steps": schedule.nfe + 1, "strength": dropping_one(schedule.nfe + 1)}
    if begins_part_way(schedule) or takes_strength(pipeline):
        return {"num_inference_steps": schedule.nfe, "strength": 1.0}
    return {"num_inference_steps": schedule.nfe}


def lead_of(host: str, schedule: SamplingSchedule, steps: int | None) -> int:
    """How many nodes a run of so many steps has before the schedule's first: 0, or 1 to be left out.

    Args:
        host: Name of the scheduler.
        schedule: Its schedule.
        steps: Number of steps that are asked for.

    Raises:
        HostError: If the number does not fit the schedule.
    """
    if steps == schedule.nfe:
        return 0
    if begins_part_way(schedule) and steps == schedule.nfe + 1:
        return 1
    remedy = PASS_ARGUMENTS if begins_part_way(schedule) else f"pass num_inference_steps={schedule.nfe}"
    raise HostError(host, f"its schedule has {schedule.nfe} nodes, {steps} steps were asked for; {remedy}")


def takes_strength(pipeline: Any) -> bool:
    """Whether a pipeline, or a class of pipelines, can be told to leave out its first steps."""
    kind = pipeline if isinstance(pipeline, type) else type(pipeline)
    call = getattr(kind, "__call__", None)  # noqa: B004
    return call is not None and "strength" in inspect.signature(call).parameters


def dropping_one(steps: int) -> float:
    """The strength with which all but the first of these steps are run, however a pipeline rounds."""
    strength = (steps - 1) / steps
    near = (strength, math.nextafter(strength, 1.0), math.nextafter(strength, 0.0))
    # From one strength to the next the product moves by one float at most, so it meets the whole number.
    return next(value for value in near if value * steps == steps - 1)


def with_lead(landing: Landing) -> Landing:
    """The landing with one more node before its first."""
    first, second = landing.levels[:2]
    timestep, level = landing.timesteps[0] + 1, first + LEAD * (first - second)
    return Landing(np.append(timestep, landing.timesteps), np.append(level, landing.levels))


def _means_noise_alone(pipeline: Any) -> bool:
    """Whether a strength of 1 is noise alone to this pipeline: those that ask themselves have a name for it."""
    prepare = getattr(pipeline, "prepare_latents", None)
    return prepare is not None and "is_strength_max" in inspect.signature(prepare).parameters
