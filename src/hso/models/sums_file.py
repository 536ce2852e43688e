"""The file of a calibration that is not finished: the sums over the finished images.

A run that was stopped continues from this file and ends with the same numbers, bit for bit. For this, sums are kept in
double precision, and images are added in their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hso.errors import FileError, brief
from hso.files import make_folder, packed, write_inside
from hso.models.bands import restore
from hso.models.calibration_file import read_arrays
from hso.models.images import Images
from hso.models.recording import Plan, Progress, Sums, Trials
from hso.noise.base import Array, as_array

NAME = "sums.npz"
RECORD, BANDS, TRIALS = "record", "bands.", "trials."


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a run. It continues only if they are the same.

    Attributes:
        noise: Fingerprint of the noise schedule.
        prediction: What the network predicts.
        points: Number of points of the teacher.
        solver: The teacher's solver.
        images: Number of images.
        first_state: What the state of the first image is known by.
        guidance: Strength of guidance, if the caller says it.
        tells: Whether the network is told other noise levels too.
        share: Which of them this file is about; empty for all of them.
    """

    noise: str
    prediction: str
    points: int
    solver: str
    images: int
    first_state: str
    guidance: float | None
    tells: bool
    share: str = ""

    @classmethod
    def of(cls, plan: Plan, images: Images, guidance: float | None, share: str = "") -> Key:
        """The settings of a run with this plan."""
        first = hashlib.sha256(as_array(images.batch(range(1)).x).tobytes()).hexdigest()[:16]
        chosen = plan.prediction, plan.points, plan.solver, images.count
        return cls(plan.noise.fingerprint, *chosen, first, guidance, plan.tells, share)

    def path(self, folder: Path) -> Path:
        """The file of the run."""
        return folder / (f"sums {self.share}.npz" if self.share else NAME)


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    key: Key
    bands: str
    shape: tuple[int, ...]
    done: int


def save_progress(folder: Path, key: Key, progress: Progress) -> None:
    """Write the state of a run to its folder.

    Raises:
        FileError: If the file cannot be written.
    """
    make_folder(folder)
    sums, bands = progress.sums, progress.bands
    record = _Record(key, bands.kind, progress.shape, progress.done)
    arrays: dict[str, Any] = {"counts": sums.counts, "grams": sums.grams, "means": sums.means}
    arrays |= {TRIALS + name: values for name, values in sums.trials._asdict().items()}
    arrays |= {BANDS + name: values for name, values in bands.arrays().items()}
    arrays[RECORD] = np.frombuffer(msgspec.json.encode(record), dtype=np.uint8)
    write_inside(key.path(folder), packed(arrays))


def load_progress(folder: Path, key: Key) -> Progress | None:
    """The state of the run in a folder; None if there is none.

    Raises:
        FileError: If the file is damaged, or the run belongs to another model or has other settings.
    """
    path = key.path(folder)
    if not path.exists():
        return None
    arrays = read_arrays(path)
    try:
        record = msgspec.json.decode(arrays[RECORD].tobytes(), type=_Record)
        progress = _progress(record, arrays)
    except (ValueError, KeyError, msgspec.DecodeError) as error:
        raise FileError(path, f"not a calibration under way: {' '.join(str(error).split())}") from None
    if record.key != key:
        name, theirs, mine = _difference(record.key, key)
        raise FileError(folder, f"holds a calibration with {name} {brief(theirs)}, not {brief(mine)}; use a new folder")
    return progress


def _difference(before: Key, asked: Key) -> tuple[str, Any, Any]:
    """The first setting that differs, and its values."""
    pairs = ((name, getattr(before, name), getattr(asked, name)) for name in Key.__struct_fields__)
    return next(pair for pair in pairs if pair[1] != pair[2])


def _progress(record: _Record, arrays: Mapping[str, Array]) -> Progress:
    trials = Trials(*(arrays[TRIALS + name] for name in Trials._fields))
    bands = restore(record.bands, {name[len(BANDS) :]: arrays[name] for name in arrays if name.startswith(BANDS)})
    return Progress(bands, Sums(arrays["counts"], arrays["grams"], arrays["means"], trials), record.shape, record.done)
