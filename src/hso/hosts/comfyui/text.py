"""ComfyUI: the text for a node that takes sigmas, such as ManualSigmas.

It takes N + 1 sigmas between commas, flow sigmas for flow models and sigma~ for others. Its parser does not know exponents
("5e-05"), so every number is written in fixed-point. A list that does not end in 0 leaves noise in the image, so a
schedule that ends at t_min is refused. A model that is told timesteps is told the nearest whole one; the node pack in
``integrations/comfyui`` makes schedules of whole timesteps.
"""

from __future__ import annotations

import numpy as np

from hso.hosts.base import SIGMAS, WITH_ZERO, Host, Takes
from hso.schedule import SamplingSchedule


class ComfyUI(Host):
    """N + 1 sigmas between commas, without exponents, the last of them 0."""

    name = "comfyui"
    only_ends_clean = True
    lands = "exactly; models that are told timesteps: the nearest whole one (the node pack: exactly)"
    version_read = "0.29.0"
    version_run = "0.29.0"

    def takes(self, flow: bool) -> Takes:
        return Takes(sigmas=WITH_ZERO, snaps=not flow)

    def write(self, schedule: SamplingSchedule) -> str:
        # These are the shortest digits that read back as the same number.
        return ", ".join(np.format_float_positional(value, trim="0") for value in self.values(schedule, SIGMAS))
