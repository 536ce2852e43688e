"""The folder of a run: its settings, the schedules, and the sums of every finished batch.

    run.json                        what all batches have in common
    plan.json                       the schedules by name, and what was refused
    schedules/KEY.json              each schedule
    sums/KEY/FIRST-STOP.npz         sums of the images FIRST to STOP - 1 of a schedule
    features/KEY/FIRST-STOP.npy     their features, float32, where a metric needs them
    reference/FIRST-STOP.npy        images of the reference while a batch is worked on

Every file is either whole or absent, and its content does not depend on the process that wrote it. So a run that was
stopped goes on where it was, and a run with more samples, budgets, solvers or schedules adds to the folder. Of several runs
that begin together in an empty folder only one writes run.json. The others read it, and are refused if theirs differs.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hso import files
from hso.comparison.statistics.blocks import Block, Integers
from hso.errors import FileError
from hso.files import make_folder, packed, settle, write_inside
from hso.noise.base import Array


class RunFolder:
    """A run's folder.

    Args:
        folder: The folder; it is made if it is missing.
        common: The settings that all batches must have in common.
        keep_features: Whether a batch counts as finished only if its features are there too.

    Raises:
        FileError: If the folder cannot be made, or holds a run with other settings; the setting is named.
    """

    def __init__(self, folder: Path, common: Mapping[str, Any], keep_features: bool = False) -> None:
        self.folder, self.keep_features = folder, keep_features
        for path in (folder, *(folder / name for name in ("schedules", "sums", "reference"))):
            make_folder(path)
        settle(folder / "run.json", common, "give another folder")

    def sums_path(self, key: str, images: range) -> Path:
        """The file of a batch's sums."""
        return self.folder / "sums" / key / f"{_name(images)}.npz"

    def has(self, key: str, images: range) -> bool:
        """Whether a batch is finished."""
        there = self.sums_path(key, images).exists()
        return there and (not self.keep_features or self._features(key, images).exists())

    def write(
        self,
        key: str,
        images: range,
        blocks: list[Block],
        features: Array,
        pictures: np.ndarray[Any, Any] | None = None,
    ) -> None:
        """Save a finished batch: its sums, its features if ``keep_features`` is set, and a few images to show.

        Raises:
            FileError: If it cannot be written. Then it does not count as finished.
        """
        if self.keep_features:
            _write(self._features(key, images), _array(features.astype(np.float32)))
        arrays = {
            "index": np.array([block.index for block in blocks]),
            "count": np.array([block.count for block in blocks]),
            "total": np.stack([block.total for block in blocks]),
            "factor": np.concatenate([block.factor for block in blocks]),
            "length": np.array([len(block.factor) for block in blocks]),
            "squares": np.array([block.squares for block in blocks]),
        }
        _write(self.sums_path(key, images), packed(arrays if pictures is None else {**arrays, "pictures": pictures}))

    def read(self, key: str, images: range) -> list[Block]:
        """A finished batch.

        Raises:
            FileError: If it is missing or damaged.
        """
        path = self.sums_path(key, images)
        with _reading(path):
            arrays = files.read_archive(path)
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
        """The images of a batch that were kept to look at, shape (n, height, width) or (n, height, width, 3)."""
        path = self.sums_path(key, images)
        with _reading(path):
            arrays = files.read_archive(path)
            return np.asarray(arrays["pictures"]) if "pictures" in arrays else np.empty((0, 1, 1))

    def features(self, key: str, batches: list[range], numbers: Integers) -> Array:
        """The features of some images, one a row; no more of the files is read.

        Args:
            key: The key of the entry.
            batches: The finished batches.
            numbers: Numbers of the images, counted through all batches, increasing.

        Raises:
            FileError: If a file is missing or damaged.
        """
        ends = np.cumsum([len(images) for images in batches])
        parts = np.split(numbers, np.searchsorted(numbers, ends[:-1]))
        return np.concatenate(
            [
                _rows(self._features(key, images), part - (end - len(images)))
                for images, end, part in zip(batches, ends, parts, strict=True)
                if len(part)
            ]
        )

    def keep_reference(self, images: range, reference: Array) -> None:
        """Keep the reference's images while the batch is worked on."""
        write_inside(self._reference(images), _array(reference))

    def reference(self, images: range) -> Array | None:
        """The reference's images of a batch; None if they are not kept."""
        path = self._reference(images)
        with _reading(path):
            try:
                with path.open("rb") as file:
                    return np.asarray(np.load(file))
            except FileNotFoundError:
                return None

    def drop_reference(self, images: range) -> None:
        """Remove the reference's images of a finished batch.

        Raises:
            FileError: If they cannot be removed.
        """
        path = self._reference(images)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FileError(path, f"cannot remove: {error.strerror}") from None

    def _features(self, key: str, images: range) -> Path:
        return self.folder / "features" / key / f"{_name(images)}.npy"

    def _reference(self, images: range) -> Path:
        return self.folder / "reference" / f"{_name(images)}.npy"


def _name(images: range) -> str:
    return f"{images.start:08d}-{images.stop:08d}"


def _write(path: Path, content: bytes) -> None:
    make_folder(path.parent)
    write_inside(path, content)


def _array(values: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def _rows(path: Path, numbers: Integers) -> Array:
    with _reading(path):
        return np.asarray(np.load(path, mmap_mode="r")[numbers], dtype=np.float64)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Every error while a batch is read becomes one that names the file."""
    try:
        yield
    except OSError as error:
        raise FileError(path, f"cannot read the batch: {error.strerror or error}") from None
    except (EOFError, LookupError, MemoryError, TypeError, ValueError, zipfile.BadZipFile):
        raise FileError(path, "expected a batch of this run, found something else; delete it") from None
