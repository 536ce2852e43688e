r"""A network that writes down what it is asked, and the plain sampling loop around it.

The data is one point c, so the exact network is known: the noise in x is :math:`(x - \alpha_t c) / \sigma_t`. A
deterministic solver then stays on the straight path from its first noise to c, whatever its order, if and only if the
levels that it steps through are those that the network is told. The largest departure from that path is recorded too.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import diffusers
import numpy as np
import torch

import hso
from hso.hosts.diffusers import SCHEDULERS

POINT = 0.7
SHAPE = (1, 3, 8, 8)
VP: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@dataclass
class Record:
    """What a run asked of the network.

    Attributes:
        timesteps: What the network was told, call by call.
        departure: Largest distance of its input from the path, over all calls.
        sample: The final sample.
    """

    timesteps: list[float] = field(default_factory=list)
    departure: float = 0.0
    sample: torch.Tensor | None = None

    def deviation(self, schedule: hso.SamplingSchedule, wanted: np.ndarray[Any, Any]) -> float:
        """Largest difference of the distinct timesteps from ``wanted``; infinite if their number or order is wrong."""
        distinct = [t for i, t in enumerate(self.timesteps) if i == 0 or t != self.timesteps[i - 1]]
        if len(distinct) != schedule.nfe:
            return float("inf")
        return float(np.abs(np.array(distinct) - wanted).max())


def available(name: str) -> bool:
    """Whether diffusers has this scheduler here; two of them need torchsde."""
    return issubclass(getattr(diffusers, name), diffusers.SchedulerMixin)


# Those of the landed schedulers that can be made here.
HERE = tuple(name for name in SCHEDULERS if available(name))


def ends_clean(name: str) -> bool:
    """Whether a scheduler has a step to the clean sample."""
    return name not in ("DEISMultistepScheduler", "SASolverScheduler")


def is_flow(scheduler: Any) -> bool:
    """Whether the scheduler interpolates linearly between data and noise."""
    return "Flow" in type(scheduler).__name__ or bool(scheduler.config.get("use_flow_sigmas"))


def is_edm(scheduler: Any) -> bool:
    """Whether the scheduler adds noise without scaling the data."""
    return "EDM" in type(scheduler).__name__ or is_arctan(scheduler)


def is_arctan(scheduler: Any) -> bool:
    """Whether the network is told an angle."""
    return type(scheduler).__name__.startswith("CosineDPM")


def make_scheduler(name: str, **settings: Any) -> Any:
    """A scheduler as Stable Diffusion configures it; flow and EDM ones with their defaults."""
    kind = getattr(diffusers, name)
    known = inspect.signature(kind).parameters
    usual = {**VP, "steps_offset": 1, "clip_sample": False} if "beta_schedule" in known else {}
    return kind(**{**{key: value for key, value in usual.items() if key in known}, **settings})


def made_for(scheduler: Any, nfe: int, clean: bool = True) -> hso.SamplingSchedule:
    """A schedule with fractional timesteps for the scheduler's own noise schedule."""
    noise = hso.NoiseSchedule.from_config(scheduler)
    times = 0.9765 - 0.93 * np.linspace(0, 1, nfe) ** 0.9
    return hso.SamplingSchedule.from_times(noise, times, 0.0 if clean else 0.0171)


def made_for_pipeline(pipe: Any, nfe: int) -> hso.SamplingSchedule:
    """The same for the scheduler of a pipeline; if its model was distilled, at the levels that the model knows.

    It ends where the scheduler can.
    """
    name = type(pipe.scheduler).__name__
    schedule = made_for(pipe.scheduler, nfe, ends_clean(name))
    if name not in ("LCMScheduler", "TCDScheduler"):
        return schedule
    stride = pipe.scheduler.config.num_train_timesteps // pipe.scheduler.config.original_inference_steps
    levels = stride * np.round((schedule.network_timesteps + 1) / stride) - 1
    return hso.SamplingSchedule.from_timesteps(hso.NoiseSchedule.from_config(pipe.scheduler), levels)


def told(scheduler: Any, schedule: hso.SamplingSchedule) -> np.ndarray[Any, Any]:
    """What the network must be told at the nodes, from the definitions and not through the adapter."""
    if is_arctan(scheduler):
        return np.asarray(np.arctan(schedule.sigmas) * 2 / np.pi)
    config = scheduler.config
    continuous = config.get("timestep_type") == "continuous" and config.get("prediction_type") == "v_prediction"
    if is_edm(scheduler) or continuous:
        return np.asarray(np.log(schedule.sigmas) / 4)
    if is_flow(scheduler):
        return np.asarray(schedule.sigmas / (1 + schedule.sigmas) * scheduler.config.num_train_timesteps)
    return np.asarray(schedule.times * scheduler.config.num_train_timesteps - 1)


def record(
    scheduler: Any, schedule: hso.SamplingSchedule, dtype: torch.dtype = torch.float64, lead: int = 0, **step: Any
) -> Record:
    """Sample in the loop that every pipeline has, from the schedule's first node, after ``lead`` steps that it drops."""
    network = _Network(scheduler, schedule, dtype)
    scheduler.set_timesteps(schedule.nfe + lead)
    dropped = lead * scheduler.order
    if dropped and hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(dropped)
    x = network.start()
    vars(scheduler).pop("kept", None)
    for t in scheduler.timesteps[dropped:]:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        x = take(scheduler, network(scaled, t, x), t, x, **step)
    network.record.sample = x
    return network.record


def take(scheduler: Any, output: torch.Tensor, t: Any, x: torch.Tensor, **step: Any) -> torch.Tensor:
    """One step. CogVideoX's DPM scheduler is passed what it found before, and at which timestep."""
    if "timestep_back" not in inspect.signature(scheduler.step).parameters:
        found: torch.Tensor = scheduler.step(output, t, x, return_dict=False, **step)[0]
        return found
    # The pipeline keeps these between steps.
    clean, back = getattr(scheduler, "kept", (None, None))
    found, clean = scheduler.step(output, clean, t, back, x, return_dict=False, **step)
    scheduler.kept = (clean, t)
    return found


class _Network:
    def __init__(self, scheduler: Any, schedule: hso.SamplingSchedule, dtype: torch.dtype) -> None:
        self.scheduler, self.schedule, self.record = scheduler, schedule, Record()
        self.noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=dtype)
        self.timesteps = told(scheduler, schedule)

    def levels(self, node: int) -> tuple[float, float]:
        sigma = float(self.schedule.sigmas[node])
        if is_flow(self.scheduler):
            return 1 / (1 + sigma), sigma / (1 + sigma)
        if is_edm(self.scheduler):
            return 1.0, sigma
        return float(1 / np.hypot(1, sigma)), float(sigma / np.hypot(1, sigma))

    def start(self) -> torch.Tensor:
        alpha, sigma = self.levels(0)
        x = alpha * POINT + sigma * self.noise
        # Euler and its kin keep x / alpha and scale the network's input instead.
        return x / alpha if type(self.scheduler).__name__.startswith(("Euler", "Heun", "LMS")) else x

    def __call__(self, scaled: torch.Tensor, t: Any, x: torch.Tensor) -> torch.Tensor:
        node = int(np.abs(self.timesteps - float(t)).argmin())
        alpha, sigma = self.levels(node)
        state = x if is_edm(self.scheduler) else scaled
        self.record.timesteps.append(float(t))
        path = alpha * POINT + sigma * self.noise
        self.record.departure = max(self.record.departure, float((state - path).abs().max()))
        if is_edm(self.scheduler):
            zero, one = torch.zeros_like(x), torch.ones_like(x)
            skip = self.scheduler.precondition_outputs(one, zero, torch.tensor(sigma, dtype=x.dtype))
            out = self.scheduler.precondition_outputs(zero, one, torch.tensor(sigma, dtype=x.dtype))
            return (POINT - skip * x) / out
        if is_flow(self.scheduler):
            return (state - POINT) / sigma
        return (state - alpha * POINT) / sigma
