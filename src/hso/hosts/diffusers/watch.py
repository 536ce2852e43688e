r"""Whether a run goes through the nodes of its schedule: from the first, in order, each once.

A scheduler cannot see what a pipeline leaves out. Image-to-image with strength s runs the last steps only, a pipeline made
with ``from_pipe`` shares the scheduler of another, and a loop may begin anywhere. But every step says its timestep. So each
is compared with the node that is next, and the first that is another one is refused. A run that stops early is noticed
when the next one begins, by a warning: it may have been stopped on purpose.

For a schedule that begins part-way, what is noised before the first step is watched too: in a pipeline an image must have
been noised to the first node, and to no other.
"""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from hso.errors import HostError

# The methods that are watched, with the name of their timesteps.
STEP = "step"
WATCHED = {STEP: "timestep", "add_noise": "timesteps", "scale_noise": "timestep"}
# Key of the run in the scheduler's attributes.
RUN = "_hso_run"
PASS_ARGUMENTS = "pass the pipeline what call_arguments(pipeline, schedule) returns"
MAKE_PART_WAY = (
    "to begin part-way, make the schedule with constraints=hso.Constraints(start=strength); "
    f"for image-to-image, {PASS_ARGUMENTS}"
)


@dataclass(frozen=True)
class Run:
    """One run through the nodes, as far as it has come.

    It is replaced and never changed, so a copy of a scheduler goes its own way.

    Attributes:
        told: Timesteps of the steps to come, in order, float32.
        done: Number of steps taken.
        part_way: Whether the schedule begins part-way.
        needs_image: Whether an image must be noised to the first node before the first step.
    """

    told: tuple[float, ...]
    part_way: bool
    needs_image: bool
    done: int = 0

    def noised(self, host: str, timesteps: tuple[float, ...]) -> Run:
        """The run after a sample was noised to these timesteps."""
        if self.done or not self.part_way:
            return self
        if wrong := [t for t in timesteps if t != self.told[0]]:
            raise HostError(host, self._begins_elsewhere(wrong[0]))
        return dataclasses.replace(self, needs_image=False)

    def stepped(self, host: str, timestep: float, repeats: bool) -> Run:
        """The run after a step from this timestep.

        Args:
            host: Name of the scheduler.
            timestep: The timestep.
            repeats: Whether the scheduler may step from one node several times, and begin again.

        Raises:
            HostError: If the step is not the next one.
        """
        if repeats and self.done and timestep in (self.told[0], self.told[self.done - 1]):
            return dataclasses.replace(self, done=self.done if timestep == self.told[self.done - 1] else 1)
        if self.done == len(self.told):
            problem = f"all {self.done} steps of the attached schedule were taken"
            raise HostError(host, f"{problem}; call set_timesteps before the next run")
        if timestep != self.told[self.done]:
            raise HostError(host, self._out_of_order(timestep) if self.done else self._begins_elsewhere(timestep))
        if self.needs_image:
            raise HostError(host, f"{self._begins()}, but no image was noised to it; {PASS_ARGUMENTS}")
        return dataclasses.replace(self, done=self.done + 1)

    def _begins(self) -> str:
        return f"the attached schedule begins {'part-way ' if self.part_way else ''}at timestep {self.told[0]:g}"

    def _begins_elsewhere(self, timestep: float) -> str:
        remedy = PASS_ARGUMENTS if self.part_way else MAKE_PART_WAY
        return f"{self._begins()}, and this run at {timestep:g}; {remedy}"

    def _out_of_order(self, timestep: float) -> str:
        wanted = f"step {self.done + 1} of the attached schedule is at timestep {self.told[self.done]:g}"
        return f"{wanted}, and this run is at {timestep:g}; run its nodes in order, each once"


def begin(scheduler: Any, told: Any, part_way: bool, needs_image: bool) -> None:
    """Note that a run through these timesteps begins."""
    last: Run | None = vars(scheduler).get(RUN)
    if last and 0 < last.done < len(last.told):
        text = f"the last run of the attached schedule stopped after {last.done} of {len(last.told)} steps"
        warnings.warn(f"{type(scheduler).__name__}: {text}", UserWarning, stacklevel=4)
    vars(scheduler)[RUN] = Run(_singles(told), part_way, needs_image)


def called(scheduler: Any, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Note that a method is called.

    Args:
        scheduler: The scheduler.
        name: Name of the method, one of ``WATCHED``.
        arguments: Its positional arguments.
        keywords: The others.

    Raises:
        HostError: If the run leaves the schedule.
    """
    run, host = vars(scheduler)[RUN], type(scheduler).__name__
    # Not by its place: CogVideoX's step has the timestep at another one.
    given = inspect.signature(getattr(scheduler, name)).bind(*arguments, **keywords).arguments[WATCHED[name]]
    timesteps = _singles(given.tolist() if hasattr(given, "tolist") else given)
    if name == STEP:
        # Schedulers that count their steps move on with each; the others know where they are by the timestep alone.
        vars(scheduler)[RUN] = run.stepped(host, timesteps[0], repeats=not hasattr(scheduler, "step_index"))
    else:
        vars(scheduler)[RUN] = run.noised(host, timesteps)


def _singles(values: Any) -> tuple[float, ...]:
    """Numbers as the scheduler holds them, in float32."""
    return tuple(np.asarray(values, dtype=np.float32).reshape(-1).tolist())
