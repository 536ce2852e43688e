"""What a contestant of a comparison is, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from hso.errors import HSOError
from hso.models.images import Images
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.solvers import DDIM, Solver
from hso.team import Team
from hso.tuning.panel import Features

Found = TypeVar("Found")


@dataclass(frozen=True)
class ScheduleTask:
    """What a contestant gives a schedule for.

    Attributes:
        noise: The model's noise schedule.
        nfe: Number of network calls.
        terminal: "clean" or "t_min".
        teacher: The subject's own network; None if it cannot be called by itself.
        solver: The solver that will sample with the schedule.
        images: Gives the network and the states of so many images from a number on; None if the network cannot be called.
        prediction: What the network predicts.
        features: In what schedules are judged, as a function of clean states; None if states are not images.
        team: The processes that share what contestants run; all of them ask for the same in the same order.
        memory: What contestants have found for other tasks of the same plan; use :meth:`once`.
    """

    noise: NoiseSchedule
    nfe: int
    terminal: str = CLEAN
    teacher: Teacher | None = None
    solver: Solver = field(default_factory=DDIM)
    images: Callable[[int, int], Images] | None = None
    prediction: str = "epsilon"
    features: Features | None = None
    team: Team = field(default_factory=Team)
    memory: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def nodes(self) -> int:
        """Number of nodes with which the solver makes exactly ``nfe`` calls.

        Raises:
            ArgumentError: If there is no such number.
        """
        return self.solver.nodes(self.nfe)

    def once(self, key: object, make: Callable[[], Found]) -> Found:
        """What ``make`` returned when a task of this plan first asked for ``key``."""
        if key not in self.memory:
            self.memory[key] = make()
        found: Found = self.memory[key]
        return found


class Prepared(NamedTuple):
    """A schedule, and the number of network calls that it took to find it, where an image counts as one call."""

    schedule: SamplingSchedule
    calls: int


Contestant = Callable[[ScheduleTask], SamplingSchedule | Prepared]


class NotServedError(HSOError):
    """A contestant has no schedule for this task."""
