r"""CogVideoX's DPM scheduler: the second-order SDE solver, on a table of :math:`\bar\alpha` by integer timestep.

Its ``step`` is also told the timestep before, because it keeps no state of its own. Both are exchanged for their ranks, as
in :mod:`hso.hosts.diffusers.alpha_table`. CogVideoX's DDIM steps as DDIM does.
"""

from __future__ import annotations

from typing import Any

from hso.hosts.base import Takes
from hso.hosts.diffusers.alpha_table import AlphaTable, exchanged, known_rank, node_table, terminal_level
from hso.hosts.diffusers.family import Call, Config
from hso.solvers import DPMSolverPP, Solver


class CogVideoXDpm(AlphaTable):
    """The timestep before, which its pipeline passes beside the present one, is a node of the schedule too."""

    def takes(self, flow: bool) -> Takes:
        return Takes()

    def solver(self, config: Config) -> Solver:
        return DPMSolverPP(2)

    def step(
        self, call: Call, model_output: Any, old_pred_original_sample: Any, timestep: Any, timestep_back: Any, *args: Any,
        **kw: Any,
    ) -> Any:  # fmt: skip
        rank = known_rank(call, timestep)
        back = None if timestep_back is None else known_rank(call, timestep_back)
        with exchanged(
            call.scheduler,
            alphas_cumprod=node_table(call.landing),
            final_alpha_cumprod=terminal_level(call.landing),
            # The scheduler's formula for the next timestep then gives the next rank.
            num_inference_steps=call.scheduler.config.num_train_timesteps,
        ):
            return call.original(model_output, old_pred_original_sample, rank, back, *args, **kw)
