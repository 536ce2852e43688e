"""The images of a comparison's folder, to look at side by side. Nothing is written into the folder.

The folder may come from somebody else. Only the files that a run writes are read, and a link that leads out of the folder
is not followed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from hso import files
from hso.errors import FileError, check_integer
from hso.schedule import SamplingSchedule

PLAN, FIGURES = "plan.json", "comparison.json"
# Larger images are not sent to a page.
MOST_BYTES = 32 * 2**20
COLOURS = 3
# These have no slash, and are no names of files.
UP = ("", ".", "..")


class _Row(msgspec.Struct):
    solver: str
    names: list[str]
    key: str


class _Plan(msgspec.Struct):
    entries: list[_Row]


class RunPictures:
    """The folder of a run.

    Args:
        folder: What ``hso compare -o`` wrote, or the folder ``run`` in what ``hso demo`` wrote.

    Raises:
        FileError: If it holds no run.
    """

    def __init__(self, folder: Path) -> None:
        inner = folder / "run"
        self.folder = inner if not (folder / PLAN).exists() and (inner / PLAN).exists() else folder
        try:
            self._root = self.folder.resolve(strict=True)
        except OSError as error:
            raise FileError(folder, f"cannot read the folder of the run: {error.strerror}") from None
        try:
            self._rows = msgspec.convert(files.read_json(self._inside(PLAN)), _Plan).entries
        except (OSError, ValueError):
            raise FileError(folder, "expected the folder of a comparison, with a plan.json, found none") from None
        if not self._rows or any(row.key in UP or Path(row.key).name != row.key for row in self._rows):
            raise FileError(folder, "expected the plan of a run, found something else; delete it")

    def summary(self) -> dict[str, Any]:
        """The entries of the run by solver and number of calls. The first entry is the reference."""
        figures = self._figures()
        return {
            "folder": self.folder.name if self.folder.name != "run" else self.folder.parent.name,
            "entries": [
                {
                    "index": index,
                    "solver": row.solver,
                    "nfe": _calls(row.key),
                    "names": row.names,
                    "figures": figures.get((row.solver, _calls(row.key), tuple(row.names)), {}),
                }
                for index, row in enumerate(self._rows)
            ],
        }

    def images(self, index: object) -> dict[str, Any]:
        """The kept images of an entry, and the nodes of its schedule.

        Raises:
            ArgumentError: If there is no such entry.
            FileError: If its files are missing or damaged.
        """
        row = self._rows[check_integer("entry", index, 0, len(self._rows) - 1)]
        pictures = self._pictures(row.key)
        count, height, width = pictures.shape[:3]
        return {
            "count": count,
            "height": height,
            "width": width,
            "channels": pictures.shape[3] if pictures.ndim > COLOURS else 1,
            "bytes": base64.b64encode(np.ascontiguousarray(pictures).tobytes()).decode(),
            "times": self._times(row.key),
        }

    def _pictures(self, key: str) -> np.ndarray[Any, Any]:
        batches = sorted(path.name for path in self._inside("sums", key).glob("*.npz"))
        if not batches:
            raise FileError(self.folder, f"no batch of {key} is finished")
        path = self._inside("sums", key, batches[0])
        try:
            found = np.asarray(files.read_archive(path).get("pictures", np.empty((0, 1, 1), dtype=np.uint8)))
        except (OSError, ValueError):
            found = np.empty(0)
        images = found.ndim == COLOURS or (found.ndim == COLOURS + 1 and found.shape[-1] == COLOURS)
        if not images or found.dtype != np.uint8 or found.nbytes > MOST_BYTES:
            raise FileError(path, "expected a batch of a run, found something else")
        return found

    def _times(self, key: str) -> list[float]:
        times: list[float] = SamplingSchedule.load(self._inside("schedules", f"{key}.json")).times.tolist()
        return times

    def _figures(self) -> Mapping[tuple[str, int, tuple[str, ...]], dict[str, Any]]:
        """The figures of comparison.json by solver, number of calls and names; none if there is no such file."""
        try:
            rows = files.read_json(self._inside(FIGURES))["rows"]
            return {
                (str(row["solver"]), int(row["nfe"]), tuple(row["schedules"])): {
                    str(name): float(figure["value"]) for name, figure in row["figures"].items()
                }
                for row in rows
            }
        except (AttributeError, LookupError, OSError, TypeError, ValueError):
            return {}

    def _inside(self, *parts: str) -> Path:
        """A path in the folder.

        Raises:
            FileError: If a link leads out of the folder.
        """
        path = self._root.joinpath(*parts)
        if not path.resolve().is_relative_to(self._root):
            raise FileError(path, "is a link that leads out of the folder of the run")
        return path


def _calls(key: str) -> int:
    """The number of calls in a key, which is the solver, the number of calls and a fingerprint."""
    part = key.rsplit("-", 2)[-2] if key.count("-") > 1 else ""
    return int(part) if part.isdigit() else 0
