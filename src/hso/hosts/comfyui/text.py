"""ComfyUI: the text for a node that takes sigmas, such as ManualSigmas.

It takes N + 1 sigmas between commas, flow sigmas for flow models and sigma~ for others. Its parser does not know exponents
("5e-05"), so every number is written in fixed-point. A list that does not end in 0 leaves noise in the image, so a
schedule that ends at t_min is refused.
"""

from __future__ import annotations

import numpy as np

from hso.hosts.base import SIGMAS, WITH_ZERO, Host, Takes
from hso.schedule import SamplingSchedule


class ComfyUI(Host):
    """N + 1 sigmas between commas, without exponents, the last of them 0."""

    name = "comfyui"
    only_ends_clean = True

    def takes(self, flow: bool) -> Takes:
        return Takes(sigmas=WITH_ZERO)

    def write(self, schedule: SamplingSchedule) -> str:
        # These are the shortest digits that read back as the same number.
        return ", ".join(np.format_float_positional(value, trim="0") for value in self.values(schedule, SIGMAS))
