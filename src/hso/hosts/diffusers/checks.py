"""Whether a schedule belongs to the model behind a scheduler or a pipeline, before anything is changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hso.errors import ArgumentError, HostError
from hso.hosts.diffusers.family import Config, Landing, SchedulerFamily
from hso.hosts.diffusers.flow import flow_at_its_resolution
from hso.hosts.diffusers.part_way import begins_part_way, takes_strength
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.noise.config import DISTILLED_WITH_MODEL, read_scheduler
from hso.noise.flow import ShiftedClock
from hso.schedule import SamplingSchedule

# Far above the rounding of t -> lambda -> t, far below what a sample could show.
TOLERANCE = 1e-6
# The host's tables are float32 at worst.
SINGLE = 1e-6


def check_pipeline(pipeline: Any, scheduler: Any, schedule: SamplingSchedule) -> None:
    """Refuse a schedule that has no meaning for the model of a pipeline, whatever its scheduler could do.

    Raises:
        HostError: With the reason.
    """
    if not isinstance(schedule, SamplingSchedule):
        return
    name = type(scheduler).__name__
    if name in DISTILLED_WITH_MODEL and (stray := _outside_grid(scheduler.config, schedule)) is not None:
        problem = "the model was distilled onto fixed noise levels, every {0}th training timestep from {1}"
        stride = _stride(scheduler.config)
        raise HostError(name, f"{problem.format(stride, stride - 1)}; timestep {stray:.6g} is none of them")
    if begins_part_way(schedule) and not takes_strength(pipeline):
        problem = "begins with noise alone, and the schedule part-way; use an image-to-image pipeline, or attach to "
        raise HostError(type(pipeline).__name__, f"{problem}pipeline.scheduler if the latents are noised already")


def check_schedule(scheduler: Any, family: SchedulerFamily, schedule: SamplingSchedule, pipeline: str = "") -> None:
    """Check that a schedule fits the model (:func:`check_model`), and that this scheduler can run it.

    Raises:
        ArgumentError: If it is no SamplingSchedule, or the model's noise schedule cannot be read.
        HostError: With the reason.
    """
    check_model(scheduler, schedule, pipeline)
    if problem := family.objection(scheduler.config, schedule):
        raise HostError(type(scheduler).__name__, problem)


def check_model(scheduler: Any, schedule: SamplingSchedule, pipeline: str = "") -> None:
    """Refuse a schedule that was made for another model, or contradicts itself.

    Args:
        scheduler: The scheduler.
        schedule: The schedule.
        pipeline: The class of the scheduler's pipeline, if there is one. The schedule may be made for the pipeline, or for
            what the scheduler says by itself.

    Raises:
        ArgumentError: If it is no SamplingSchedule, or the model's noise schedule cannot be read.
        HostError: With the reason.
    """
    name = type(scheduler).__name__
    if not isinstance(schedule, SamplingSchedule):
        raise ArgumentError("schedule", "a SamplingSchedule", schedule, "hso.optimize(...).schedule is one")
    if schedule.ends_clean != (schedule.terminal_time == 0):
        raise HostError(
            name, f"the schedule ends at lambda {schedule.terminal:g} but at t = {schedule.terminal_time:g}"
        )
    problems = [_problem(scheduler, schedule, each) for each in dict.fromkeys((pipeline, ""))]
    if "" not in problems:
        raise HostError(name, problems[0])


def _problem(scheduler: Any, schedule: SamplingSchedule, pipeline: str) -> str:
    """Why a schedule does not belong to the model that this scheduler, or its pipeline, says; empty if it does."""
    noise = NoiseSchedule(*read_scheduler(scheduler, pipeline), type(scheduler).__name__)
    if isinstance(noise.clock, ShiftedClock) and scheduler.config.get("use_dynamic_shifting"):
        # The fingerprint tells resolutions apart, which the scheduler learns only when it is called.
        clock = flow_at_its_resolution(noise.clock, scheduler.config, schedule)
        return _misfit(replace(noise, clock=clock), schedule)
    return _other_model(noise, schedule) or _misfit(noise, schedule)


def check_landing(scheduler: Any, landing: Landing) -> None:
    """Refuse tables that float32 cannot hold: two nodes on one timestep, or a level that is not finite.

    Raises:
        HostError: With the first such node.
    """
    steps = np.abs(np.diff(landing.timesteps.astype(np.float32)))
    drops = np.abs(np.diff(landing.levels))
    bad = ~np.isfinite(landing.levels[:-1])
    bad[1:] |= (steps == 0) | (drops[:-1] == 0)
    if bad.any():
        node = int(np.argmax(bad))
        value = f"timestep {landing.timesteps[node]:.9g}, level {landing.levels[node]:.9g}"
        raise HostError(type(scheduler).__name__, f"node {node} cannot be told from its neighbour: {value}")


def check_landed(scheduler: Any, wanted: Landing, held: Landing) -> None:
    """Compare what a scheduler holds with what it should.

    Raises:
        HostError: With the first difference.
    """
    name = type(scheduler).__name__
    steps = scheduler.num_inference_steps
    if steps != len(wanted.timesteps):
        raise HostError(name, f"num_inference_steps is {steps} after set_timesteps, expected {len(wanted.timesteps)}")
    for what in ("timesteps", "levels"):
        want, have = getattr(wanted, what), getattr(held, what)
        if len(want) != len(have):
            raise HostError(name, f"holds {len(have)} {what} after set_timesteps, expected {len(want)}")
        wrong = ~(np.abs(want - have) <= SINGLE * np.maximum(np.abs(want), SINGLE))
        if wrong.any():
            node = int(np.argmax(wrong))
            found = f"expected {want[node]:.9g}, holds {have[node]:.9g}"
            raise HostError(name, f"{what}[{node}] differs after set_timesteps: {found}")


def _stride(config: Config) -> int:
    """How many training timesteps lie between two noise levels of a distilled model."""
    return max(1, config["num_train_timesteps"] // config["original_inference_steps"])


def _outside_grid(config: Config, schedule: SamplingSchedule) -> float | None:
    """The first timestep of a schedule that is no level of a distilled model, if there is one."""
    stride = _stride(config)
    steps = (schedule.network_timesteps + 1) / stride
    stray = np.abs(steps - np.round(steps)) * stride > TOLERANCE * (1 + schedule.network_timesteps)
    return float(schedule.network_timesteps[np.argmax(stray)]) if stray.any() else None


def _other_model(noise: NoiseSchedule, schedule: SamplingSchedule) -> str:
    if noise.fingerprint == schedule.noise_fingerprint:
        return ""
    made = f"made for noise schedule {schedule.noise_name!r}, {schedule.noise_fingerprint!r}"
    return f"the schedule was {made}, the scheduler has {noise.fingerprint!r}; optimize for this scheduler"


def _misfit(noise: NoiseSchedule, schedule: SamplingSchedule) -> str:
    if noise.train_steps != schedule.train_steps:
        return f"the schedule counts {schedule.train_steps} training timesteps, the scheduler {noise.train_steps}"
    low, high = noise.t_range
    noisiest, cleanest = noise.lambda_([high, low])
    if schedule.lambdas[0] < noisiest - TOLERANCE or schedule.lambdas[-1] > cleanest + TOLERANCE:
        span = f"lambda {schedule.lambdas[0]:.6g} to {schedule.lambdas[-1]:.6g}"
        return f"nodes from {span} leave the trained range from {noisiest:.6g} to {cleanest:.6g}"
    if not _agree(noise, schedule):
        return "the schedule's times and lambdas contradict each other under the scheduler's noise schedule"
    return ""


def _agree(noise: NoiseSchedule, schedule: SamplingSchedule) -> bool:
    told = noise.timestep_of_time(schedule.network_times)
    return _close(noise.lambda_(schedule.knot_times), schedule.knots) and _close(told, schedule.network_timesteps)


def _close(values: Array, others: Array) -> bool:
    return bool(np.all(np.abs(values - others) <= TOLERANCE * (1 + np.abs(others))))
