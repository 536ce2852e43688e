r"""Flow-matching Euler: ``sigmas`` is the flow's :math:`\sigma`, and the network is told :math:`\sigma N_{train}`.

``shift``, ``mu`` and ``shift_terminal`` reshape the sigmas that pipelines pass in. The schedule's own are put in after
that, so there is nothing to invert: they land as they are for every resolution.

**Told before the shift.** CogView4 and GLM-Image pass ``timesteps=`` beside ``sigmas=``. The scheduler then shifts the
sigmas alone, and the network is told :math:`u N_{train}`, the time before the shift:

.. math::
    \sigma = \frac{s u}{1 + (s - 1) u}, \qquad u = \frac{\sigma}{\sigma + s (1 - \sigma)}, \qquad
    s = e^\mu, \mu \text{ or the static shift}

So the scheduler is first given what the pipeline passes. If the two tables that it makes of it are related like that, the
schedule's timesteps are too; if they are related in a third way, the call is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hso.errors import ArgumentError, HostError
from hso.hosts.base import FRACTIONAL, WITHOUT_ZERO, Takes
from hso.hosts.diffusers.family import Config, Landing, SchedulerFamily
from hso.hosts.diffusers.tensors import network_times, replaced
from hso.noise.base import Array, as_array
from hso.noise.flow import ShiftedClock
from hso.noise.levels import flow_sigma_of_lambda
from hso.noise.shift import LEAST_SHIFT, MOST_SHIFT, TIME_SHIFTS
from hso.schedule import SamplingSchedule
from hso.solvers import Euler, Solver

# In training timesteps. The scheduler's arithmetic is float32.
ROUNDING = 1e-2


class FlowMatch(SchedulerFamily):
    """Whatever ``shift``, ``mu`` and ``shift_terminal`` are; sigmas that a pipeline passes are replaced."""

    for_flow_only = True

    def takes(self, flow: bool) -> Takes:
        return Takes(timesteps=FRACTIONAL, sigmas=WITHOUT_ZERO, shift="shift")

    def solver(self, config: Config) -> Solver:
        return Euler()

    def exact(self, config: Config) -> bool:
        return not config.get("stochastic_sampling")

    def objection(self, config: Config, schedule: SamplingSchedule) -> str:
        if schedule.path.name == "flow":
            return ""
        return (
            "its pipeline (Cosmos Predict 2) replaces the last noise level by the one before; no schedule survives that"
        )

    def landing(self, config: Config, schedule: SamplingSchedule) -> Landing:
        sigmas = flow_sigma_of_lambda(schedule.levels)
        if config["invert_sigmas"]:
            sigmas = 1 - sigmas
        return Landing(sigmas[:-1] * config["num_train_timesteps"], sigmas)

    def write(self, scheduler: Any, landing: Landing) -> None:
        import torch

        # float32 as in the scheduler itself: with per-token timesteps its dtype reaches the latents.
        scheduler.sigmas = replaced(scheduler.sigmas, landing.levels, torch.float32)
        scheduler.timesteps = network_times(scheduler.timesteps, landing.timesteps)

    def read(self, scheduler: Any, landing: Landing) -> Landing:
        return Landing(as_array(scheduler.timesteps), as_array(scheduler.sigmas))

    def takes_values(self, config: Config) -> bool:
        return True

    def as_called(self, scheduler: Any, landing: Landing, arguments: Mapping[str, Any]) -> Landing:
        if arguments.get("timesteps") is None:
            return landing
        own, steps = self.read(scheduler, landing), scheduler.config.num_train_timesteps
        sigmas, wanted = own.levels[:-1], landing.levels[:-1]
        if np.allclose(own.timesteps, sigmas * steps, rtol=0, atol=ROUNDING):
            return landing
        shift = _shift_of_call(scheduler, arguments)
        if np.allclose(own.timesteps, _before_shift(sigmas, shift) * steps, rtol=0, atol=ROUNDING):
            return Landing(_before_shift(wanted, shift) * steps, landing.levels)
        problem = "timesteps= was passed that are neither sigma nor its time before the shift"
        raise HostError(
            type(scheduler).__name__, f"{problem}, so what the network must be told is not known; leave it out"
        )


def _shift_of_call(scheduler: Any, arguments: Mapping[str, Any]) -> float:
    """The shift s that a call of ``set_timesteps`` with these arguments uses."""
    if scheduler.config.use_dynamic_shifting:
        return TIME_SHIFTS[scheduler.config.time_shift_type](arguments["mu"])
    return float(scheduler.shift)


def _before_shift(sigmas: Array, shift: float) -> Array:
    """The time u that a shift maps to these sigmas."""
    return np.asarray(sigmas / (sigmas + shift * (1 - sigmas)))


def flow_at_its_resolution(clock: ShiftedClock, config: Config, schedule: SamplingSchedule) -> ShiftedClock:
    r"""The model's clock at the resolution that a schedule was made for, by the shift s of its middle node.

    With t = u, cleanest time f and terminal e: :math:`1 - \sigma = \frac{k (1 + (s - 1) f)}{1 + (s - 1) u}`, where
    :math:`k = (1 - u)(1 - e) / (1 - f)`; without terminal, :math:`k = 1 - u` and f counts as 0.
    """
    node = int(np.argmin(np.abs(schedule.times - 0.5)))
    u, alpha = float(schedule.times[node]), 1 - float(schedule.flow_sigmas[node])
    end, first = config.get("shift_terminal") or None, clock.t_range[0]
    k, first = ((1 - u) * (1 - end) / (1 - first), first) if end else (1 - u, 0.0)
    slope = alpha * u - k * first
    shift = 1 + (k - alpha) / slope if slope else 1.0
    # A shift that no model has comes of a schedule for another one, which disagrees with any that may stand here.
    shift = float(np.clip(shift, LEAST_SHIFT, MOST_SHIFT))
    try:
        return ShiftedClock(shift, end, clock.train_steps, clock.told)
    except ArgumentError:
        return clock
