r"""A diffusers scheduler that runs any deterministic solver of this library at the nodes of one schedule.

A solver is a table of coefficients (:mod:`hso.solvers.base`), one row for each network call. So one class runs them all:
``step`` turns the network's output into the data, and takes the row's combinations of the anchor and the last terms. The
arithmetic is that of :func:`hso.solvers.sample`.

The scheduler stands for the pipeline's own one. It keeps that one's configuration and convention
(:mod:`hso.hosts.diffusers.convention`), so that the pipeline, and :meth:`hso.NoiseSchedule.from_config`, read the same
model from it. The schedule and the solver are fields of the configuration, as plain values, so ``save_pretrained`` and
``from_pretrained`` keep them. Clipping and thresholding of the own scheduler are not done.

This module imports torch and diffusers; :mod:`hso.hosts.diffusers` imports it when ``PlannedScheduler`` is used.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import diffusers
import numpy as np
import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from diffusers.utils.outputs import BaseOutput

from hso.errors import LONGEST, ArgumentError, HostError, check_choice
from hso.hosts.diffusers import part_way, watch
from hso.hosts.diffusers.attachment import scheduler_of
from hso.hosts.diffusers.checks import check_model, check_pipeline
from hso.hosts.diffusers.convention import convention_of
from hso.hosts.diffusers.family import Landing
from hso.hosts.diffusers.own import own_scheduler
from hso.hosts.diffusers.registry import PLANNED, SCHEDULERS
from hso.hosts.diffusers.tensors import level_tensor, network_times
from hso.noise import NoiseSchedule
from hso.noise.config import DISTILLED_WITH_MODEL, STANDS_FOR, read_mapping, scheduler_values
from hso.noise.levels import sigma_of_lambda
from hso.registry import settings_of
from hso.schedule import SamplingSchedule
from hso.solvers import Level, Solver, StepPlan, label_of, made_for, restored
from hso.solvers.base import Combination, levels_of
from hso.solvers.loop import memory

# The paths whose networks are understood.
PATHS = ("vp", "ve", "flow")
# The own schedulers that this one can stand for.
OWN = tuple(name for name in SCHEDULERS if name not in DISTILLED_WITH_MODEL)

# The errors that diffusers raises for an unusable configuration. NotImplementedError is a RuntimeError.
COMPLAINTS = (ArithmeticError, AttributeError, ImportError, RuntimeError, TypeError, ValueError)


@dataclass
class PlannedOutput(BaseOutput):
    """What a step returns.

    Attributes:
        prev_sample: The sample that the network sees next.
        pred_original_sample: The data that the network's output implies.
    """

    prev_sample: torch.Tensor
    pred_original_sample: torch.Tensor


class _State(NamedTuple):
    """What a run keeps between steps. It is replaced and never changed, so a copy of a scheduler goes its own way."""

    anchor: Any = None
    terms: tuple[Any, ...] = ()


class PlannedScheduler(SchedulerMixin, ConfigMixin):  # type: ignore[misc]  # diffusers is not typed
    """Runs one solver of this library at the nodes of one schedule, in place of a pipeline's own scheduler.

    Make it with :meth:`from_scheduler`, or let :func:`hso.hosts.diffusers.recommend` make it. Call the pipeline with what
    ``call_arguments(pipeline, schedule)`` returns. ``timesteps`` has one entry for each network call, so Heun's method
    with N nodes has 2 N - 1. Every run is watched: it goes through all calls in order, or an error says why it does not.

    Samples in half precision are computed with in float32, and returned in their own precision.

    Args:
        schedule: The schedule, as ``SamplingSchedule.to_dict`` gives it.
        solver: Name and settings of the solver: ``{"name": "unipc", "settings": {"order": 2}}``.
        stands_for: Class of the pipeline's own scheduler.
        pipeline: Class of the pipeline; empty for a scheduler by itself.
        settings: Configuration of the pipeline's own scheduler.

    Attributes:
        schedule: The schedule.
        solver: The solver.
        own: The scheduler that it stands for.

    Raises:
        ArgumentError: If the schedule or the solver is unusable, or the solver is stochastic.
        HostError: If the schedule was made for another model, or the own scheduler cannot be replaced.

    Example:
        >>> from diffusers import DDIMScheduler
        >>> import hso
        >>> own = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        >>> schedule = hso.optimize(hso.NoiseSchedule.from_config(own), nfe=5, solver="heun").schedule
        >>> scheduler = PlannedScheduler.from_scheduler(own, schedule)
        >>> scheduler.set_timesteps(3)
        >>> len(scheduler.timesteps)
        5
    """

    order = 1

    def __init__(
        self,
        schedule: Mapping[str, Any],
        solver: Mapping[str, Any],
        stands_for: str,
        pipeline: str = "",
        **settings: Any,
    ) -> None:
        self.own = _own_scheduler(check_choice(STANDS_FOR, stands_for, OWN), settings)
        planned = {"schedule": schedule, "solver": solver, STANDS_FOR: stands_for, "pipeline": str(pipeline)}
        self._internal_dict: Any = type(self.own.config)({**_public(self.own.config), **planned})
        self.schedule = SamplingSchedule.from_dict(schedule)
        self.solver = _solver_of(solver)
        self._family = SCHEDULERS[stands_for]
        check_model(self, self.schedule, str(pipeline))
        path = self.schedule.path
        if path.name not in PATHS:
            raise HostError(PLANNED, f"runs models with the paths {', '.join(PATHS)}, and this one has {path.name!r}")
        self._convention = convention_of(self._family, self.config, path)
        self._noise = NoiseSchedule.from_config(self)
        self._levels = levels_of(self.schedule)
        self._plan = _deterministic(self.solver, self._levels)
        self._memory = memory(self._plan)
        self.set_timesteps(self.schedule.nfe)

    @classmethod
    def from_scheduler(cls, target: Any, schedule: SamplingSchedule, solver: Solver | None = None) -> PlannedScheduler:
        """A scheduler for a pipeline, which is to be set: ``pipe.scheduler = PlannedScheduler.from_scheduler(pipe, ...)``.

        Args:
            target: The pipeline, or its scheduler.
            schedule: The schedule, made for the model's noise schedule.
            solver: The solver; by default the one that the schedule was made for.

        Raises:
            ArgumentError: If an argument is unusable, or the solver is stochastic.
            HostError: If the schedule was made for another model, or the scheduler cannot be replaced.
        """
        if not isinstance(schedule, SamplingSchedule):
            raise ArgumentError("schedule", "a SamplingSchedule", schedule, "hso.optimize(...).schedule is one")
        own = own_scheduler(target)
        pipeline = "" if scheduler_of(target) is target else type(target).__name__
        if type(own).__name__ not in OWN:
            raise HostError(type(own).__name__, f"cannot be replaced by {PLANNED}; it can for {', '.join(OWN)}")
        if pipeline:
            check_pipeline(target, own, schedule)
        values = _public(scheduler_values(own))
        made = cls(schedule.to_dict(), _described(solver or made_for(schedule)), type(own).__name__, pipeline, **values)
        made.own = own
        return made

    @classmethod
    def from_config(cls, config: Any = None, return_unused_kwargs: bool = False, **settings: Any) -> Any:
        """A scheduler from a configuration with a schedule and a solver, as ``save_pretrained`` writes it.

        Raises:
            ArgumentError: If a field is missing or unusable.
            HostError: If the schedule was made for another model.
        """
        given = {**(config if isinstance(config, Mapping) else {}), **settings}
        values = _public(given)
        for name in ("schedule", "solver", STANDS_FOR):
            if not isinstance(values.get(name), str if name == STANDS_FOR else Mapping):
                expected = f"the configuration of a {PLANNED}, with schedule, solver and {STANDS_FOR}"
                raise ArgumentError("config", expected, sorted(values), f"{PLANNED}.from_scheduler(...) makes one")
        made = cls(**values)
        return (made, {}) if return_unused_kwargs else made

    @property
    def init_noise_sigma(self) -> float:
        """What a pipeline multiplies unit noise with to get the first sample."""
        return self._convention.first(self._levels[0])

    @property
    def step_index(self) -> int:
        """Number of network calls so far."""
        return int(vars(self)[watch.RUN].done)

    @property
    def begin_index(self) -> int:
        """A run always begins at the first node."""
        return 0

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Pipelines call it. The run says by its first step where it begins, which is watched."""

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: Any = None,
        timesteps: Any = None,
        sigmas: Any = None,
        mu: float | None = None,
    ) -> None:
        """Begin a run.

        Args:
            num_inference_steps: Number of nodes.
            device: Device of the tables.
            timesteps: For flow models only, as their pipelines pass it: they say what the network is told.
            sigmas: The same; they are not used otherwise, because the schedule has its own.
            mu: The shift that the pipeline would use; not used, because the schedule has its own sigmas.

        Raises:
            HostError: If the number does not fit the schedule, or values are passed that it does not have.
        """
        given = {"timesteps": timesteps, "sigmas": sigmas}
        given = {name: values for name, values in given.items() if values is not None}
        if given and not self._family.takes_values(self.config):
            raise HostError(PLANNED, "has a schedule of its own; pass neither timesteps= nor sigmas=")
        steps = len(next(iter(given.values()))) if num_inference_steps is None and given else num_inference_steps
        lead = part_way.lead_of(PLANNED, self.schedule, steps)
        landing = self._landing({"num_inference_steps": steps, "device": device, "mu": mu, **given})
        self._write(part_way.with_lead(landing) if lead else landing, lead, device)
        self.num_inference_steps = steps
        self._state = _State()
        starts = part_way.begins_part_way(self.schedule)
        told = [self._told[step.node] for step in self._plan]
        watch.begin(self, told, starts, starts and bool(self.config["pipeline"]))

    def scale_model_input(self, sample: torch.Tensor, timestep: Any) -> torch.Tensor:
        """The network's input at a node."""
        factor = self._convention.input(self._level_at(timestep))
        return sample if factor == 1 else sample * factor

    def step(self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, return_dict: bool = True) -> Any:
        """The next sample, from the network's output at this one.

        Args:
            model_output: The network's output, guidance included. A learned variance behind it is left out.
            timestep: The timestep, which must be the next one of ``timesteps``.
            sample: The sample, shape (B, C, ...).
            return_dict: Whether to return a :class:`PlannedOutput` instead of a tuple.

        Raises:
            HostError: If the step is not the next one.
        """
        watch.called(self, watch.STEP, (model_output, timestep, sample), {})
        call = self.step_index - 1
        plan, level, end = self._plan[call], self._level_of_call(call), self._level_of_call(call + 1)
        precise = torch.promote_types(sample.dtype, torch.float32)
        x = sample.to(precise) / self._convention.sample(level)
        data = self._convention.data(_mean(model_output, sample).to(precise), x, level)
        terms = (self.solver.term(data, x, level), *self._state.terms)[: self._memory]
        # Before the first call the anchor is the state itself.
        before = self._state.anchor if call else x
        anchor = x if plan.anchor is None else plan.anchor.of(before, terms)
        moved = plan.update.of(anchor, terms) * self._convention.sample(end)
        self._state = _State(anchor, terms)
        found = (moved.to(sample.dtype), data.to(sample.dtype))
        return PlannedOutput(*found) if return_dict else found

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Add noise to samples, up to the levels of nodes. Image-to-image and inpainting pipelines call this.

        Raises:
            HostError: If a timestep is no node, or a run that begins part-way would begin elsewhere.
        """
        watch.called(self, "add_noise", (original_samples, noise, timesteps), {})
        levels = [self._level_at(t) for t in torch.as_tensor(timesteps).reshape(-1)]
        shape = (-1, *[1] * (original_samples.ndim - 1))
        alphas, sigmas = (
            level_tensor([scale * self._convention.sample(level) for scale, level in zip(scales, levels, strict=True)])
            .to(original_samples)
            .reshape(shape)
            for scales in ([level.alpha for level in levels], [level.sigma for level in levels])
        )
        return alphas * original_samples + sigmas * noise

    def scale_noise(self, sample: torch.Tensor, timestep: Any, noise: torch.Tensor) -> torch.Tensor:
        """:meth:`add_noise`, as pipelines of flow models call it."""
        return self.add_noise(sample, noise, timestep)

    def __len__(self) -> int:
        return int(self.config["num_train_timesteps"])

    def _landing(self, arguments: Mapping[str, Any]) -> Landing:
        """What the network is told at the nodes, and the noise levels that the steps go through."""
        landing = self._family.landing(self.config, self.schedule)
        if self.schedule.told_times is not None:
            if "timesteps" in arguments:
                problem = (
                    "has a schedule that tells the network other times, and the pipeline passes timesteps= of its own"
                )
                raise HostError(PLANNED, problem)
            told = SamplingSchedule.from_times(self._noise, self.schedule.told_times)
            return replace(landing, timesteps=self._family.landing(self.config, told).timesteps)
        if "timesteps" not in arguments:
            return landing
        # Beside sigmas, timesteps say how what the network is told belongs to them. The own scheduler knows.
        taken = inspect.signature(self.own.set_timesteps).parameters
        own, usual = copy.copy(self.own), {"mu": 1.0} if self.config.get("use_dynamic_shifting") else {}
        given = {name: value for name, value in arguments.items() if name in taken and value is not None}
        own.set_timesteps(**{**usual, **given})
        return self._family.as_called(own, landing, {**usual, **given})

    def _write(self, landing: Landing, lead: int, device: Any) -> None:
        """Put the tables in place, with one entry for each network call."""
        calls = [step.node for step in self._plan]
        told = network_times(self.own.timesteps, landing.timesteps[[*range(lead), *(lead + node for node in calls)]])
        self.timesteps = told.to(device)
        self._told = network_times(self.own.timesteps, landing.timesteps[lead:]).tolist()
        # A landing holds sigmas for flow models only; for others they are computed here. No step begins at a leading
        # node, so it is left out.
        flow = self.schedule.path.name == "flow"
        sigmas = landing.levels[lead:] if flow else sigma_of_lambda(self.schedule.levels)
        self.sigmas = torch.tensor(sigmas[[*calls[:1] * lead, *calls, -1]], dtype=torch.float32).to(device)

    def _level_of_call(self, call: int) -> Level:
        """The level of the state that the network sees at a call; after the last call, the terminal."""
        return self._levels[self._plan[call].node if call < len(self._plan) else -1]

    def _level_at(self, timestep: Any) -> Level:
        """The level of the node with this timestep."""
        told = float(np.float32(float(timestep)))
        if told not in self._told:
            problem = f"was asked for timestep {told:g}, which is no node of its schedule"
            raise HostError(PLANNED, f"{problem}; take the timesteps of the scheduler")
        return self._levels[self._told.index(told)]


def _public(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a configuration without those that diffusers keeps for itself."""
    return {name: value for name, value in config.items() if not name.startswith("_")}


def _described(solver: Solver) -> dict[str, Any]:
    """The solver as a field of a configuration."""
    return {"name": solver.name, "settings": settings_of(solver)}


def _solver_of(described: Any) -> Solver:
    """The solver that a field of a configuration describes."""
    name, settings = (described.get(key) for key in ("name", "settings")) if isinstance(described, Mapping) else (0, 0)
    if not isinstance(name, str) or not isinstance(settings, Mapping):
        raise ArgumentError("solver", 'a name and settings, such as {"name": "unipc", "settings": {}}', described)
    return restored(name, settings)


def _deterministic(solver: Solver, levels: tuple[Level, ...]) -> tuple[StepPlan, ...]:
    """The plan of a solver in Python floats.

    Raises:
        ArgumentError: If the solver adds noise.
    """
    plan = tuple(solver.steps(levels))
    if any(step.update.noise for step in plan):
        raise ArgumentError("solver", "a deterministic solver", label_of(solver), f"{PLANNED} adds no noise")
    return tuple(StepPlan(step.node, step.anchor and _floats(step.anchor), _floats(step.update)) for step in plan)


def _floats(made: Combination) -> Combination:
    return Combination(float(made.state), tuple(map(float, made.outputs)))


def _own_scheduler(name: str, settings: Mapping[str, Any]) -> Any:
    """A scheduler of diffusers with this configuration.

    Raises:
        ArgumentError: If its noise schedule cannot be read.
        HostError: If diffusers refuses it.
    """
    read_mapping({**_public(settings), STANDS_FOR: name})
    try:
        return getattr(diffusers, name).from_config(_public(settings))
    except COMPLAINTS as error:
        problem = f"cannot be made from its configuration: {' '.join(str(error).split())[:LONGEST]}"
        raise HostError(name, problem) from None


def _mean(output: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """The network's output without a learned variance, which some networks return in as many channels more."""
    channels = sample.shape[1]
    return output[:, :channels] if output.shape[1] == 2 * channels else output
