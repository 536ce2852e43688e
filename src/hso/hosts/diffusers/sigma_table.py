r"""Schedulers that step through a table of noise levels: ``sigmas`` with N + 1 entries beside N ``timesteps``.

The table holds :math:`\tilde\sigma`, or the flow's :math:`\sigma` where ``use_flow_sigmas`` is set. What builds it
(spacing, Karras, exponential, beta, Lu, shift) has no say once it is replaced; ``final_sigmas_type`` has, because
``step`` reads it to choose the order of the last step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hso.hosts.base import FRACTIONAL, WHOLE, WITHOUT_ZERO, Takes
from hso.hosts.diffusers import levels
from hso.hosts.diffusers.family import Call, Config, Landing, SchedulerFamily
from hso.hosts.diffusers.part_way import begins_part_way
from hso.hosts.diffusers.tensors import level_dtype, network_times, replaced
from hso.noise.base import as_array
from hso.noise.levels import flow_sigma_of_lambda
from hso.schedule import T_MIN, SamplingSchedule
from hso.solvers import DEIS, DPMSolverPP, DPMSolverPP2S, Euler, Heun, Solver, UniPC

# The settings with which the schedulers of diffusers are the solvers of this library.
DPMPP_MIDPOINT = {
    "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint",
    "lower_order_final": True,
    "euler_at_final": False,
}
UNIPC_BH2 = {
    "solver_type": "bh2",
    "predict_x0": True,
    "lower_order_final": True,
    "disable_corrector": [],
    "solver_p": None,
}
NO_LIMIT = "has no limit at the clean sample; use a schedule with terminal 't_min'"


class SigmaTable(SchedulerFamily):
    """Its formulas hold for any terminal."""

    divides_by_alpha = True

    def solver(self, config: Config) -> Solver:
        return Euler()

    def landing(self, config: Config, schedule: SamplingSchedule) -> Landing:
        lambdas = schedule.levels
        if config.get("use_flow_sigmas"):
            sigmas = flow_sigma_of_lambda(lambdas)
            return Landing(sigmas[:-1] * config["num_train_timesteps"], sigmas)
        return Landing(schedule.fractional_timesteps, levels.sigmas(lambdas))

    def write(self, scheduler: Any, landing: Landing) -> None:
        scheduler.sigmas = replaced(scheduler.sigmas, landing.levels, level_dtype())
        scheduler.timesteps = network_times(scheduler.timesteps, landing.timesteps)

    def read(self, scheduler: Any, landing: Landing) -> Landing:
        return Landing(as_array(scheduler.timesteps), as_array(scheduler.sigmas))

    def takes_values(self, config: Config) -> bool:
        return bool(config.get("use_flow_sigmas"))


class HeunTable(SigmaTable):
    """Every node but the first is evaluated twice; the step to the terminal is an Euler step."""

    def takes(self, flow: bool) -> Takes:
        return Takes(timesteps=FRACTIONAL)

    def solver(self, config: Config) -> Solver:
        return Heun()

    def exact(self, config: Config) -> bool:
        return True

    def write(self, scheduler: Any, landing: Landing) -> None:
        twice = Landing(_twice(landing.timesteps), np.append(_twice(landing.levels[:-1]), landing.levels[-1]))
        super().write(scheduler, twice)

    def read(self, scheduler: Any, landing: Landing) -> Landing:
        held = super().read(scheduler, landing)
        once = Landing(held.timesteps[::2], np.append(held.levels[:-1:2], held.levels[-1]))
        doubled = np.array_equal(_twice(once.timesteps), held.timesteps)
        return once if doubled and np.array_equal(_twice(once.levels[:-1]), held.levels[:-1]) else held


class Lms(SigmaTable):
    """Its formulas hold for any terminal; its order rises with the steps taken, wherever in the table they begin."""

    wrapped = ("step",)

    def step(self, call: Call, model_output: Any, timestep: Any, sample: Any, order: int = 4, **kw: Any) -> Any:
        # The scheduler counts them from the table's first entry, and weighs slopes that it has not got.
        slopes = len(call.scheduler.derivatives) + 1
        return call.original(model_output, timestep, sample, order=min(order, slopes), **kw)


class Multistep(SigmaTable):
    """``final_sigmas_type`` follows the schedule's end; to end clean, ``algorithm_type`` must be a '++'."""

    divides_by_alpha = False

    def takes(self, flow: bool) -> Takes:
        return Takes(timesteps=WHOLE)

    def solver(self, config: Config) -> Solver:
        return DPMSolverPP(order_of(config))

    def exact(self, config: Config) -> bool:
        return config["solver_order"] <= 2 and has(config, DPMPP_MIDPOINT)

    def settings(self, config: Config, schedule: SamplingSchedule) -> dict[str, Any]:
        return final_sigmas(schedule)

    def objection(self, config: Config, schedule: SamplingSchedule) -> str:
        kind = config["algorithm_type"]
        if schedule.ends_clean and kind not in ("dpmsolver++", "sde-dpmsolver++"):
            return f"algorithm_type {kind!r} {NO_LIMIT}, or algorithm_type 'dpmsolver++'"
        return ""


class Singlestep(Multistep):
    """``lower_order_final`` is set if the nodes do not fill the last block, or if the schedule ends clean."""

    def exact(self, config: Config) -> bool:
        return False

    def solver(self, config: Config) -> Solver:
        return DPMSolverPP2S()

    def settings(self, config: Config, schedule: SamplingSchedule) -> dict[str, Any]:
        filled = schedule.nfe % config["solver_order"] == 0 and not begins_part_way(schedule)
        partial = schedule.ends_clean or not filled
        return {**super().settings(config, schedule), **({"lower_order_final": True} if partial else {})}


class Deis(SigmaTable):
    """It has no step to the clean sample; its own tables end at the training minimum too."""

    divides_by_alpha = False

    def solver(self, config: Config) -> Solver:
        return DEIS(order_of(config))

    def terminal(self, config: Config) -> str:
        return T_MIN

    def objection(self, config: Config, schedule: SamplingSchedule) -> str:
        return f"DEIS {NO_LIMIT}" if schedule.ends_clean else ""


class UniPCTable(Multistep):
    """Ends clean only with solver_type 'bh2', predict_x0 and lower_order_final; the others give NaN there."""

    def takes(self, flow: bool) -> Takes:
        return Takes(sigmas=WITHOUT_ZERO, shift="flow_shift") if flow else Takes()

    def solver(self, config: Config) -> Solver:
        return UniPC(order_of(config))

    def exact(self, config: Config) -> bool:
        return has(config, UNIPC_BH2)

    def objection(self, config: Config, schedule: SamplingSchedule) -> str:
        if config["solver_p"] is not None:
            return "solver_p takes steps of its own that no schedule reaches; leave it None"
        if not schedule.ends_clean:
            return ""
        if config["solver_type"] == "bh1":
            return f"solver_type 'bh1' {NO_LIMIT}, or solver_type 'bh2'"
        if not config["predict_x0"]:
            return f"predict_x0=False {NO_LIMIT}, or predict_x0=True"
        if not config["lower_order_final"] and config["solver_order"] > 1 and schedule.nfe > 1:
            return f"a last step of order {config['solver_order']} {NO_LIMIT}, or lower_order_final=True"
        return ""


def has(config: Config, settings: Mapping[str, Any]) -> bool:
    """Whether a configuration has these settings, and does not clip the data."""
    return not config.get("thresholding") and all(config.get(name) == value for name, value in settings.items())


def final_sigmas(schedule: SamplingSchedule) -> dict[str, Any]:
    """The setting by which DPM-Solver++ knows whether its last step goes to the clean sample."""
    return {"final_sigmas_type": "zero" if schedule.ends_clean else "sigma_min"}


def order_of(config: Config) -> int:
    """``solver_order``, as far as the solvers of this library go."""
    return min(int(config.get("solver_order", 2)), 3)


def _twice(values: Any) -> Any:
    return np.append(values[:1], np.repeat(values[1:], 2))
