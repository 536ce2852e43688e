r"""Flow matching with Heun's method: ``sigmas`` is the flow's :math:`\sigma`. Every node but the first is there twice."""

from __future__ import annotations

from hso.hosts.base import Takes
from hso.hosts.diffusers.family import Config, Landing
from hso.hosts.diffusers.sigma_table import HeunTable
from hso.noise.levels import flow_sigma_of_lambda
from hso.schedule import SamplingSchedule


class FlowMatchHeun(HeunTable):
    """As Heun; ``set_timesteps`` shifts its own table twice, which is replaced."""

    for_flow_only = True

    def exact(self, config: Config) -> bool:
        # diffusers takes the mean of the slopes in the flow's sigma. Our Heun takes it in sigma / alpha.
        return False

    def takes(self, flow: bool) -> Takes:
        return Takes()

    def landing(self, config: Config, schedule: SamplingSchedule) -> Landing:
        sigmas = flow_sigma_of_lambda(schedule.levels)
        return Landing(sigmas[:-1] * config["num_train_timesteps"], sigmas)
