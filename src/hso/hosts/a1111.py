"""A1111, Forge and reForge: the function of a ``Scheduler`` entry in an extension.

The host calls it with the number of steps n. Samplers such as DPM2 call it with n + 1 and then delete the last value but
one, so for N + 1 steps the function returns one value more, between the last node and the terminal, for them to delete.
The text is Python, and holds numbers only: a name from a file could be code.
"""

from __future__ import annotations

from hso.hosts.base import SIGMAS, WITH_ZERO, Host, Takes
from hso.schedule import SamplingSchedule

FUNCTION = '''\
def hso_scheduler(n, sigma_min, sigma_max, device):
    """The {nfe} steps of a schedule; one sigma more for samplers that delete the last but one."""
    import torch
    sigmas = {sigmas}
    if n == {nfe} + 1:
        sigmas = sigmas[:-1] + [(sigmas[-2] + sigmas[-1]) / 2] + sigmas[-1:]
    elif n != {nfe}:
        raise ValueError(f"this schedule has {nfe} steps, and {{n}} were asked for")
    return torch.tensor(sigmas, device=device)'''


class A1111(Host):
    """A Python function that returns N + 1 sigmas."""

    name = "a1111"
    lands = "exactly at whole timesteps; between them A1111 interpolates, and Forge rounds (the extension: exactly)"
    version_read = "A1111 1.10, Forge dfdcbab (June 2025), reForge 3b56b26 (March 2026)"
    version_run = "sd_schedulers.py of Forge dfdcbab and reForge 3b56b26"

    def takes(self, flow: bool) -> Takes:
        return Takes(sigmas=WITH_ZERO, snaps=not flow)

    def write(self, schedule: SamplingSchedule) -> str:
        return FUNCTION.format(nfe=schedule.nfe, sigmas=self.values(schedule, SIGMAS))
