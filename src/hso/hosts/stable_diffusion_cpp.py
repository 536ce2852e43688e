"""stable-diffusion.cpp: ``--sigmas`` of its command, and ``custom_sigmas`` of its server's JSON.

Both take N + 1 sigmas and set the number of steps from them. The network is told the timestep that interpolates the table
in the logarithm of sigma, so a sigma of a whole timestep is told as that. For image-to-image the program runs the last
part of the list, by its strength; pass strength 1 with a list that begins part-way.
"""

from __future__ import annotations

import json

from hso.hosts.base import SIGMAS, WITH_ZERO, Host, Takes
from hso.schedule import SamplingSchedule


class StableDiffusionCpp(Host):
    """The argument ``--sigmas``."""

    name = "stable-diffusion.cpp"
    only_ends_clean = True
    lands = "exactly; between timesteps to its interpolation of the table"
    version_read = "97d2990 (August 2026)"

    def takes(self, flow: bool) -> Takes:
        return Takes(sigmas=WITH_ZERO)

    def write(self, schedule: SamplingSchedule) -> str:
        return f'--sigmas "{self.values(schedule, SIGMAS)}"'


class StableDiffusionCppJson(StableDiffusionCpp):
    """The field ``custom_sigmas`` of a request."""

    name = "stable-diffusion.cpp-json"

    def write(self, schedule: SamplingSchedule) -> str:
        return json.dumps({"sample_params": {"custom_sigmas": self.values(schedule, SIGMAS)}})
