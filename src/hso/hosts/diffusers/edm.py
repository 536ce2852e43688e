r"""EDM schedulers: :math:`\alpha = 1`, and the network is told :math:`\frac14 \log\sigma`.

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022)
    | https://arxiv.org/abs/2206.00364
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hso.hosts.base import FRACTIONAL, RAMP, WITH_ZERO, Takes
from hso.hosts.diffusers import levels
from hso.hosts.diffusers.family import Call, Config, Landing
from hso.hosts.diffusers.sigma_table import SigmaTable, final_sigmas, order_of
from hso.schedule import SamplingSchedule
from hso.solvers import DPMSolverPP, Solver


class Edm(SigmaTable):
    """The first noise is drawn at the first node instead of ``sigma_max``."""

    wrapped = ("init_noise_sigma",)

    def takes(self, flow: bool) -> Takes:
        return Takes() if flow else Takes(sigmas=RAMP)

    def landing(self, config: Config, schedule: SamplingSchedule) -> Landing:
        return Landing(-schedule.lambdas / 4, levels.sigmas(schedule.levels))

    def init_noise_sigma(self, call: Call) -> float:
        """Standard deviation of the first latents, for data of unit variance as in the scheduler's own formula."""
        return float(np.hypot(call.landing.levels[0], 1))


class EdmMultistep(Edm):
    """As EDMEuler; ``final_sigmas_type`` follows the schedule's end."""

    def takes(self, flow: bool) -> Takes:
        return Takes()

    def solver(self, config: Config) -> Solver:
        return DPMSolverPP(order_of(config))

    def settings(self, config: Config, schedule: SamplingSchedule) -> dict[str, Any]:
        return final_sigmas(schedule)


class CosineTable(EdmMultistep):
    """As EDMEuler, but the network is told an angle, the arc tangent of sigma (Stable Audio)."""

    def landing(self, config: Config, schedule: SamplingSchedule) -> Landing:
        return Landing(schedule.network_timesteps, levels.sigmas(schedule.levels))


class EulerTable(SigmaTable):
    """With ``timestep_type="continuous"`` and v prediction, as in Stable Video Diffusion, it is an EDM scheduler."""

    def takes(self, flow: bool) -> Takes:
        return Takes() if flow else Takes(timesteps=FRACTIONAL, sigmas=WITH_ZERO)

    def exact(self, config: Config) -> bool:
        return True

    def landing(self, config: Config, schedule: SamplingSchedule) -> Landing:
        continuous = config["timestep_type"] == "continuous" and config["prediction_type"] == "v_prediction"
        return Edm().landing(config, schedule) if continuous else super().landing(config, schedule)
