"""Output that nobody reads, that the terminal cannot show, or that does not fit on the disk."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import hso

WORDS = [sys.executable, "-m", "hso", "optimize", "--noise", "sd2.1", "--nfe", "4"]


def started(*words, folder, shell=""):
    """Run the command under a shell, which can close streams."""
    line = 'exec "$@" ' + shell
    return subprocess.run(["sh", "-c", line, "sh", *WORDS, *words], cwd=folder, capture_output=True, check=False)


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_output_is_no_error_and_the_file_is_written(tmp_path, closed):
    done = started("-o", "s.json", folder=tmp_path, shell=closed)
    assert done.returncode == 0
    assert done.stderr in (b"", b"wrote s.json\n")
    assert hso.SamplingSchedule.load(tmp_path / "s.json").nfe == 4


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_where_the_output_is_full_the_file_is_written_and_one_line_says_so(tmp_path):
    done = started("-o", "s.json", folder=tmp_path, shell="> /dev/full")
    assert done.returncode == 1
    assert done.stderr == b"hso: error: No space left on device\n"
    assert hso.SamplingSchedule.load(tmp_path / "s.json").nfe == 4


def test_a_reader_that_left_has_its_file(tmp_path):
    with subprocess.Popen([*WORDS, "-o", "s.json"], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        process.stdout.close()
    assert hso.SamplingSchedule.load(tmp_path / "s.json").nfe == 4


def test_an_encoding_without_the_letters_shows_their_numbers(tmp_path):
    (tmp_path / "modèle").mkdir()
    (tmp_path / "modèle" / "scheduler_config.json").write_text('{"_class_name": "DDIMScheduler"}')
    words = [*WORDS[:-4], "--nfe", "4", "--noise", "modèle"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"mod\xe8le: 4 nodes" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be deleted")
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-o", "s.json"], 2, b"hso: error: s.json: cannot write: No such file or directory\n"),
        ([], 0, b""),
    ],
)
def test_a_deleted_working_folder_is_named(tmp_path, words, code, says):
    line = 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'
    done = subprocess.run(["sh", "-c", line, "sh", *WORDS, *words], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (code, says)


@pytest.mark.parametrize(
    "words",
    [
        "optimize --noise sd2.1 --nfe 4 -o",
        "rule trailing --noise sd2.1 --nfe 4 -o",
        "calibrate --model gaussian --images 8 --points 8 -o",
        "tune --model gaussian --images 24 --nfe 2 -o",
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_work(hso, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    code, out, err = hso(words, "folder")
    assert (code, out) == (2, "")
    assert err == "hso: error: folder: cannot write: it is a folder, and a file is expected\n"
    code, out, err = hso(words, "")
    assert (code, out) == (2, "")
    assert "expected the name of a file or a folder, got ''" in err
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("words", ["table --models ddpm --nfe 4 -o", "compare --model gaussian -o", "demo --out"])
def test_a_folder_without_a_name_is_refused(hso, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = hso(words, "")
    assert (code, out) == (2, "")
    assert "expected the name of a file or a folder, got ''" in err
    assert not list(tmp_path.iterdir())
