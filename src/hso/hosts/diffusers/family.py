"""What a family of diffusers' schedulers says of itself, so that a schedule can be landed on a live scheduler.

*To land* a schedule is to make a scheduler hold exactly its nodes. A family says what a scheduler must hold (a
:class:`Landing`, plain NumPy), writes it into a live scheduler and reads it back. torch is imported only there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hso.hosts.base import Takes
from hso.noise.base import Array
from hso.schedule import CLEAN, T_MIN, SamplingSchedule
from hso.solvers import Solver

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Landing:
    """What a scheduler must hold, in its own units.

    Attributes:
        timesteps: What the network is told at each node, shape (N,).
        levels: The noise levels that the steps go through, the terminal's last, shape (N + 1,).
    """

    timesteps: Array
    levels: Array


@dataclass(frozen=True)
class Call:
    """A call of a wrapped method: on which scheduler, with which landing, and the scheduler's own method."""

    scheduler: Any
    landing: Landing
    original: Callable[..., Any]


class SchedulerFamily(ABC):
    """One family of schedulers. A new one is a subclass in its own file and a line in the registry.

    Attributes:
        for_flow_only: Whether its schedulers run flow models only.
        divides_by_alpha: Whether the samples of its schedulers are x / alpha instead of x where x preserves the variance.
        wrapped: Methods and properties of the scheduler, besides ``set_timesteps``, that the method of this class with the
            same name stands in for; its first argument is the :class:`Call`.
    """

    for_flow_only: bool = False
    divides_by_alpha: bool = False
    wrapped: tuple[str, ...] = ()

    def takes(self, flow: bool) -> Takes:
        """What ``set_timesteps`` of its schedulers takes, for a flow model or for another model."""
        return Takes()

    @abstractmethod
    def solver(self, config: Config) -> Solver:
        """The solver of this library that a scheduler with this configuration is, or the nearest one."""

    def exact(self, config: Config) -> bool:
        """Whether a scheduler with this configuration takes exactly the steps of :meth:`solver`, as far as it is tested."""
        return False

    @abstractmethod
    def landing(self, config: Config, schedule: SamplingSchedule) -> Landing:
        """The schedule in the units of a scheduler with this configuration."""

    @abstractmethod
    def write(self, scheduler: Any, landing: Landing) -> None:
        """Put the landing into a scheduler whose own ``set_timesteps`` has just run."""

    @abstractmethod
    def read(self, scheduler: Any, landing: Landing) -> Landing:
        """What the scheduler holds now; ``landing`` is what it should hold."""

    def terminal(self, config: Config) -> str:
        """Where the scheduler's own last step lands: "clean" or "t_min"."""
        return T_MIN if config.get("final_sigmas_type") == "sigma_min" else CLEAN

    def objection(self, config: Config, schedule: SamplingSchedule) -> str:
        """Why this configuration cannot take the schedule; empty if it can."""
        return ""

    def settings(self, config: Config, schedule: SamplingSchedule) -> dict[str, Any]:
        """Fields of the configuration to change while attached, because ``step`` reads them and they would disagree."""
        return {}

    def as_called(self, scheduler: Any, landing: Landing, arguments: Mapping[str, Any]) -> Landing:
        """The landing for one call of ``set_timesteps``, whose arguments may change what the network is told.

        Args:
            scheduler: The scheduler, whose own ``set_timesteps`` has just run with the arguments.
            landing: What it would hold otherwise.
            arguments: The arguments.

        Raises:
            HostError: If the arguments ask for something that the schedule cannot have.
        """
        return landing

    def takes_values(self, config: Config) -> bool:
        """Whether pipelines pass ``timesteps=`` or ``sigmas=`` of their own accord, so that these mean nothing."""
        return False
