"""The state of a run of :func:`hso.tune`: its files, from which a stopped run continues, and its count of network calls."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hso.errors import FileError
from hso.files import make_folder, packed, read_archive, settle, write_inside
from hso.noise.base import Array

# Called with the stage, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], object]
RUN = "run.json"


class Store:
    """Arrays by name, in a folder if there is one. What is read is bit by bit what was written.

    Args:
        folder: Where files are kept; None keeps nothing.
        settings: What the run is asked for, as JSON can hold it.

    Raises:
        FileError: If the folder cannot be used, or holds another run.
    """

    def __init__(self, folder: str | Path | None, settings: Mapping[str, Any]) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        make_folder(self.folder)
        settle(self.folder / RUN, settings, "use a new folder")

    def load(self, name: str) -> dict[str, Array] | None:
        """The arrays of this name, None if there are none.

        Raises:
            FileError: If their file is damaged.
        """
        path = self._path(name)
        if path is None or not path.exists():
            return None
        try:
            return read_archive(path)
        except (OSError, ValueError):
            raise FileError(path, "damaged; remove it, and what it holds is computed again") from None

    def save(self, name: str, arrays: Mapping[str, Array]) -> None:
        """Keep arrays. Their file appears whole or not at all.

        Raises:
            FileError: If it cannot be written.
        """
        path = self._path(name)
        if path is not None:
            write_inside(path, packed(arrays))

    def _path(self, name: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{name}.npz"


class Ledger:
    """Network calls of one image that were made, and those that may be.

    Attributes:
        budget: How many may be made.
        calls: How many were made, by this run or by those that it continues.
        stage: What they are made for now.
    """

    def __init__(self, budget: int, progress: Progress | None) -> None:
        self.budget, self.calls, self.stage, self._progress = budget, 0, "teacher", progress

    @property
    def left(self) -> int:
        """How many may still be made."""
        return self.budget - self.calls

    def charge(self, calls: int) -> None:
        """Count further calls, and tell."""
        self.reach(self.calls + calls)

    def reach(self, calls: int) -> None:
        """Count calls up to a number, and tell."""
        self.calls = calls
        if self._progress is not None:
            self._progress(self.stage, min(self.calls, self.budget), self.budget)


def digest(*parts: bytes) -> str:
    """A short name for some bytes."""
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()[:16]
