r"""What a host is: a program that samples, and how a sampling schedule reaches it.

A host takes noise levels as timesteps or as sigmas. What "sigma" means depends on the model's path:

.. math::
    \tilde\sigma = e^{-\lambda} \;\text{(variance preserving, EDM)}, \qquad
    \sigma_{flow} = \frac{1}{1 + e^{\lambda}} \in [0, 1] \;\text{(flow models)}

A host says what it takes (:class:`Takes`), writes a schedule as text and reads it back, and names the settings that
:mod:`hso.hosts.lint` has to look at. Nothing here needs torch or the host itself. The schedulers of diffusers can also be
made to use a schedule in place; how is said in :mod:`hso.hosts.diffusers.family`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hso.errors import ArgumentError
from hso.hosts.pasted import from_levels, is_flow, numbers
from hso.noise import NoiseSchedule
from hso.noise.levels import flow_sigma_of_lambda, sigma_of_lambda
from hso.schedule import SamplingSchedule
from hso.solvers import Solver

TIMESTEPS, SIGMAS = "timesteps", "sigmas"
KINDS = (TIMESTEPS, SIGMAS)
WHOLE, FRACTIONAL = "whole", "fractional"
WITH_ZERO, WITHOUT_ZERO, RAMP = "with zero", "without zero", "ramp"
ATTACH = "attach the schedule with hso.hosts.diffusers.attach"


@dataclass(frozen=True)
class Takes:
    """What a host takes.

    Attributes:
        timesteps: "whole" or "fractional"; None if the host takes no timesteps.
        sigmas: "with zero" (N + 1 values; the last says where the sample lands, 0 for the clean sample), "without zero" (N
            values; the host itself appends the 0), "ramp" (values from 1 to 0 that are no noise levels), or None.
        shift: Name of the setting by which the host shifts the sigmas that it is given; empty if it uses them as they are.
        before_shift: Whether the values are times t of the noise schedule, in [0, 1] as sigmas or times 1000 as timesteps,
            because the host applies the model's shift to what it is given.
        snaps: Whether the network is told the nearest whole timestep of a sigma.
        least: Fewest values that the host takes.
    """

    timesteps: str | None = None
    sigmas: str | None = None
    shift: str = ""
    before_shift: bool = False
    snaps: bool = False
    least: int = 1


class Host(ABC):
    """A program that samples. A new one is one file in this folder and one line in ``hso.hosts.HOSTS``.

    Attributes:
        name: What ``--host``, ``--to`` and ``--from`` take.
        for_flow_only: Whether it runs flow models only.
        only_ends_clean: Whether the last step always lands on the clean sample.
        advice: What to do with a host that takes neither timesteps nor sigmas.
        lands: What the host does with the numbers, for docs/hosts.md: "exactly", "rounded to ..." or "refused: ...".
        version_read: The release or revision whose source says so.
        version_run: The release with which it was run; empty if it was not.
    """

    name: str = ""
    for_flow_only: bool = False
    only_ends_clean: bool = False
    advice: str = ATTACH
    lands: str = ""
    version_read: str = ""
    version_run: str = ""

    @abstractmethod
    def takes(self, flow: bool) -> Takes:
        """What it takes, for a flow model or for another model."""

    def solver(self, config: Mapping[str, Any]) -> Solver | None:
        """The solver that it runs with these settings, if it runs only one."""
        return None

    def write(self, schedule: SamplingSchedule) -> str:
        """The text to paste.

        Raises:
            ArgumentError: If the host cannot be told this schedule.
        """
        takes, kind = self.takes(is_flow(schedule)), self.kind_for(schedule)
        if getattr(takes, kind) in (None, RAMP):
            raise ArgumentError("to", "a host that takes timesteps or sigmas", self.name, self.advice)
        return f"{kind}={self.values(schedule, kind)}"

    def read(self, text: str, noise: NoiseSchedule) -> SamplingSchedule:
        """The schedule that a text stands for, for a model with this noise schedule.

        Raises:
            ArgumentError: If the text holds no schedule for this model.
        """
        values = numbers(text)
        takes = self.takes(is_flow(noise))
        named = [kind for kind in KINDS if kind in text]
        if named and not any(getattr(takes, kind) for kind in named):
            raise ArgumentError("values", f"what {self.name} takes", text)
        kind = named[0] if named else self.guess_kind(values)
        if takes.before_shift:
            unit = noise.require_train_steps() if kind == TIMESTEPS else 1
            return SamplingSchedule.from_times(noise, [value / unit for value in values])
        if kind == TIMESTEPS:
            return SamplingSchedule.from_timesteps(noise, values)
        appends_zero = takes.sigmas == WITHOUT_ZERO and values[-1] != 0
        return from_levels([*values, 0.0] if appends_zero else values, noise)

    def values(self, schedule: SamplingSchedule, kind: str) -> list[float]:
        """Timesteps or sigmas of the schedule, as this host takes them.

        Raises:
            ArgumentError: If the host cannot be told where the schedule ends.
        """
        if problem := self.objection(schedule, kind):
            remedy = "end it clean with end_clean (--end-clean), or optimize with terminal clean"
            expected = "a host that can be told where the last step lands"
            raise ArgumentError("to", expected, self.name, f"{problem}; {remedy}")
        takes = self.takes(is_flow(schedule))
        if schedule.nfe < takes.least:
            raise ArgumentError(
                "to", f"a schedule with at least {takes.least} nodes", schedule, f"{self.name} needs them"
            )
        if takes.before_shift:
            return before_shift(schedule, kind)
        if kind == TIMESTEPS:
            whole = takes.timesteps != FRACTIONAL
            return schedule.timesteps.tolist() if whole else schedule.fractional_timesteps.tolist()
        found = levels(schedule)
        return found[:-1] if takes.sigmas == WITHOUT_ZERO else found

    def objection(self, schedule: SamplingSchedule, kind: str) -> str:
        """Why the host cannot be told where this schedule ends; empty if it can."""
        told_the_end = kind == SIGMAS and self.takes(is_flow(schedule)).sigmas != WITHOUT_ZERO
        if schedule.ends_clean or (told_the_end and not self.only_ends_clean):
            return ""
        return f"the schedule ends at t_min = {schedule.terminal_time:.4g}, and {self.name} ends at the clean sample"

    def kind_for(self, schedule: SamplingSchedule) -> str:
        """What to pass it for this schedule: timesteps if it takes only those, else sigmas."""
        takes = self.takes(is_flow(schedule))
        return TIMESTEPS if takes.sigmas is None and takes.timesteps else SIGMAS

    def guess_kind(self, values: Sequence[float]) -> str:
        """Timesteps or sigmas: what the host takes if that is one thing; otherwise whole numbers are timesteps."""
        takes = self.takes(self.for_flow_only)
        if takes.timesteps is None and takes.sigmas is not None:
            return SIGMAS
        if takes.sigmas is None and takes.timesteps is not None:
            return TIMESTEPS
        whole = all(value == int(value) for value in values if math.isfinite(value))
        return TIMESTEPS if whole and max(values) > 1 else SIGMAS


def levels(schedule: SamplingSchedule) -> list[float]:
    """Sigmas of the N nodes and of the terminal, as hosts mean them: flow sigmas for flow models, sigma~ for others.

    The last of the N + 1 values is 0 if the schedule ends clean.
    """
    found: list[float] = (flow_sigma_of_lambda if is_flow(schedule) else sigma_of_lambda)(schedule.levels).tolist()
    return found


def before_shift(schedule: SamplingSchedule, kind: str) -> list[float]:
    """Times of the nodes, for a host that applies the model's shift itself; as timesteps they are whole.

    Raises:
        ArgumentError: If two nodes have the same whole timestep.
    """
    if kind == SIGMAS:
        times: list[float] = schedule.times.tolist()
        return times
    whole: list[float] = np.round(schedule.times * (schedule.train_steps or 1)).astype(int).tolist()
    if len(set(whole)) < len(whole) or whole[-1] < 1:
        raise ArgumentError("to", "nodes that are different whole timesteps before the shift", whole)
    return whole
