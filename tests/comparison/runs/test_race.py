"""Runs that start at the same moment in the same folder."""

from __future__ import annotations

import multiprocessing
import threading

import numpy as np
import pytest

import hso
from hso.comparison.runs.store import RunFolder
from hso.files import write_new
from hso.tuning.store import Store

RACES, RUNNERS = 25, 2


KINDS = {"compare": RunFolder, "tune": Store}


def start_many(kind, barrier, folder, number, results):
    """In each of many empty folders, start a run at the same time as the other process does."""
    for race in range(RACES):
        path = folder / str(race)
        barrier.wait()
        try:
            KINDS[kind](path, {"seed": number})
        except hso.HSOError as error:
            results.put((race, number, str(error)))
        else:
            results.put((race, number, ""))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("compare", "holds a run with seed {theirs}, not {mine}; give another folder"),
        ("tune", "holds a run with seed {theirs}, not {mine}; use a new folder"),
    ],
)
def test_of_two_runs_with_different_settings_one_is_refused(tmp_path, kind, says):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(RUNNERS), context.Queue()
    processes = [
        context.Process(target=start_many, args=(kind, barrier, tmp_path, number, results)) for number in range(RUNNERS)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in range(RACES * RUNNERS)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    for race in range(RACES):
        errors = {number: error for place, number, error in found if place == race}
        (loser,) = [number for number, error in errors.items() if error]
        assert says.format(theirs=1 - loser, mine=loser) in errors[loser]


def test_of_many_writers_exactly_one_writes_a_whole_file(tmp_path):
    contents = [bytes([number]) * 100_000 for number in range(8)]
    for race in range(20):
        path, barrier, wrote = tmp_path / str(race), threading.Barrier(len(contents)), [False] * len(contents)

        def write(number, path=path, barrier=barrier, wrote=wrote):
            barrier.wait()
            wrote[number] = write_new(path, contents[number])
            # Whoever comes second finds a whole file.
            assert len(path.read_bytes()) == len(contents[0])

        threads = [threading.Thread(target=write, args=(number,)) for number in range(len(contents))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(wrote) == 1
        assert path.read_bytes() == contents[wrote.index(True)]
    assert not list(tmp_path.glob(".*"))


def test_a_file_system_without_links_will_do(tmp_path, monkeypatch):
    def link(source, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", link)
    assert write_new(tmp_path / "a", b"first")
    assert not write_new(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(hso.FileError, match="cannot write: No such file"):
        write_new(tmp_path / "absent" / "a", b"")


def test_a_reference_that_another_run_has_dropped_is_made_again(tmp_path):
    store, images = RunFolder(tmp_path, {}), range(3)
    assert store.reference(images) is None
    store.keep_reference(images, np.ones((3, 2)))
    assert store.reference(images).shape == (3, 2)
    store.drop_reference(images)
    store.drop_reference(images)
    assert store.reference(images) is None
