r"""The sampling schedule: the nodes we choose, and the terminal.

A *node* is a :math:`\lambda` at which the network is evaluated; there are N of them. The *terminal* is where the last step
lands: a finite :math:`\lambda` (at t_min, as published for UniPC) or infinity (the clean sample, as DDIM and diffusers'
default do). *Knots* are the nodes, and the terminal if it is finite.

A sampling schedule knows the path of its noise schedule and where its run begins, so it needs no other object to say what
its noise levels are in any of the usual units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hso.errors import LONGEST, ArgumentError, FileError, brief, check_choice, check_integer, check_real
from hso.noise import NoiseSchedule, Path
from hso.noise.base import MAX_TRAIN_STEPS, MOST_LAMBDA, Array
from hso.noise.levels import flow_sigma_of_lambda, sigma_of_lambda
from hso.noise.path import path_from_record

if TYPE_CHECKING:
    from hso.schedule_file import ScheduleRecord

CLEAN, T_MIN = "clean", "t_min"
TERMINALS = (CLEAN, T_MIN)
# The first node may differ from the start by this much in t: far above rounding, far below what a sample could show.
START_TOLERANCE = 1e-6
EDITED = "was the file edited?"


def check_terminal(terminal: object) -> str:
    """Return ``terminal`` if it is "clean" or "t_min", or raise ArgumentError."""
    return check_choice("terminal", terminal, TERMINALS)


@dataclass(frozen=True, eq=False, repr=False)
class SamplingSchedule:
    r"""N nodes and a terminal, immutable and validated.

    Make one with :func:`hso.optimize`, :func:`hso.rules.rule_schedule`, :meth:`from_times`, :meth:`from_timesteps` or
    :meth:`load`. Two schedules are equal if nodes, told times, terminal, noise schedule and start are equal.

    Attributes:
        lambdas: :math:`\lambda` of the nodes, shape (N,), strictly increasing.
        times: t of the nodes in [0, 1], shape (N,), strictly decreasing.
        network_timesteps: What the network is told at the nodes, not rounded, shape (N,): for most models the training
            index t N_train - 1, or t if they have no training timesteps; N_train sigma for rectified flow, and
            log(sigma) / 4 for EDM.
        terminal: :math:`\lambda` where the last step lands; ``inf`` is the clean sample.
        terminal_time: t of the terminal; 0 if clean.
        path: The path of the noise schedule it was made for.
        train_steps: Training timesteps of the model, None if it has none.
        noise_name: Name of the noise schedule it was made for.
        noise_fingerprint: Fingerprint of that noise schedule.
        start: Time t at which a run begins part-way, which is the time of the first node; None for a whole run.
        told_times: Times that the network is told in place of those of the nodes, shape (N,); None if it is told their own.
        provenance: How it was made: strategy, options, seed, package version. It is for readers. The nodes do not depend on
            it; :func:`hso.solvers.made_for` reads there which solver they are for.

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
    network_timesteps: Array
    terminal: float
    terminal_time: float
    path: Path
    train_steps: int | None
    noise_name: str
    noise_fingerprint: str
    start: float | None = None
    told_times: Array | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lambdas = _frozen_vector("lambdas", self.lambdas, MOST_LAMBDA)
        times = _frozen_vector("times", self.times)
        told = _frozen_vector("network_timesteps", self.network_timesteps, MAX_TRAIN_STEPS)
        if not isinstance(self.path, Path):
            raise ArgumentError("path", "a path, such as noise.path", self.path)
        if self.train_steps is not None:
            check_integer("train_steps", self.train_steps, 1, MAX_TRAIN_STEPS)
        clocks = {"times": times}
        if self.told_times is not None:
            clocks["told_times"] = _frozen_vector("told_times", self.told_times)
            object.__setattr__(self, "told_times", clocks["told_times"])
        for name, values in {**clocks, "network_timesteps": told}.items():
            if len(values) != len(lambdas):
                raise ArgumentError(name, f"{len(lambdas)} values, one for each lambda", values)
        if not np.all(np.diff(lambdas) > 0):
            raise ArgumentError("lambdas", "strictly increasing values", lambdas, "noise falls while sampling")
        for name, values in clocks.items():
            if not (np.all(np.diff(values) < 0) and values[-1] >= 0 and values[0] <= 1):
                raise ArgumentError(name, "strictly decreasing values in [0, 1]", values)
        steps = np.diff(told)
        if not (np.all(steps < 0) or np.all(steps > 0)):
            raise ArgumentError("network_timesteps", "strictly decreasing or strictly increasing values", told)
        object.__setattr__(self, "lambdas", lambdas)
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "network_timesteps", told)
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))
        self._check_ends()

    def _check_ends(self) -> None:
        first, last = float(self.times[0]), float(self.times[-1])
        if MOST_LAMBDA < abs(self.terminal) < math.inf:
            raise ArgumentError("terminal", f"a lambda within {MOST_LAMBDA:g} of 0, or inf", self.terminal)
        if not self.terminal > self.lambdas[-1]:
            raise ArgumentError("terminal", f"a lambda above the last node's {self.lambdas[-1]:.6g}", self.terminal)
        if not 0 <= self.terminal_time < last:
            raise ArgumentError("terminal_time", f"a time in [0, {last:.6g})", self.terminal_time)
        if self.ends_clean and self.terminal_time != 0:
            raise ArgumentError("terminal_time", "0 if the terminal is clean", self.terminal_time)
        if self.start is not None and abs(check_real("start", self.start, 0.0, 1.0) - first) > START_TOLERANCE:
            raise ArgumentError("start", f"None, or the time of the first node, {first:.6g}", self.start)

    @classmethod
    def from_knots(
        cls,
        noise: NoiseSchedule,
        knots: ArrayLike,
        terminal: str,
        provenance: Mapping[str, Any] | None = None,
        *,
        start: float | None = None,
    ) -> SamplingSchedule:
        r"""From :math:`\lambda` of the knots; with terminal "t_min" the last of them is the terminal."""
        values = _frozen_vector("knots", knots, MOST_LAMBDA)
        times = noise.time(values)
        clean = check_terminal(terminal) == CLEAN
        count = len(values) if clean else len(values) - 1
        return cls(
            lambdas=values[:count],
            times=times[:count],
            network_timesteps=noise.timestep_of_time(times[:count]),
            terminal=math.inf if clean else float(values[-1]),
            terminal_time=0.0 if clean else float(times[-1]),
            path=noise.path,
            train_steps=noise.train_steps,
            noise_name=noise.name,
            noise_fingerprint=noise.fingerprint,
            start=start,
            provenance=provenance or {},
        )

    @classmethod
    def from_times(
        cls, noise: NoiseSchedule, times: ArrayLike, terminal_time: float = 0.0, *, start: float | None = None
    ) -> SamplingSchedule:
        """From t of the nodes, decreasing; a ``terminal_time`` of 0 is the clean sample."""
        clean = check_real("terminal_time", terminal_time, 0.0, 1.0) == 0
        knots = _frozen_vector("times", times)
        knots = knots if clean else np.append(knots, terminal_time)
        return cls.from_knots(noise, noise.lambda_(knots), CLEAN if clean else T_MIN, start=start)

    @classmethod
    def from_timesteps(
        cls, noise: NoiseSchedule, timesteps: ArrayLike, *, start: float | None = None
    ) -> SamplingSchedule:
        """From what the network is told at the nodes, fractional values included; ends in the clean sample."""
        times = noise.time_of_timestep(_frozen_vector("timesteps", timesteps, MAX_TRAIN_STEPS))
        return cls.from_times(noise, times, start=start)

    def telling(self, noise: NoiseSchedule, times: ArrayLike) -> SamplingSchedule:
        """The same nodes, where the network is told other times than theirs (:mod:`hso.search.told`)."""
        if noise.fingerprint != self.noise_fingerprint:
            raise ArgumentError("noise", f"the noise schedule of this schedule, {self.noise_name}", noise.name)
        told = _frozen_vector("told_times", times)
        return replace(self, told_times=told, network_timesteps=noise.timestep_of_time(told))

    @property
    def network_times(self) -> Array:
        """t that the network is told at the nodes, shape (N,)."""
        return self.times if self.told_times is None else self.told_times

    @property
    def nfe(self) -> int:
        """Number of nodes N. It is the NFE of solvers that call the network once a node.

        Heun calls it 2N - 1 times; ``solver.nfe(schedule.nfe)`` is the number for any solver.
        """
        return len(self.lambdas)

    @property
    def sigmas(self) -> Array:
        r""":math:`\tilde\sigma = \sigma / \alpha` of the nodes, shape (N,), without a trailing zero."""
        return sigma_of_lambda(self.lambdas)

    @property
    def flow_sigmas(self) -> Array:
        r"""Flow sigma :math:`\tilde\sigma / (1 + \tilde\sigma)` of the nodes, shape (N,), without a trailing zero.

        It is :math:`\sigma` on the path of rectified flow, and defined by this formula on every other path.
        """
        return flow_sigma_of_lambda(self.lambdas)

    @property
    def levels(self) -> Array:
        r""":math:`\lambda` of the nodes and of where the last step lands, shape (N + 1,); the last is infinite if clean."""
        return np.append(self.lambdas, self.terminal)

    @property
    def knots(self) -> Array:
        r""":math:`\lambda` of the nodes, and of the terminal if it is finite."""
        return self.lambdas if self.ends_clean else self.levels

    @property
    def knot_times(self) -> Array:
        """t of the knots."""
        return self.times if self.ends_clean else np.append(self.times, self.terminal_time)

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

        For rectified flow they are N_train sigma, up to N_train; they increase if the network is told N_train alpha. If two
        nodes round to one timestep, the smaller is moved down. At 0 there is no room below, and the larger is moved up.

        Raises:
            ArgumentError: If the model has no training timesteps, or fewer than nodes.
        """
        if self.train_steps is not None and self.nfe > self.train_steps:
            raise ArgumentError("timesteps", f"at most {self.train_steps} nodes, to be distinct", self.nfe)
        told = self.fractional_timesteps
        return _distinct(told) if told[0] >= told[-1] else _distinct(told[::-1])[::-1]

    def save(self, path: str | FilePath) -> None:
        """Write JSON; the file appears whole or not at all.

        Raises:
            FileError: If the file cannot be written.
        """
        from hso.schedule_file import write_record

        write_record(self._record(), path)

    @staticmethod
    def load(path: str | FilePath) -> SamplingSchedule:
        """Read what :meth:`save` wrote.

        Raises:
            FileError: If the file is missing, malformed or of another version; the field is named.
        """
        from hso.schedule_file import read_record

        record = read_record(path)
        try:
            return _from_record(record)
        except ArgumentError as error:
            raise FileError(path, str(error)) from None

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> SamplingSchedule:
        """The schedule whose :meth:`to_dict` this is.

        Raises:
            ArgumentError: If it is no schedule; the field is named.
        """
        from hso.schedule_file import to_record

        try:
            record = to_record(content)
        except ValueError as error:
            cause = str(error)
            raise ArgumentError("schedule", "the content of a schedule file", content, cause[:LONGEST]) from None
        return _from_record(record)

    def to_dict(self) -> dict[str, Any]:
        """The content of the file that :meth:`save` writes."""
        from hso.schedule_file import content

        return content(self._record())

    def _record(self) -> ScheduleRecord:
        # The file-format library is not needed, and so not loaded, where no file is.
        from hso.schedule_file import NoiseRecord, ScheduleRecord

        return ScheduleRecord(
            nfe=self.nfe,
            lambdas=self.lambdas.tolist(),
            times=self.times.tolist(),
            sigmas=self.sigmas.tolist(),
            network_timesteps=self.network_timesteps.tolist(),
            timesteps=None if self.train_steps is None else self.timesteps.tolist(),
            terminal="clean" if self.ends_clean else self.terminal,
            terminal_time=self.terminal_time,
            start=self.start,
            told_times=None if self.told_times is None else self.told_times.tolist(),
            path=self.path.to_record(),
            train_steps=self.train_steps,
            noise=NoiseRecord(self.noise_name, self.noise_fingerprint),
            provenance=dict(self.provenance),
        )

    def _check_derived(self, record: ScheduleRecord) -> None:
        """Refuse a record whose derived fields contradict the others."""
        if record.nfe != self.nfe:
            raise ArgumentError("nfe", f"{self.nfe}, the number of lambdas", record.nfe, EDITED)
        same_shape = len(record.sigmas) == self.nfe
        if not (same_shape and np.allclose(record.sigmas, self.sigmas, rtol=1e-9, atol=0)):
            raise ArgumentError("sigmas", "exp(-lambda) of the lambdas", record.sigmas, EDITED)
        timesteps = None if self.train_steps is None else self.timesteps.tolist()
        if record.timesteps != timesteps:
            expected = f"{brief(timesteps)}, the nearest to network_timesteps"
            raise ArgumentError("timesteps", expected, record.timesteps, EDITED)

    def _identity(self) -> tuple[Any, ...]:
        nodes = self.lambdas.tobytes(), self.times.tobytes(), self.network_timesteps.tobytes()
        return (*nodes, self.terminal, self.noise_fingerprint, self.start)

    def __eq__(self, other: object) -> bool:
        """Whether nodes, told times, terminal, noise schedule and start are equal; provenance does not count."""
        return self._identity() == other._identity() if isinstance(other, SamplingSchedule) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made by the constructor, because a read-only mapping can be neither copied nor pickled."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return partial(SamplingSchedule, **{**values, "provenance": dict(self.provenance)}), ()

    def __repr__(self) -> str:
        end = "clean" if self.ends_clean else f"t={self.terminal_time:.4g}"
        if self.train_steps is None:
            return f"SamplingSchedule(nfe={self.nfe}, times={self.times.round(4).tolist()}, terminal={end})"
        return f"SamplingSchedule(nfe={self.nfe}, timesteps={self.timesteps.tolist()}, terminal={end})"


def _from_record(record: ScheduleRecord) -> SamplingSchedule:
    schedule = SamplingSchedule(
        lambdas=np.array(record.lambdas),
        times=np.array(record.times),
        network_timesteps=np.array(record.network_timesteps),
        terminal=math.inf if record.terminal == "clean" else float(record.terminal),
        terminal_time=record.terminal_time,
        path=path_from_record(record.path),
        train_steps=record.train_steps,
        noise_name=record.noise.name,
        noise_fingerprint=record.noise.fingerprint,
        start=record.start,
        told_times=None if record.told_times is None else np.array(record.told_times),
        provenance=record.provenance,
    )
    schedule._check_derived(record)
    return schedule


def _distinct(decreasing: Array) -> NDArray[np.int64]:
    rank = np.arange(len(decreasing))
    nearest = np.clip(np.round(decreasing), 0, None).astype(np.int64)
    return np.maximum(np.minimum.accumulate(nearest + rank), rank[-1]) - rank


def _frozen_vector(name: str, values: ArrayLike, most: float = math.inf) -> Array:
    expected = "a vector of at least one finite number"
    try:
        # Adding 0 turns negative zeros into plain ones: equal values must have equal bytes, for __hash__.
        array = np.array(values, dtype=np.float64) + 0.0
    except (TypeError, ValueError):
        raise ArgumentError(name, expected, values) from None
    if array.ndim != 1 or len(array) == 0 or not np.all(np.isfinite(array)):
        raise ArgumentError(name, expected, values)
    if np.abs(array).max() > most:
        raise ArgumentError(name, f"values within {most:g} of 0", values)
    array.flags.writeable = False
    return array
