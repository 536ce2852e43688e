"""The file of a calibration: an archive of arrays (``.npz``) that also contains a record in JSON. It holds no code.

Gram matrices are symmetric, so the file keeps their upper triangles only. The matrices without a group of images serve
only to measure a spread, so single precision is enough for them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hso.errors import ArgumentError, FileError
from hso.files import write_atomic
from hso.models.bands import KINDS, restore
from hso.models.recording import Trials
from hso.noise.base import Array

FORMAT, VERSION = "hso-calibration", 1
RECORD, BANDS, TRIALS = "record", "bands.", "trials."
# These arrays are symmetric in their last two axes.
TRIANGLES = ("grams", "mean_grams", "left_out", "left_out_means")
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
    provenance: dict[str, Any]


def write(facts: Mapping[str, Any], path: str | Path) -> None:
    """Write the attributes of a calibration.

    Raises:
        FileError: If the file cannot be written.
    """
    kept = {name: facts[name] for name in CalibrationRecord.__struct_fields__ if name in facts}
    provenance = dict(facts["provenance"])
    record = CalibrationRecord(
        **{**kept, "format": FORMAT, "version": VERSION, "bands": facts["bands"].kind, "provenance": provenance}
    )
    upper = np.triu_indices(facts["grams"].shape[-1])
    arrays = {name: facts[name] for name in PLAIN}
    arrays |= {name: facts[name][(..., *upper)] for name in TRIANGLES}
    arrays |= {BANDS + name: values for name, values in facts["bands"].arrays().items()}
    arrays |= {TRIALS + name: values for name, values in facts["trials"]._asdict().items()}
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
    arrays = read_arrays(path)
    record = _record(path, arrays)
    try:
        bands = restore(record.bands, {name[len(BANDS) :]: arrays[name] for name in arrays if name.startswith(BANDS)})
        size = len(arrays["lambdas"]) + len(arrays["start_lambdas"])
        kept = {name: getattr(record, name) for name in record.__struct_fields__ if name not in ("format", "version")}
        return {
            **kept,
            "bands": bands,
            "trials": Trials(*(arrays[TRIALS + name] for name in Trials._fields)),
            **{name: arrays[name] for name in PLAIN},
            **{name: _square(name, arrays[name], size) for name in TRIANGLES},
        }
    except KeyError as error:
        raise FileError(path, f"{error.args[0]}: missing") from None
    except (ArgumentError, ValueError, IndexError) as error:
        raise FileError(path, " ".join(str(error).split())) from None


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an archive. An archive that contains code is refused.

    Raises:
        FileError: If the file is missing or is not such an archive.
    """
    try:
        # NumPy does not close the file if it is not an archive, so the file is opened and closed here.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise FileError(path, "cannot read the calibration: no such file") from None
    except OSError as error:
        raise FileError(path, f"cannot read the calibration: {error.strerror or error}") from None
    except (ValueError, TypeError, AttributeError, EOFError, KeyError, zipfile.BadZipFile):
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
        raise FileError(path, f"version: expected {VERSION}, got {received!r} (written by another release of hso?)")
    try:
        record = msgspec.convert(content, CalibrationRecord)
    except msgspec.ValidationError as error:
        raise FileError(path, str(error)) from None
    if record.bands not in KINDS:
        raise FileError(path, f"bands: expected one of {', '.join(KINDS)}, got {record.bands!r}")
    return record


def _square(name: str, triangles: Array, size: int) -> Array:
    """The symmetric matrices whose upper triangles are given."""
    upper = np.triu_indices(size)
    if triangles.shape[-1:] != upper[0].shape:
        raise ArgumentError(name, f"triangles of {len(upper[0])} numbers", f"shape {triangles.shape}")
    full = np.zeros((*triangles.shape[:-1], size, size), dtype=triangles.dtype)
    full[(..., *upper)] = triangles
    full[(..., upper[1], upper[0])] = triangles
    return full
