r"""Clocks: the strictly decreasing map :math:`t \mapsto \lambda(t)` on [0, 1], where t = 1 is noise.

A clock also knows what the model was trained with: how many training timesteps there were, and what the network is told
of the noise level. Training index n sits at :math:`t_n = (n + 1) / N`.

References:
    | Variational Diffusion Models (Kingma et al., 2021)
    | https://arxiv.org/abs/2107.00630
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from hso.errors import ArgumentError
from hso.noise.base import Array


@dataclass(frozen=True)
class Told(ABC):
    """What the network is told of the noise level at a time. Subclasses are frozen dataclasses without fields."""

    @abstractmethod
    def timestep(self, t: Array, clock: Clock) -> Array:
        """What the network is told at time t."""

    @abstractmethod
    def time(self, timestep: Array, clock: Clock) -> Array:
        """The time at which the network is told this; the inverse of :meth:`timestep`."""


@dataclass(frozen=True)
class TrainingIndex(Told):
    """The network is told the training index t N - 1, or t itself if there are no training timesteps."""

    def timestep(self, t: Array, clock: Clock) -> Array:
        return t if clock.train_steps is None else t * clock.train_steps - 1

    def time(self, timestep: Array, clock: Clock) -> Array:
        return timestep if clock.train_steps is None else (timestep + 1) / clock.train_steps


TRAINING_INDEX = TrainingIndex()


class Clock(ABC):
    r"""The map :math:`\lambda(t)` of a family of models.

    Attributes:
        train_steps: Number of training timesteps; None if the model takes a continuous noise level only.
        told: What the network is told of the noise level.
    """

    train_steps: int | None = None
    told: Told = TRAINING_INDEX

    @property
    @abstractmethod
    def t_range(self) -> tuple[float, float]:
        r"""The smallest and the largest t that can be a node. :math:`\lambda` is finite at both and between them."""

    @abstractmethod
    def _lambda(self, t: Array) -> Array:
        r""":math:`\lambda(t)` for t in [0, 1]."""

    @abstractmethod
    def _time(self, lambda_: Array) -> Array:
        r"""The inverse of :meth:`_lambda`; values beyond the ends are mapped to the ends of [0, 1]."""

    @abstractmethod
    def definition(self) -> bytes:
        """The numbers that define this clock, as bytes. The fingerprint of the noise schedule is made from them."""

    def lambda_(self, t: ArrayLike) -> Array:
        r""":math:`\lambda(t) = \log(\alpha_t / \sigma_t)`, half the log signal-to-noise ratio.

        Raises:
            ArgumentError: If a time is not in [0, 1].
        """
        t = np.asarray(t, dtype=np.float64)
        if not np.all((t >= 0) & (t <= 1)):
            raise ArgumentError("t", "times in [0, 1], where 1 is noise", t, "a training index? see time_of_index")
        return self._lambda(t)

    def time(self, lambda_: ArrayLike) -> Array:
        r"""The t with :math:`\lambda(t)` = ``lambda_``; values beyond the ends are mapped to the ends of [0, 1]."""
        return self._time(np.asarray(lambda_, dtype=np.float64))

    def timestep_of_time(self, t: ArrayLike) -> Array:
        """What the network is told at a time."""
        return self.told.timestep(np.asarray(t, dtype=np.float64), self)

    def time_of_timestep(self, timestep: ArrayLike) -> Array:
        """The time at which the network is told this; the inverse of :meth:`timestep_of_time`."""
        return self.told.time(np.asarray(timestep, dtype=np.float64), self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(train_steps={self.train_steps})"
