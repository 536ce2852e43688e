"""Local processes that share the batches of a run with the process that started them.

They are started before the plan is made, so that they import their packages and load the model in the meantime. They end
with the process that started them, however it ends, and say nothing of it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from hso.comparison.runs.plan import join
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.runs.work import Shard, work
from hso.comparison.subjects import Subject, SubjectSettings, loader_of
from hso.errors import ArgumentError, HSOError

KILLED = "one of the processes was killed, perhaps because memory ran out; the same command goes on from here"
# Seconds in which an interrupt reaches all processes.
INTERRUPT = 0.3
# In a helper process: its subject, or what went wrong when it was loaded.
_loaded: list[Subject | str] = []


@contextmanager
def start_helpers(subject: SubjectSettings, count: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes that load a subject. If the work inside fails or is interrupted, they are ended.

    Raises:
        ArgumentError: If other processes cannot load it.
    """
    load = loader_of(subject)
    try:
        pickle.dumps(load)
    except (pickle.PicklingError, AttributeError, TypeError):
        expected = "a subject made by a function of a module, which other processes can import, or one process"
        raise ArgumentError("model", expected, subject.model) from None
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _load, (load,)) as pool:
        with _interrupts_wait():
            # A pool starts a process when it is given something to do and no process is idle.
            for _ in range(count):
                pool.submit(bool)
        started = set(multiprocessing.active_children()) - others
        try:
            yield pool
        except BaseException:
            for process in started:
                process.terminate()
            raise


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Hold interrupts back, here and in processes that are started inside: they import packages before they can answer."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Let this helper end at an interrupt, unless interrupts are ignored, and when the process that started it is gone."""
    # nohup and shells' background jobs ignore interrupts; then the process that started this one lives on, too.
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def deal_shares(pool: ProcessPoolExecutor, count: int, settings: ComparisonSettings, folder: Path) -> list[Future[str]]:
    """Deal all shares but the first to so many helpers.

    Raises:
        HSOError: If one of them was killed.
    """
    shards = [Shard(index, count + 1) for index in range(1, count + 1)]
    try:
        return [pool.submit(_share_of, settings, folder, shard) for shard in shards]
    except BrokenProcessPool:
        time.sleep(INTERRUPT)
        raise HSOError(KILLED) from None


def wait_for(shares: list[Future[str]]) -> None:
    """Wait until the shares are done.

    Raises:
        HSOError: If one could not be done.
    """
    for problem in filter(None, map(_problem, shares)):
        raise HSOError(problem)


def _load(load: Callable[[], Subject]) -> None:
    end_with_parent()
    try:
        _loaded.append(load())
    except HSOError as error:
        _loaded.append(str(error))


def _share_of(settings: ComparisonSettings, folder: Path, shard: Shard) -> str:
    """Do a share. Errors are returned as text, since errors with several arguments cannot be pickled."""
    (subject,) = _loaded
    if isinstance(subject, str):
        return subject
    try:
        work(join(settings, folder, subject), shard)
    except HSOError as error:
        return str(error)
    return ""


def _problem(share: Future[str]) -> str:
    try:
        return share.result()
    except BrokenProcessPool:
        # An interrupt of all processes may end a helper before this process hears of it.
        time.sleep(INTERRUPT)
        return KILLED
