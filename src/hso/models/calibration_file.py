"""The file of a calibration: an archive of arrays (``.npz``) that also contains a record in JSON. It holds no code.

Gram matrices are symmetric, so the file keeps their upper triangles only. The matrices without a group of images serve
only to measure a spread, so single precision is enough for them.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hso.errors import ArgumentError, FileError, brief
from hso.files import read_archive, write_atomic
from hso.models.bands import KINDS, restore
from hso.models.recording import Trials
from hso.models.told import ToldLevels
from hso.noise.base import Array

FORMAT, VERSION = "hso-calibration", 1
RECORD, BANDS, TRIALS, TOLD = "record", "bands.", "trials.", "told."
# These arrays are symmetric in their last two axes.
TRIANGLES = ("grams", "mean_grams", "left_out", "left_out_means")
# A video of a minute in latents has about a tenth of so many.
MOST_COEFFICIENTS = 2**28
# No recording has larger numbers, and products of many of them would not be finite.
LARGEST = 1e15
PLAIN = ("lambdas", "states", "start_lambdas", "trial_lambdas")


class CalibrationRecord(msgspec.Struct, forbid_unknown_fields=True):
    """Everything that is not an array. ``format`` and ``version`` are checked before the other fields are used."""

    format: str
    version: int
    noise_name: str
    noise_fingerprint: str
    shape: tuple[int, ...]
    images: int
    bands: str
    calls: int
    convergence: float
    agreement: float
    guidance: float | None
    told: str | None = None
    provenance: dict[str, Any] = {}


def write(facts: Mapping[str, Any], path: str | Path) -> None:
    """Write the attributes of a calibration.

    Raises:
        FileError: If the file cannot be written.
    """
    kept = {name: facts[name] for name in CalibrationRecord.__struct_fields__ if name in facts}
    told: ToldLevels | None = facts["told"]
    plain = {"bands": facts["bands"].kind, "provenance": dict(facts["provenance"]), "told": told and told.prediction}
    record = CalibrationRecord(**{**kept, "format": FORMAT, "version": VERSION, **plain})
    upper = np.triu_indices(facts["grams"].shape[-1])
    arrays = {name: facts[name] for name in PLAIN}
    arrays |= {name: facts[name][(..., *upper)] for name in TRIANGLES}
    arrays |= {BANDS + name: values for name, values in facts["bands"].arrays().items()}
    arrays |= {TRIALS + name: values for name, values in facts["trials"]._asdict().items()}
    if told is not None:
        arrays |= {TOLD + "lambdas": told.lambdas, TOLD + "shifts": told.shifts}
    arrays[RECORD] = np.frombuffer(msgspec.json.encode(record), dtype=np.uint8)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_atomic(path, content.getvalue())


def read(path: str | Path) -> dict[str, Any]:
    """The attributes of a calibration, from a file that :func:`write` wrote.

    Raises:
        FileError: If the file is missing, malformed or of another version; the error names the field.
    """
    path = Path(path)
    found = read_arrays(path)
    record = _record(path, found)
    try:
        arrays = {name: _numbers(name, values) for name, values in found.items() if name != RECORD}
        _check_shape(record, arrays)
        bands = restore(record.bands, {name[len(BANDS) :]: arrays[name] for name in arrays if name.startswith(BANDS)})
        told = None
        if record.told is not None:
            told = ToldLevels(record.told, arrays[TOLD + "lambdas"], arrays[TOLD + "shifts"])
        size = len(arrays["lambdas"]) + len(arrays["start_lambdas"]) + (told.count if told else 0)
        kept = {name: getattr(record, name) for name in record.__struct_fields__ if name not in ("format", "version")}
        return {
            **kept,
            "bands": bands,
            "told": told,
            "trials": Trials(*(arrays[TRIALS + name] for name in Trials._fields)),
            **{name: arrays[name] for name in PLAIN},
            **{name: _square(name, arrays[name], size) for name in TRIANGLES},
        }
    except KeyError as error:
        raise FileError(path, f"{error.args[0]}: missing") from None
    except (ArgumentError, ValueError, IndexError, TypeError) as error:
        raise FileError(path, " ".join(str(error).split())) from None


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an archive. An archive that contains code is refused.

    Raises:
        FileError: If the file is missing or is not such an archive.
    """
    try:
        return read_archive(path)
    except FileNotFoundError:
        raise FileError(path, "cannot read the calibration: no such file") from None
    except OSError as error:
        raise FileError(path, f"cannot read the calibration: {error.strerror or error}") from None
    except ValueError:
        raise FileError(path, "expected a calibration, found something else (truncated?)") from None


def _record(path: Path, arrays: Mapping[str, Array]) -> CalibrationRecord:
    problem = f'format: expected "{FORMAT}", is this a file of a calibration?'
    try:
        content = msgspec.json.decode(arrays[RECORD].tobytes())
    except (KeyError, msgspec.DecodeError):
        raise FileError(path, problem) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise FileError(path, problem)
    if content.get("version") != VERSION:
        received = content.get("version")
        raise FileError(
            path, f"version: expected {VERSION}, got {brief(received)} (written by another release of hso?)"
        )
    try:
        record = msgspec.convert(content, CalibrationRecord)
    except msgspec.ValidationError as error:
        raise FileError(path, str(error)) from None
    if record.bands not in KINDS:
        raise FileError(path, f"bands: expected one of {', '.join(KINDS)}, got {brief(record.bands)}")
    return record


def _numbers(name: str, values: Array) -> Array:
    """The numbers of an array, in a type that all functions take."""
    if values.dtype.kind not in "fiu" or not float(np.abs(values).max(initial=0)) <= LARGEST:
        raise ArgumentError(name, f"numbers within {LARGEST:g} of 0", f"{values.dtype}, or larger ones, nan or inf")
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def _check_shape(record: CalibrationRecord, arrays: Mapping[str, Array]) -> None:
    """Compare the shape of an image with that of its bands, before bands of so many coefficients are made."""
    size = math.prod(record.shape)
    if not (all(length > 0 for length in record.shape) and size <= MOST_COEFFICIENTS):
        raise ArgumentError("shape", f"positive lengths, and at most {MOST_COEFFICIENTS} numbers", record.shape)
    theirs = arrays.get(BANDS + "shape")
    if theirs is not None and theirs.tolist() != list(record.shape):
        raise ArgumentError(BANDS + "shape", str(list(record.shape)), theirs.tolist())


def _square(name: str, triangles: Array, size: int) -> Array:
    """The symmetric matrices whose upper triangles are given."""
    upper = np.triu_indices(size)
    if triangles.shape[-1:] != upper[0].shape:
        raise ArgumentError(name, f"triangles of {len(upper[0])} numbers", f"shape {triangles.shape}")
    full = np.zeros((*triangles.shape[:-1], size, size), dtype=triangles.dtype)
    full[(..., *upper)] = triangles
    full[(..., upper[1], upper[0])] = triangles
    return full
