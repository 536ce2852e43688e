r"""Schedulers that look :math:`\bar\alpha` up by integer timestep: DDIM, DDPM, LCM, TCD.

For the time of one ``step`` the scheduler's own table of N_train values is exchanged for one of the schedule's N, exact
at fractional t, and the timestep for its *rank* in it: 0 is the last node, N - 1 the first. Next to rank r lies rank
r - 1, and below 0 the terminal. The scheduler's arithmetic stays its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from hso.errors import HostError
from hso.hosts.base import WHOLE, Takes
from hso.hosts.diffusers import levels
from hso.hosts.diffusers.family import Call, Config, Landing, SchedulerFamily
from hso.hosts.diffusers.tensors import level_tensor, network_times
from hso.noise.base import as_array
from hso.schedule import SamplingSchedule
from hso.solvers import DDIM, Solver

if TYPE_CHECKING:
    import torch


class AlphaTable(SchedulerFamily):
    """What the four have in common: landing, and the noising of image-to-image."""

    wrapped = ("step", "add_noise")

    def takes(self, flow: bool) -> Takes:
        return Takes(timesteps=WHOLE)

    def solver(self, config: Config) -> Solver:
        return DDIM()

    def landing(self, config: Config, schedule: SamplingSchedule) -> Landing:
        return Landing(schedule.fractional_timesteps, levels.alphas_cumprod(schedule.levels))

    def write(self, scheduler: Any, landing: Landing) -> None:
        scheduler.timesteps = network_times(scheduler.timesteps, landing.timesteps)

    def read(self, scheduler: Any, landing: Landing) -> Landing:
        return Landing(as_array(scheduler.timesteps), landing.levels)

    def add_noise(self, call: Call, original_samples: Any, noise: Any, timesteps: Any) -> Any:
        """Noise a sample to nodes of the schedule; to training timesteps where they are none."""
        ranks = [rank_of(call.landing, t) for t in timesteps.reshape(-1)]
        if None in ranks:
            return call.original(original_samples, noise, timesteps)
        with exchanged(call.scheduler, alphas_cumprod=node_table(call.landing)):
            return call.original(original_samples, noise, timesteps.new_tensor(ranks, dtype=int))


class Ddim(AlphaTable):
    """Steps to the schedule's next node, not to t - N_train // num_inference_steps, whatever ``set_alpha_to_one`` is.

    The scheduler's formula for the next timestep gives the next rank once num_inference_steps is N_train.
    """

    def exact(self, config: Config) -> bool:
        return not config.get("clip_sample") and not config.get("thresholding")

    def takes(self, flow: bool) -> Takes:
        return Takes()

    def step(self, call: Call, model_output: Any, timestep: Any, *args: Any, **kw: Any) -> Any:
        rank = known_rank(call, timestep)
        with exchanged(
            call.scheduler,
            alphas_cumprod=node_table(call.landing),
            final_alpha_cumprod=terminal_level(call.landing),
            num_inference_steps=call.scheduler.config.num_train_timesteps,
        ):
            return call.original(model_output, rank, *args, **kw)


class Ddpm(AlphaTable):
    """Adds no noise on the step to the clean sample, wherever it starts.

    DDPM leaves the noise out at timestep 0. That is right for rank 0 if the terminal is clean; else the ranks start at 1.
    """

    def step(self, call: Call, model_output: Any, timestep: Any, *args: Any, **kw: Any) -> Any:
        import torch

        terminal = terminal_level(call.landing)
        shift = int(terminal < 1)
        rank = known_rank(call, timestep) + shift
        table = torch.cat([terminal.reshape(1)[:shift], node_table(call.landing)])
        with exchanged(
            call.scheduler,
            alphas_cumprod=table,
            one=terminal,
            timesteps=torch.arange(len(call.landing.timesteps) - 1, -1, -1) + shift,
        ):
            return call.original(model_output, rank, *args, **kw)


class Lcm(AlphaTable):
    """Always ends clean; its boundary scalings see the real timestep."""

    def objection(self, config: Config, schedule: SamplingSchedule) -> str:
        return "" if schedule.ends_clean else "LCM always ends at the clean sample; use terminal 'clean'"

    def step(self, call: Call, model_output: Any, timestep: Any, *args: Any, **kw: Any) -> Any:
        import torch

        rank = known_rank(call, timestep)
        scalings = call.scheduler.get_scalings_for_boundary_condition_discrete(timestep)
        with exchanged(
            call.scheduler,
            alphas_cumprod=node_table(call.landing),
            timesteps=torch.arange(len(call.landing.timesteps) - 1, -1, -1),
            get_scalings_for_boundary_condition_discrete=lambda _: scalings,
        ):
            return call.original(model_output, rank, *args, **kw)


class Tcd(AlphaTable):
    """Each step passes through a whole training timestep below the next node; that one stays TCD's own."""

    def step(self, call: Call, model_output: Any, timestep: Any, *args: Any, **kw: Any) -> Any:
        rank = known_rank(call, timestep)
        if call.scheduler.step_index is None:
            call.scheduler._init_step_index(timestep)
        with exchanged(call.scheduler, alphas_cumprod=_TcdTable(call.scheduler, call.landing, rank)):
            return call.original(model_output, _TcdTable.CURRENT, *args, **kw)


class _TcdTable:
    """``alphas_cumprod`` for one step of TCD, which asks for the current node, the next and s, or timestep 0 at the end."""

    CURRENT = -1.0

    def __init__(self, scheduler: Any, landing: Landing, rank: int) -> None:
        nodes = node_table(landing)
        self._training = scheduler.alphas_cumprod
        self._exact = {self.CURRENT: nodes[rank]}
        if rank > 0:
            following = float(np.float32(landing.timesteps[len(nodes) - rank]))
            # With eta = 0, s is the next node rounded down: it must be the node itself.
            self._exact |= {following: nodes[rank - 1], float(math.floor(following)): nodes[rank - 1]}
        else:
            self._exact[0.0] = terminal_level(landing)

    def __getitem__(self, timestep: Any) -> torch.Tensor:
        exact = self._exact.get(float(timestep))
        return self._training[int(timestep)] if exact is None else exact


def node_table(landing: Landing) -> torch.Tensor:
    r""":math:`\bar\alpha` of the nodes by rank."""
    return level_tensor(landing.levels[-2::-1].copy())


def terminal_level(landing: Landing) -> torch.Tensor:
    r""":math:`\bar\alpha` of the terminal, 1 if clean."""
    return level_tensor(landing.levels[-1])


def rank_of(landing: Landing, timestep: Any) -> int | None:
    """Rank of the node with this timestep."""
    found = np.flatnonzero(landing.timesteps.astype(np.float32) == float(timestep))
    return len(landing.timesteps) - 1 - int(found[0]) if len(found) else None


def known_rank(call: Call, timestep: Any) -> int:
    """Rank of a node.

    Raises:
        HostError: If the timestep is not a node of the schedule.
    """
    rank = rank_of(call.landing, timestep)
    if rank is None:
        problem = f"step was given timestep {float(timestep):g}, which is no node of the attached schedule"
        raise HostError(type(call.scheduler).__name__, f"{problem}; call set_timesteps after attaching")
    return rank


@contextmanager
def exchanged(scheduler: Any, **attributes: Any) -> Iterator[None]:
    """Other attributes for the time of one call."""
    before = {name: vars(scheduler)[name] for name in attributes if name in vars(scheduler)}
    vars(scheduler).update(attributes)
    try:
        yield
    finally:
        for name in attributes:
            del vars(scheduler)[name]
        vars(scheduler).update(before)
