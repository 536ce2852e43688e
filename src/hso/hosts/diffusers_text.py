"""diffusers: the arguments ``timesteps=`` and ``sigmas=`` of a pipeline call, for the schedulers that take them.

What each scheduler does with them, ``hso lint`` says. To make any scheduler use a schedule exactly, attach it:
:mod:`hso.hosts.diffusers`.

For flow models ``sigmas=`` takes N flow sigmas, and the scheduler appends the 0. It also shifts the values once more,
unless its ``shift`` is 1.
"""

from __future__ import annotations

from hso.hosts.base import SIGMAS, WHOLE, WITH_ZERO, WITHOUT_ZERO, Host, Takes
from hso.hosts.pasted import is_flow
from hso.schedule import SamplingSchedule

SHIFTED_AGAIN = "# for a scheduler with shift=1.0 and use_dynamic_shifting=False; others shift these values once more\n"


class DiffusersTimesteps(Host):
    """N whole timesteps; ends clean."""

    name = "diffusers-timesteps"
    lands = "rounded to whole timesteps"
    version_read = "0.42.1"
    version_run = "0.42.1"

    def takes(self, flow: bool) -> Takes:
        return Takes(timesteps=WHOLE)


class DiffusersSigmas(Host):
    """N + 1 values of sigma~, or N flow sigmas for a flow model."""

    name = "diffusers-sigmas"
    lands = "exactly; flow schedulers shift again unless shift is 1"
    version_read = "0.42.1"
    version_run = "0.42.1"

    def takes(self, flow: bool) -> Takes:
        return Takes(sigmas=WITHOUT_ZERO, shift="shift") if flow else Takes(sigmas=WITH_ZERO)

    def write(self, schedule: SamplingSchedule) -> str:
        text = f"sigmas={self.values(schedule, SIGMAS)}"
        return SHIFTED_AGAIN + text if is_flow(schedule) else text
