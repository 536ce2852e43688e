"""k-diffusion: the tensor that its samplers take as ``sigmas``, N + 1 values with the terminal last."""

from __future__ import annotations

from hso.hosts.base import SIGMAS, WITH_ZERO, Host, Takes
from hso.schedule import SamplingSchedule


class KDiffusion(Host):
    """N + 1 sigmas as a tensor."""

    name = "k-diffusion"
    lands = "exactly; a discrete model interpolates its table between timesteps"
    version_read = "0.1.1"
    version_run = "0.1.1"

    def takes(self, flow: bool) -> Takes:
        return Takes(sigmas=WITH_ZERO)

    def write(self, schedule: SamplingSchedule) -> str:
        return f"sigmas = torch.tensor({self.values(schedule, SIGMAS)})"
