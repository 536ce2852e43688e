r"""The sampling schedule: the nodes we choose, and the terminal.

A *node* is a :math:`\lambda` at which the network is evaluated; there are NFE of them. The *terminal* is where the last
step lands: a finite :math:`\lambda` (at t_min, as published for UniPC) or infinity (the clean sample, as DDIM and
diffusers' default do). *Knots* are the nodes and the terminal where it is finite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hso.errors import ArgumentError, check_choice, check_integer
from hso.noise import NoiseSchedule
from hso.noise.base import Array

CLEAN, T_MIN = "clean", "t_min"
TERMINALS = (CLEAN, T_MIN)
MAX_TRAIN_STEPS = 100_000


def check_terminal(terminal: object) -> str:
    """Return ``terminal`` if it is "clean" or "t_min", or raise ArgumentError."""
    return check_choice("terminal", terminal, TERMINALS)


@dataclass(frozen=True, eq=False, repr=False)
class SamplingSchedule:
    r"""N nodes and a terminal, immutable and validated.

    Make one with :func:`hso.optimize`, :func:`hso.rules.rule_schedule`, :meth:`from_times`, :meth:`from_timesteps` or
    :meth:`load`.

    Attributes:
        lambdas: :math:`\lambda` of the nodes, shape (N,), strictly increasing.
        times: t of the nodes in [0, 1], shape (N,), strictly decreasing.
        terminal: :math:`\lambda` where the last step lands; ``inf`` is the clean sample.
        terminal_time: t of the terminal; 0 if clean.
        train_steps: Training timesteps of the model, None if it has none.
        noise_name: Name of the noise schedule it was made for.
        noise_fingerprint: Fingerprint of that noise schedule.
        provenance: How it was made: strategy, options, seed, package version.
        network_timesteps: What the network is told at the nodes, not rounded, shape (N,): training indices t N_train - 1
            unless the model's family says otherwise (N_train sigma for rectified flow, log(sigma) / 4 for EDM); t
            itself where the model has no training timesteps and the family says nothing.

    Example:
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> schedule = SamplingSchedule.from_timesteps(noise, [999, 749, 499, 249])
        >>> schedule
        SamplingSchedule(nfe=4, timesteps=[999, 749, 499, 249], terminal=clean)
        >>> schedule.sigmas.round(3).tolist()
        [14.615, 4.082, 1.613, 0.693]
    """

    lambdas: Array
    times: Array
    terminal: float
    terminal_time: float
    train_steps: int | None
    noise_name: str
    noise_fingerprint: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    # Empty stands for the rule of most models, by which they follow from the times.
    network_timesteps: Array = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        lambdas = _frozen_vector("lambdas", self.lambdas)
        times = _frozen_vector("times", self.times)
        if self.train_steps is not None:
            check_integer("train_steps", self.train_steps, 1, MAX_TRAIN_STEPS)
        if len(lambdas) != len(times):
            raise ArgumentError("times", f"{len(lambdas)} values, one for each lambda", times)
        if not np.all(np.diff(lambdas) > 0):
            raise ArgumentError("lambdas", "strictly increasing values", lambdas, "noise falls while sampling")
        if not (np.all(np.diff(times) < 0) and times[-1] >= 0 and times[0] <= 1):
            raise ArgumentError("times", "strictly decreasing values in [0, 1]", times)
        if not self.terminal > lambdas[-1]:
            raise ArgumentError("terminal", f"a lambda above the last node's {lambdas[-1]:.6g}", self.terminal)
        if not 0 <= self.terminal_time < times[-1]:
            raise ArgumentError("terminal_time", f"a time in [0, {times[-1]:.6g})", self.terminal_time)
        object.__setattr__(self, "lambdas", lambdas)
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "network_timesteps", self._network_timesteps(times))
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))

    def _network_timesteps(self, times: Array) -> Array:
        given = np.asarray(self.network_timesteps)
        if given.size == 0:
            given = times if self.train_steps is None else times * self.train_steps - 1
        timesteps = _frozen_vector("network_timesteps", given)
        if len(timesteps) != len(times):
            raise ArgumentError("network_timesteps", f"{len(times)} values, one for each node", timesteps)
        steps = np.diff(timesteps)
        if not (np.all(steps < 0) or np.all(steps > 0)):
            raise ArgumentError("network_timesteps", "strictly decreasing or strictly increasing values", timesteps)
        return timesteps

    @classmethod
    def from_knots(
        cls, noise: NoiseSchedule, knots: ArrayLike, terminal: str, provenance: Mapping[str, Any] | None = None
    ) -> SamplingSchedule:
        r"""From :math:`\lambda` of the knots; with terminal "t_min" the last of them is the terminal."""
        values = _frozen_vector("knots", knots)
        times = noise.time(values)
        clean = check_terminal(terminal) == CLEAN
        count = len(values) if clean else len(values) - 1
        return cls(
            lambdas=values[:count],
            times=times[:count],
            terminal=math.inf if clean else float(values[-1]),
            terminal_time=0.0 if clean else float(times[-1]),
            train_steps=noise.train_steps,
            noise_name=noise.name,
            noise_fingerprint=noise.fingerprint,
            provenance=provenance or {},
            network_timesteps=noise.timestep_of_time(times[:count]),
        )

    @classmethod
    def from_times(cls, noise: NoiseSchedule, times: ArrayLike, terminal_time: float = 0.0) -> SamplingSchedule:
        """From t of the nodes, decreasing; a ``terminal_time`` of 0 is the clean sample."""
        clean = terminal_time == 0
        knots = _frozen_vector("times", times)
        knots = knots if clean else np.append(knots, terminal_time)
        return cls.from_knots(noise, noise.lambda_(knots), CLEAN if clean else T_MIN)

    @classmethod
    def from_timesteps(cls, noise: NoiseSchedule, timesteps: ArrayLike) -> SamplingSchedule:
        """From what the network is told at the nodes, fractional values included; ends in the clean sample."""
        return cls.from_times(noise, noise.time_of_timestep(_frozen_vector("timesteps", timesteps)))

    @property
    def nfe(self) -> int:
        """Number of nodes, which is the number of network evaluations."""
        return len(self.lambdas)

    @property
    def sigmas(self) -> Array:
        r""":math:`\tilde\sigma = \sigma / \alpha` of the nodes, shape (N,), without a trailing zero."""
        return np.exp(-self.lambdas)

    @property
    def ends_clean(self) -> bool:
        """Whether the last step lands on the clean sample."""
        return math.isinf(self.terminal)

    @property
    def fractional_timesteps(self) -> Array:
        """``network_timesteps`` of a model that counts its training timesteps. Shape (N,).

        Raises:
            ArgumentError: If the model has no training timesteps.
        """
        if self.train_steps is None:
            raise ArgumentError("timesteps", "a model with training timesteps", self.noise_name, "use times or sigmas")
        return self.network_timesteps

    @property
    def timesteps(self) -> NDArray[np.int64]:
        """Nearest whole timesteps, int64, shape (N,), strictly decreasing: training indices from 0 to N_train - 1.

        For rectified flow they are N_train sigma, up to N_train (and increase where the network is told the reverse).
        Where two nodes round to one timestep, the smaller moves down, and up again from 0 if there is no room.

        Raises:
            ArgumentError: If the model has no training timesteps, or fewer than nodes.
        """
        if self.train_steps is not None and self.nfe > self.train_steps:
            raise ArgumentError("timesteps", f"at most {self.train_steps} nodes, to be distinct", self.nfe)
        told = self.fractional_timesteps
        return _distinct(told) if told[0] >= told[-1] else _distinct(told[::-1])[::-1]

    def save(self, path: str | Path) -> None:
        """Write JSON; the file appears whole or not at all.

        Raises:
            FileError: If the file cannot be written.
        """
        from hso.schedule_file import save

        save(self, path)

    @staticmethod
    def load(path: str | Path) -> SamplingSchedule:
        """Read what :meth:`save` wrote.

        Raises:
            FileError: If the file is missing, malformed or of another version; the field is named.
        """
        from hso.schedule_file import load

        return load(path)

    def __eq__(self, other: object) -> bool:
        """Same nodes, same terminal, same noise schedule; how it was found does not count."""
        if not isinstance(other, SamplingSchedule):
            return NotImplemented
        return (
            np.array_equal(self.lambdas, other.lambdas)
            and np.array_equal(self.times, other.times)
            and self.terminal == other.terminal
            and self.noise_fingerprint == other.noise_fingerprint
        )

    def __hash__(self) -> int:
        return hash((self.lambdas.tobytes(), self.terminal, self.noise_fingerprint))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made and checked anew, since a read-only mapping is neither copied nor pickled."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return partial(SamplingSchedule, **{**values, "provenance": dict(self.provenance)}), ()

    def __repr__(self) -> str:
        end = "clean" if self.ends_clean else f"t={self.terminal_time:.4g}"
        if self.train_steps is None:
            return f"SamplingSchedule(nfe={self.nfe}, times={self.times.round(4).tolist()}, terminal={end})"
        return f"SamplingSchedule(nfe={self.nfe}, timesteps={self.timesteps.tolist()}, terminal={end})"


def _distinct(decreasing: Array) -> NDArray[np.int64]:
    rank = np.arange(len(decreasing))
    nearest = np.clip(np.round(decreasing), 0, None).astype(np.int64)
    return np.maximum(np.minimum.accumulate(nearest + rank), rank[-1]) - rank


def _frozen_vector(name: str, values: ArrayLike) -> Array:
    expected = "a vector of at least one finite number"
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(name, expected, values) from None
    if array.ndim != 1 or len(array) == 0 or not np.all(np.isfinite(array)):
        raise ArgumentError(name, expected, values)
    array.flags.writeable = False
    return array
