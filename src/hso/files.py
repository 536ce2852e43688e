"""Writing files so that a reader never meets half of one, and the folders for them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hso.errors import FileError

# What file systems say that have no hard links.
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


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
    with _named(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
            return
        with _temporary(path, content) as temporary:
            os.replace(temporary, path)


def write_new(path: Path, content: bytes) -> bool:
    """Write ``path`` if there is no such file yet; of several processes that try at once, exactly one writes.

    Returns:
        Whether this call wrote the file. If not, a whole file was there already.

    Raises:
        FileError: If the folder is missing or not writable.
    """
    with _named(path), _temporary(path, content) as temporary:
        try:
            # A link, unlike a rename, fails if the name is taken; and the file it names is whole already.
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return _claimed(path, content)
        return True


def _claimed(path: Path, content: bytes) -> bool:
    """The same on file systems without links, where a reader may come between the creation and the content."""
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return False
    return True


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of the operating system as errors that name the file."""
    try:
        yield
    except OSError as error:
        raise FileError(path, f"cannot write: {error.strerror}") from None


@contextmanager
def _temporary(path: Path, content: bytes) -> Iterator[str]:
    """A whole file beside ``path``, which is gone in the end."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; give the result the permissions that open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        yield temporary
    finally:
        Path(temporary).unlink(missing_ok=True)
