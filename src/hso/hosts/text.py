"""Schedules as the text that people paste into other programs, and back.

Each host writes its own text and reads it: see the files beside this one. ``hso convert`` prints it.
"""

from __future__ import annotations

import dataclasses
import math

from hso.errors import ArgumentError
from hso.hosts import find_host
from hso.hosts.special import IN_DIFFUSERS, special
from hso.noise import NoiseSchedule
from hso.schedule import SamplingSchedule


def to_text(schedule: SamplingSchedule, host: str, *, end_clean: bool = False) -> str:
    """The text to paste into another program.

    Args:
        schedule: The schedule.
        host: One of ``hso.hosts.HOSTS``.
        end_clean: Let the last step land on the clean sample, wherever the schedule ends.

    Raises:
        ArgumentError: If the host is unknown, or cannot be told what the schedule is; or the schedule is for a learned
            solver or tells the network other times, which no text holds.

    Example:
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> print(to_text(SamplingSchedule.from_timesteps(noise, [999, 499]), "diffusers-timesteps"))
        timesteps=[999, 499]
    """
    found = find_host("to", host)
    if asked := special(schedule):
        raise ArgumentError(
            "to",
            f"nodes for a published solver, which is all that {host} runs",
            f"a schedule for {asked}",
            IN_DIFFUSERS,
        )
    return found.write(ended_clean(schedule) if end_clean else schedule)


def from_text(text: str, host: str, noise: NoiseSchedule) -> SamplingSchedule:
    """The schedule that a text for one of ``hso.hosts.HOSTS`` stands for.

    Raises:
        ArgumentError: If the text does not hold a schedule for this noise schedule.

    Example:
        >>> from_text("999, 499", "diffusers-timesteps", NoiseSchedule.preset("sd2.1"))
        SamplingSchedule(nfe=2, timesteps=[999, 499], terminal=clean)
    """
    return find_host("from", host).read(text, noise)


def ended_clean(schedule: SamplingSchedule) -> SamplingSchedule:
    """The same nodes, and a last step that lands on the clean sample."""
    return dataclasses.replace(schedule, terminal=math.inf, terminal_time=0.0)
