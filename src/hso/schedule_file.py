"""The JSON form of a sampling schedule.

``sigmas`` and ``timesteps`` follow from ``lambdas`` and ``network_timesteps``; they are written for readers and checked
on loading, so that a file edited in one place only is refused rather than half believed.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from hso.errors import ArgumentError, FileError
from hso.files import write_atomic
from hso.schedule import SamplingSchedule

FORMAT, VERSION = "hso-schedule", 1


class NoiseRecord(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    fingerprint: str


class ScheduleRecord(msgspec.Struct, forbid_unknown_fields=True):
    """The file's fields; ``format`` and ``version`` are checked before the others are read."""

    format: str
    version: int
    nfe: int
    lambdas: list[float]
    times: list[float]
    sigmas: list[float]
    network_timesteps: list[float]
    timesteps: list[int] | None
    terminal: float | Literal["clean"]
    terminal_time: float
    train_steps: int | None
    noise: NoiseRecord
    provenance: dict[str, Any]


def to_record(schedule: SamplingSchedule) -> ScheduleRecord:
    """The file's content for a schedule."""
    return ScheduleRecord(
        format=FORMAT,
        version=VERSION,
        nfe=schedule.nfe,
        lambdas=schedule.lambdas.tolist(),
        times=schedule.times.tolist(),
        sigmas=schedule.sigmas.tolist(),
        network_timesteps=schedule.network_timesteps.tolist(),
        timesteps=None if schedule.train_steps is None else schedule.timesteps.tolist(),
        terminal="clean" if schedule.ends_clean else schedule.terminal,
        terminal_time=schedule.terminal_time,
        train_steps=schedule.train_steps,
        noise=NoiseRecord(schedule.noise_name, schedule.noise_fingerprint),
        provenance=dict(schedule.provenance),
    )


def save(schedule: SamplingSchedule, path: str | Path) -> None:
    """See :meth:`hso.SamplingSchedule.save`."""
    text = json.dumps(msgspec.to_builtins(to_record(schedule)), indent=2)
    write_atomic(path, (text + "\n").encode())


def load(path: str | Path) -> SamplingSchedule:
    """See :meth:`hso.SamplingSchedule.load`."""
    record = _read(Path(path))
    try:
        schedule = SamplingSchedule(
            lambdas=np.array(record.lambdas),
            times=np.array(record.times),
            terminal=math.inf if record.terminal == "clean" else float(record.terminal),
            terminal_time=record.terminal_time,
            train_steps=record.train_steps,
            noise_name=record.noise.name,
            noise_fingerprint=record.noise.fingerprint,
            provenance=record.provenance,
            network_timesteps=np.array(record.network_timesteps),
        )
        _check_derived(schedule, record)
    except ArgumentError as error:
        raise FileError(path, str(error)) from None
    return schedule


def _check_derived(schedule: SamplingSchedule, record: ScheduleRecord) -> None:
    cause = "the file was edited or damaged"
    if record.nfe != schedule.nfe:
        raise ArgumentError("nfe", f"{schedule.nfe}, the number of lambdas", record.nfe, cause)
    same_shape = len(record.sigmas) == schedule.nfe
    if not (same_shape and np.allclose(record.sigmas, schedule.sigmas, rtol=1e-9, atol=0)):
        raise ArgumentError("sigmas", "exp(-lambda) of the lambdas", record.sigmas, cause)
    timesteps = None if schedule.train_steps is None else schedule.timesteps.tolist()
    if record.timesteps != timesteps:
        raise ArgumentError("timesteps", f"{timesteps}, the nearest to network_timesteps", record.timesteps, cause)
    if schedule.ends_clean != (schedule.terminal_time == 0):
        raise ArgumentError("terminal_time", "0 if and only if terminal is clean", record.terminal_time, cause)


def _read(path: Path) -> ScheduleRecord:
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise FileError(path, f"cannot read the schedule: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise FileError(path, "expected a schedule in JSON, found something else (truncated?)") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FileError(path, f'format: expected "{FORMAT}", is this a schedule file?')
    if content.get("version") != VERSION:
        received = content.get("version")
        raise FileError(path, f"version: expected {VERSION}, got {received!r} (written by another release of hso?)")
    try:
        return msgspec.convert(content, ScheduleRecord)
    except msgspec.ValidationError as error:
        raise FileError(path, str(error)) from None


def _refuse_constant(name: str) -> None:
    # NaN and Infinity are Python's own addition to JSON; to_record never writes them.
    raise ValueError(name)
