r"""Flow-matching Euler: ``sigmas`` is the flow's :math:`\sigma`, and the network is told :math:`\sigma N_{train}`.

``shift``, ``mu`` and ``shift_terminal`` reshape the sigmas that pipelines pass in. The schedule's own are put in after
that, so there is nothing to invert: they land as they are for every resolution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hso.errors import ArgumentError
from hso.hosts.diffusers.host import Config, Host, Landing, network_times, numbers, replaced
from hso.noise.flow import LEAST_SHIFT, MOST_SHIFT, ShiftedClock
from hso.noise.levels import flow_sigma_of_lambda
from hso.schedule import SamplingSchedule


class FlowMatch(Host):
    """Whatever ``shift``, ``mu`` and ``shift_terminal`` are; sigmas that a pipeline passes are replaced."""

    solver = "euler"

    def landing(self, config: Config, schedule: SamplingSchedule) -> Landing:
        sigmas = flow_sigma_of_lambda(schedule.levels)
        if config["invert_sigmas"]:
            sigmas = 1 - sigmas
        return Landing(sigmas[:-1] * config["num_train_timesteps"], sigmas)

    def write(self, scheduler: Any, landing: Landing) -> None:
        # float32 as in the scheduler itself: with per-token timesteps its dtype reaches the latents.
        scheduler.sigmas = replaced(scheduler.sigmas, landing.levels, torch.float32)
        scheduler.timesteps = network_times(scheduler.timesteps, landing.timesteps)

    def read(self, scheduler: Any, landing: Landing) -> Landing:
        return Landing(numbers(scheduler.timesteps), numbers(scheduler.sigmas))

    def takes_values(self, config: Config) -> bool:
        return True


def flow_at_its_resolution(clock: ShiftedClock, config: Config, schedule: SamplingSchedule) -> ShiftedClock:
    r"""The model's clock at the resolution that a schedule was made for, by the shift s of its middle node.

    With t = u, cleanest time f and terminal e: :math:`1 - \sigma = \frac{k (1 + (s - 1) f)}{1 + (s - 1) u}`, where
    :math:`k = (1 - u)(1 - e) / (1 - f)`; without terminal, :math:`k = 1 - u` and f counts as 0.
    """
    node = int(np.argmin(np.abs(schedule.times - 0.5)))
    u, alpha = float(schedule.times[node]), 1 - float(schedule.flow_sigmas[node])
    end, first = config.get("shift_terminal") or None, 1 / clock.train_steps
    k, first = ((1 - u) * (1 - end) / (1 - first), first) if end else (1 - u, 0.0)
    slope = alpha * u - k * first
    shift = 1 + (k - alpha) / slope if slope else 1.0
    # A shift that no model has comes of a schedule for another one, which disagrees with any that may stand here.
    shift = float(np.clip(shift, LEAST_SHIFT, MOST_SHIFT))
    try:
        return ShiftedClock(shift, end, clock.train_steps, clock.told)
    except ArgumentError:
        return clock
