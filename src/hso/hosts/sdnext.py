"""SD.Next: the field "Timesteps override" of its samplers.

It takes three or more whole numbers and passes them to the scheduler of diffusers as ``timesteps=``; numbers with a point
are left out without a word. Schedulers that take sigmas alone get them divided by 1000 and shift them again, so flow models
are refused here.
"""

from __future__ import annotations

from hso.hosts.base import TIMESTEPS, WHOLE, Host, Takes
from hso.schedule import SamplingSchedule


class SDNext(Host):
    """Whole timesteps between commas."""

    name = "sdnext"
    advice = "choose one of its schedulers that are not for flow models"
    lands = "rounded to whole timesteps; flow models refused: it divides by 1000, and the scheduler shifts again"
    version_read = "058a7f0 (July 2026)"

    def takes(self, flow: bool) -> Takes:
        return Takes() if flow else Takes(timesteps=WHOLE, least=3)

    def write(self, schedule: SamplingSchedule) -> str:
        super().write(schedule)  # refuses what has no timesteps
        return ", ".join(str(value) for value in self.values(schedule, TIMESTEPS))
