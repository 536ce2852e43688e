"""NVlabs' edm: the line of ``generate.py`` that makes the noise levels of its sampler.

Networks with EDM's preconditioning are told the level as it is. Those with the preconditioning of DDPM ("iDDPM") round it
to their own table first.
"""

from __future__ import annotations

from hso.hosts.base import SIGMAS, WITH_ZERO, Host, Takes
from hso.schedule import SamplingSchedule


class NVLabsEDM(Host):
    """A line of Python that replaces ``t_steps`` in its sampler."""

    name = "edm"
    only_ends_clean = True
    advice = "it runs models with sigma / alpha, not flow models"
    lands = "exactly; networks with iDDPM's preconditioning round to their own table"
    version_read = "0a2ff34 (2022)"

    def takes(self, flow: bool) -> Takes:
        return Takes() if flow else Takes(sigmas=WITH_ZERO)

    def write(self, schedule: SamplingSchedule) -> str:
        super().write(schedule)  # refuses what it cannot be told
        return f"t_steps = torch.tensor({self.values(schedule, SIGMAS)}, dtype=torch.float64, device=latents.device)"
