"""Schedules and calibrations in the folder ``models/hso`` of ComfyUI.

Only files in that folder can be chosen, so a workflow from elsewhere cannot make the server read other files.
"""

from __future__ import annotations

import os
from pathlib import Path

import folder_paths

FOLDER = "hso"
SCHEDULE, CALIBRATION = ".json", ".calibration"


def register() -> None:
    """Tell ComfyUI of the folder."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))


def names(suffix: str) -> list[str]:
    """Names of the files with this suffix."""
    return [name for name in folder_paths.get_filename_list(FOLDER) if name.endswith(suffix)]


def path_of(name: str) -> str:
    """The path of a file with one of these names.

    Raises:
        FileNotFoundError: If there is none.
    """
    return str(folder_paths.get_full_path_or_raise(FOLDER, name))


def state_of(name: str) -> tuple[int, int]:
    """When a file was changed, and its size: a node runs again if one of them differs."""
    status = Path(path_of(name)).stat()
    return status.st_mtime_ns, status.st_size
