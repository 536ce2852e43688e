"""The file of a calibration that is not finished: the sums over the finished images.

A run that was stopped continues from this file and ends with the same numbers, bit for bit. For this, sums are kept in
double precision, and images are added in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hso.errors import ArgumentError, FileError
from hso.files import make_folder, packed, write_atomic
from hso.models.bands import restore
from hso.models.calibration_file import read_arrays
from hso.models.recording import Plan, Progress, Sums, Trials
from hso.noise.base import Array

NAME = "sums.npz"
RECORD, BANDS, TRIALS = "record", "bands.", "trials."


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a run. It continues only if they are the same."""

    noise: str
    prediction: str
    points: int
    solver: str
    images: int


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    key: Key
    bands: str
    shape: tuple[int, ...]
    done: int


def save_progress(folder: Path, plan: Plan, images: int, progress: Progress) -> None:
    """Write the state of a run to its folder.

    Raises:
        FileError: If the file cannot be written.
    """
    make_folder(folder)
    sums, bands = progress.sums, progress.bands
    record = _Record(_key(plan, images), bands.kind, progress.shape, progress.done)
    arrays: dict[str, Any] = {"counts": sums.counts, "grams": sums.grams, "means": sums.means}
    arrays |= {TRIALS + name: values for name, values in sums.trials._asdict().items()}
    arrays |= {BANDS + name: values for name, values in bands.arrays().items()}
    arrays[RECORD] = np.frombuffer(msgspec.json.encode(record), dtype=np.uint8)
    write_atomic(folder / NAME, packed(arrays))


def load_progress(folder: Path, plan: Plan, images: int) -> Progress | None:
    """The state of the run in a folder; None if there is none.

    Raises:
        ArgumentError: If the run belongs to another model or has other settings.
        FileError: If the file is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return None
    arrays = read_arrays(path)
    try:
        record = msgspec.json.decode(arrays[RECORD].tobytes(), type=_Record)
        progress = _progress(record, arrays)
    except (ValueError, KeyError, msgspec.DecodeError) as error:
        raise FileError(path, f"not a calibration under way: {' '.join(str(error).split())}") from None
    if record.key != (key := _key(plan, images)):
        raise ArgumentError("folder", f"the calibration of {key}", record.key, "give each run a folder of its own")
    return progress


def _key(plan: Plan, images: int) -> Key:
    return Key(plan.noise.fingerprint, plan.prediction, plan.points, plan.solver, images)


def _progress(record: _Record, arrays: Mapping[str, Array]) -> Progress:
    trials = Trials(*(arrays[TRIALS + name] for name in Trials._fields))
    bands = restore(record.bands, {name[len(BANDS) :]: arrays[name] for name in arrays if name.startswith(BANDS)})
    return Progress(bands, Sums(arrays["counts"], arrays["grams"], arrays["means"], trials), record.shape, record.done)
