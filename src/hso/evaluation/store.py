"""The folder of a run: what was asked, the schedules, and the sums of every finished batch.

    run.json                        what all batches have in common
    plan.json                       the schedules by name, and the refusals
    schedules/KEY.json              each schedule
    sums/KEY/FIRST-STOP.npz         sums of the images FIRST to STOP - 1 of a schedule
    reference/FIRST-STOP.npy        images of the reference while a batch is worked on

A file is there whole or not at all, and says the same whoever wrote it. So a run that was stopped goes on where it was, and
one with more samples, budgets, solvers or schedules adds to what is there.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hso.errors import FileError
from hso.evaluation.statistics import Block
from hso.files import write_atomic
from hso.noise.base import Array


class Store:
    """A run's folder.

    Args:
        folder: It is made if it is not there.
        common: What all batches must have in common.

    Raises:
        FileError: If the folder cannot be made, or holds a run of something else; the setting is named.
    """

    def __init__(self, folder: Path, common: Mapping[str, Any]) -> None:
        self.folder = folder
        try:
            for name in ("schedules", "sums", "reference"):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(folder, f"cannot make the folder: {error.strerror}") from None
        self._agree(json.loads(json.dumps(common)))

    def _agree(self, common: Mapping[str, Any]) -> None:
        path = self.folder / "run.json"
        if not path.exists():
            write_atomic(path, json.dumps(common, indent=2).encode())
            return
        before = read_json(path)
        for name in sorted({*before, *common}):
            if before.get(name) != common.get(name):
                problem = f"holds a run with {name} {before.get(name)!r}, not {common.get(name)!r}; give another folder"
                raise FileError(self.folder, problem)

    def sums_path(self, key: str, images: range) -> Path:
        """Where a batch's sums are."""
        return self.folder / "sums" / key / f"{_name(images)}.npz"

    def has(self, key: str, images: range) -> bool:
        """Whether a batch is finished."""
        return self.sums_path(key, images).exists()

    def write(self, key: str, images: range, blocks: list[Block], pictures: np.ndarray[Any, Any] | None = None) -> None:
        """Keep a finished batch.

        Raises:
            FileError: If it cannot be written; nothing of it is then there.
        """
        path = self.sums_path(key, images)
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise FileError(path, f"cannot write: {error.strerror}") from None
        arrays = {
            "index": np.array([block.index for block in blocks]),
            "count": np.array([block.count for block in blocks]),
            "total": np.stack([block.total for block in blocks]),
            "factor": np.concatenate([block.factor for block in blocks]),
            "length": np.array([len(block.factor) for block in blocks]),
            "squares": np.array([block.squares for block in blocks]),
        }
        write_atomic(path, _packed(arrays if pictures is None else {**arrays, "pictures": pictures}))

    def read(self, key: str, images: range) -> list[Block]:
        """A finished batch.

        Raises:
            FileError: If it is missing or damaged.
        """
        with _opened(self.sums_path(key, images)) as arrays:
            ends = np.cumsum(arrays["length"])[:-1]
            parts = zip(
                arrays["index"].tolist(),
                arrays["count"].tolist(),
                arrays["total"],
                np.split(arrays["factor"], ends),
                arrays["squares"].tolist(),
                strict=True,
            )
            return [Block(*part) for part in parts]

    def pictures(self, key: str, images: range) -> np.ndarray[Any, Any]:
        """The first images of a batch, to look at; none where they were not kept."""
        with _opened(self.sums_path(key, images)) as arrays:
            return np.asarray(arrays["pictures"]) if "pictures" in arrays else np.empty((0, 1, 1))

    def keep_reference(self, images: range, reference: Array) -> None:
        """Keep the reference's images while the batch is worked on."""
        buffer = io.BytesIO()
        np.save(buffer, reference)
        write_atomic(self._reference(images), buffer.getvalue())

    def reference(self, images: range) -> Array | None:
        """The reference's images of a batch, if they are kept."""
        path = self._reference(images)
        return np.load(path) if path.exists() else None

    def drop_reference(self, images: range) -> None:
        """Forget the reference's images of a finished batch."""
        self._reference(images).unlink(missing_ok=True)

    def _reference(self, images: range) -> Path:
        return self.folder / "reference" / f"{_name(images)}.npy"


def read_json(path: Path) -> Any:
    """A JSON file of a run.

    Raises:
        FileError: If it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(path, f"cannot read: {error.strerror}") from None
    except ValueError:
        raise FileError(path, "expected JSON, found something else") from None


def _name(images: range) -> str:
    return f"{images.start:08d}-{images.stop:08d}"


def _packed(arrays: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _opened(path: Path) -> Any:
    try:
        return np.load(path)
    except OSError as error:
        raise FileError(path, f"cannot read the sums: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileError(path, f"expected sums of a batch, found something else: {error}") from None
