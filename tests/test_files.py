"""Files appear whole or not at all, and a link in somebody else's folder leads nowhere."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

import hso
from hso.files import write_atomic, write_inside, write_new

WRITERS = (write_atomic, write_inside, write_new)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("call", ["fsync", "write"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, write, call):
    path = tmp_path / "a"
    if write is not write_new:
        path.write_bytes(b"old")

    def fail(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "fsync":
        monkeypatch.setattr("os.fsync", fail)
    else:
        monkeypatch.setattr("os.fdopen", fail)
    with pytest.raises(hso.FileError, match="cannot write: No space left on device"):
        write(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ([] if write is write_new else ["a"])
    if write is not write_new:
        assert path.read_bytes() == b"old"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_a_link_where_the_folder_is_the_users_own_and_is_replaced_where_it_may_be_anybodys(tmp_path):
    secret, link = tmp_path / "secret", tmp_path / "link"
    for write, kept in ((write_atomic, b"new"), (write_inside, b"old")):
        secret.write_bytes(b"old")
        link.unlink(missing_ok=True)
        link.symlink_to(secret)
        write(link, b"new")
        assert secret.read_bytes() == kept
        assert link.read_bytes() == b"new"
        assert link.is_symlink() == (write is write_atomic)


def test_a_missing_folder_is_named(tmp_path):
    for write in WRITERS:
        with pytest.raises(hso.FileError, match=r"absent/a: cannot write: No such file or directory"):
            write(tmp_path / "absent" / "a", b"")


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="there is no such device")
def test_standard_output_is_written_to_though_it_is_a_pipe():
    code = "from hso.files import write_atomic; write_atomic('/dev/stdout', b'whole')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"whole"
