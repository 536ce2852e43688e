"""Writing files so that a reader never meets half of one, and the folders for them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hso.errors import FileError


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        FileError: If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(path, f"cannot make the folder: {error.strerror}") from None


def write_atomic(path: str | Path, content: bytes) -> None:
    """Write to a temporary file beside ``path``, then rename it over ``path``.

    A symbolic link stays one, and its target is replaced. What is no file, such as a pipe or ``/dev/stdout``, cannot be
    replaced and is written to.

    Raises:
        FileError: If the folder is missing or not writable; ``path`` is then as it was.
    """
    path = Path(os.path.realpath(path))
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
            return
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise FileError(path, f"cannot write: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; give the result the permissions that open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise FileError(path, f"cannot write: {error.strerror}") from None
        raise
