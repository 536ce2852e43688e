"""The JSON form of a sampling schedule: its fields, how they are written and how they are read.

``sigmas`` and ``timesteps`` follow from ``lambdas`` and ``network_timesteps``. They are written for human readers.
:meth:`hso.SamplingSchedule.load` checks them, so that a file of which only one part was edited is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from hso.errors import FileError, brief
from hso.files import read_json, write_atomic

FORMAT, VERSION = "hso-schedule", 1
CAUSE = "was the file edited, or written by another release of hso?"


class NoiseRecord(msgspec.Struct, forbid_unknown_fields=True):
    """The noise schedule that a sampling schedule was made for."""

    name: str
    fingerprint: str


class ScheduleRecord(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The file's fields; ``format`` and ``version`` are checked before the others are read."""

    format: str = FORMAT
    version: int = VERSION
    nfe: int
    lambdas: list[float]
    times: list[float]
    sigmas: list[float]
    network_timesteps: list[float]
    timesteps: list[int] | None
    terminal: float | Literal["clean"]
    terminal_time: float
    start: float | None
    told_times: list[float] | None = None
    path: dict[str, Any]
    train_steps: int | None
    noise: NoiseRecord
    provenance: dict[str, Any]


def content(record: ScheduleRecord) -> dict[str, Any]:
    """The record as plain dicts and lists, ready for JSON."""
    found: dict[str, Any] = msgspec.to_builtins(record)
    return found


def write_record(record: ScheduleRecord, path: str | Path) -> None:
    """Write a record as JSON. If writing fails, no incomplete file is left.

    Raises:
        FileError: If the file cannot be written.
    """
    write_atomic(path, (json.dumps(content(record), indent=2) + "\n").encode())


def read_record(path: str | Path) -> ScheduleRecord:
    """Read a record.

    Raises:
        FileError: If the file is missing, is not a schedule, or a field is missing, unknown or of the wrong type.
    """
    try:
        found = read_json(Path(path), parse_constant=_refuse_constant)
    except OSError as error:
        raise FileError(path, f"cannot read the schedule: {error.strerror}") from None
    except ValueError:
        raise FileError(path, "expected a schedule in JSON, found something else (truncated?)") from None
    try:
        return to_record(found)
    except ValueError as error:
        raise FileError(path, str(error)) from None


def to_record(found: Any) -> ScheduleRecord:
    """The record whose :func:`content` this is.

    Raises:
        ValueError: If it is not a schedule, or a field is missing, unknown or of the wrong type.
    """
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f'format: expected "{FORMAT}"; is this a schedule file?')
    if found.get("version") != VERSION:
        received = found.get("version")
        raise ValueError(f"version: expected {VERSION}, got {brief(received)} (written by another release of hso?)")
    try:
        return msgspec.convert(found, ScheduleRecord)
    except msgspec.ValidationError as error:
        raise ValueError(f"{error} ({CAUSE})") from None


def _refuse_constant(name: str) -> None:
    # Python reads NaN and Infinity although JSON has no such values; write_record never writes them.
    raise ValueError(name)
