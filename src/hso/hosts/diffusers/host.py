"""What a family of schedulers must say of itself so that a schedule can be landed on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hso.noise.base import Array
from hso.schedule import CLEAN, T_MIN, SamplingSchedule

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


class Host(ABC):
    """One family of schedulers. A new one is a subclass in its own file and a line in the registry.

    Attributes:
        solver: The name in ``hso.optimize`` that comes closest to the family's method.
        wrapped: Methods and properties of the scheduler, besides ``set_timesteps``, that the method of this class with the
            same name stands in for; its first argument is the :class:`Call`.
    """

    solver: str = "unipc"
    wrapped: tuple[str, ...] = ()

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

    def takes_values(self, config: Config) -> bool:
        """Whether pipelines pass ``timesteps=`` or ``sigmas=`` of their own accord, so that these mean nothing."""
        return False


def replaced(old: torch.Tensor, values: Array, dtype: torch.dtype) -> torch.Tensor:
    """``values`` on the device of the tensor that they replace."""
    return torch.tensor(np.array(values), dtype=dtype).to(old.device)


def network_times(old: torch.Tensor, values: Array) -> torch.Tensor:
    """Timesteps for the network, float32; integers stay integers where the scheduler's own were."""
    single = values.astype(np.float32)
    whole = not old.is_floating_point() and bool(np.all(single == np.round(single)))
    return replaced(old, single, old.dtype if whole else torch.float32)


def level_dtype() -> torch.dtype:
    """float64, so that a float64 sample keeps its precision, unless the machine has a device that lacks it."""
    return torch.float32 if torch.backends.mps.is_available() else torch.float64


def numbers(tensor: torch.Tensor) -> Array:
    """A tensor as a float64 array."""
    return np.asarray(tensor.detach().cpu().double().numpy())
