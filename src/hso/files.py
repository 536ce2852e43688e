"""Writing files so that a reader never finds an incomplete file, making folders for them, and reading within limits.

Files may come from anybody. A file that does not end, or that unpacks to a thousand times its size, must not fill the
memory, so reading stops at a limit.
"""

from __future__ import annotations

import errno
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hso.errors import FileError, brief

# Errors from file systems that have no hard links.
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
# The longest text that is read: far above any schedule, configuration or list of captions.
MOST_TEXT = 64 * 2**20
# An archive may unpack to this much, or to this many times its own size if that is more.
MOST_UNPACKED, MOST_RATIO = 64 * 2**20, 20


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is not UTF-8, or is longer than ``MOST_TEXT``.
    """
    with path.open("rb") as file:
        content = file.read(MOST_TEXT + 1)
    if len(content) > MOST_TEXT:
        raise ValueError(f"longer than {MOST_TEXT} bytes")
    return content.decode("utf-8")


def read_json(path: Path, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """The JSON value in a file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it holds something else, or is too long or nested too deeply.
    """
    try:
        return json.loads(read_text(path), parse_constant=parse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_archive(path: Path) -> dict[str, Any]:
    """The arrays of an archive (``.npz``). Python objects, which could hold code, are refused.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no such archive, or unpacks to more than the limit.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > max(MOST_UNPACKED, MOST_RATIO * os.fstat(file.fileno()).st_size):
                raise ValueError(f"unpacks to {unpacked} bytes")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
    except OSError:
        raise
    # NumPy and zlib raise whatever comes up in a file that was changed.
    except Exception as error:
        raise ValueError(str(error)) from None


def make_folder(path: Path) -> None:
    """Make a folder and the folders above it, if they do not exist yet.

    Raises:
        FileError: If it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(path, f"cannot make the folder: {error.strerror}") from None


def packed(arrays: Mapping[str, Any]) -> bytes:
    """The content of an archive (``.npz``) of these arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def write_atomic(path: str | Path, content: bytes) -> None:
    """Write to a temporary file beside ``path``, then rename it over ``path``.

    A symbolic link stays a link, and its target is replaced. A pipe or a device such as ``/dev/stdout`` cannot be
    replaced, so the content is written to it.

    Raises:
        FileError: If the folder is missing or not writable. ``path`` is then unchanged.
    """
    with _named(Path(path)):
        path = Path(path)
        # The target of a name such as /dev/stdout may have no name of its own.
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
            return
        _replace(Path(os.path.realpath(path)), content)


def write_inside(path: Path, content: bytes) -> None:
    """Write as :func:`write_atomic` does, but replace a symbolic link and do not follow it.

    It is for folders that may come from somebody else: a link there cannot lead the writing to a file elsewhere.

    Raises:
        FileError: If the folder is missing or not writable. ``path`` is then unchanged.
    """
    with _named(path):
        _replace(path, content)


def write_new(path: Path, content: bytes) -> bool:
    """Write ``path`` if there is no such file yet. If several processes try this at once, exactly one of them writes.

    Returns:
        Whether this call wrote the file. If not, a complete file exists already.

    Raises:
        FileError: If the folder is missing or not writable.
    """
    with _named(path), _temporary(path, content) as temporary:
        try:
            # Unlike a rename, a link fails if the name is taken. And the file is complete before it gets its name.
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return _claimed(path, content)
        return True


def settle(path: Path, settings: Mapping[str, Any], remedy: str) -> None:
    """Say in a file of a folder what the folder is for, or check that the file says the same already.

    Of several processes that begin at once, one writes the file. The others read it.

    Args:
        path: The file.
        settings: What all that is kept in the folder has in common.
        remedy: What to do if it is something else.

    Raises:
        FileError: If a setting differs (it is named), or the file is damaged or cannot be written.
    """
    asked = json.loads(json.dumps(settings))
    # Looking first and writing then would let two runs with different settings into one folder.
    if not path.exists() and write_new(path, json.dumps(asked, indent=2).encode()):
        return
    before = read_object(path)
    for name in sorted({*before, *asked}):
        if before.get(name) != asked.get(name):
            theirs, mine = brief(before.get(name)), brief(asked.get(name))
            raise FileError(path.parent, f"holds a run with {name} {theirs}, not {mine}; {remedy}")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a run.

    Raises:
        FileError: If it is missing or damaged.
    """
    try:
        found = read_json(path)
    except OSError as error:
        raise FileError(path, f"cannot read: {error.strerror}") from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise FileError(path, "expected a JSON object, found something else")
    return found


def _claimed(path: Path, content: bytes) -> bool:
    """``write_new`` on file systems without links. Here a reader may find the new file before it has its content."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return False
    return True


def _replace(path: Path, content: bytes) -> None:
    with _temporary(path, content) as temporary:
        os.replace(temporary, path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into errors that name the file."""
    try:
        yield
    except OSError as error:
        raise FileError(path, f"cannot write: {error.strerror}") from None


@contextmanager
def _temporary(path: Path, content: bytes) -> Iterator[str]:
    """A complete temporary file beside ``path``, which is removed at the end."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files, but the result needs the usual permissions of a new file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        yield temporary
    finally:
        Path(temporary).unlink(missing_ok=True)
