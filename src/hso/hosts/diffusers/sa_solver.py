r"""SA-Solver: a table of noise levels for its steps, and one of :math:`\bar\alpha` by timestep to noise a sample."""

from __future__ import annotations

from typing import Any

from hso.hosts.diffusers.alpha_table import exchanged, rank_of
from hso.hosts.diffusers.family import Call, Config
from hso.hosts.diffusers.sigma_table import NO_LIMIT, Deis
from hso.hosts.diffusers.tensors import level_tensor
from hso.schedule import SamplingSchedule
from hso.solvers import Solver, UniPC


class SASolverTable(Deis):
    """It has no step to the clean sample; ``tau_func`` is asked at the schedule's timesteps."""

    wrapped = ("add_noise",)

    def solver(self, config: Config) -> Solver:
        return UniPC(min(int(config.get("predictor_order", 2)), 3))

    def objection(self, config: Config, schedule: SamplingSchedule) -> str:
        return f"SA-Solver {NO_LIMIT}" if schedule.ends_clean else ""

    def add_noise(self, call: Call, original_samples: Any, noise: Any, timesteps: Any) -> Any:
        """Noise a sample to nodes of the schedule; to training timesteps where they are none."""
        ranks = [rank_of(call.landing, t) for t in timesteps.reshape(-1)]
        if None in ranks:
            return call.original(original_samples, noise, timesteps)
        table = level_tensor(1 / (1 + call.landing.levels[-2::-1] ** 2))
        with exchanged(call.scheduler, alphas_cumprod=table):
            return call.original(original_samples, noise, timesteps.new_tensor(ranks, dtype=int))
