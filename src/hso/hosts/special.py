"""What a schedule may ask of a host besides its nodes. Only this package's loop and PlannedScheduler in diffusers do it."""

from __future__ import annotations

from hso.schedule import SamplingSchedule
from hso.solvers import learned_for

IN_DIFFUSERS = "in diffusers, recommend and PlannedScheduler run it"


def special(schedule: SamplingSchedule) -> str:
    """What it asks for, in words; empty for most schedules.

    Example:
        >>> from hso import NoiseSchedule
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> schedule = SamplingSchedule.from_timesteps(noise, [999, 499])
        >>> special(schedule), special(schedule.telling(noise, [0.99, 0.45]))
        ('', 'a network that is told other times')
    """
    if learned_for(schedule):
        return "a learned solver"
    return "" if schedule.told_times is None else "a network that is told other times"
