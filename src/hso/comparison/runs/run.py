"""Which schedule is best for a model: every contestant sampled from the same noise, judged with intervals.

Example:
    >>> import tempfile
    >>> from hso.comparison.runs.plan import Settings
    >>> from hso.comparison.subjects import SubjectSettings
    >>> settings = Settings(SubjectSettings("gaussian"), ("ddim",), (4,), ("trailing", "arctan"), samples=100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     outcome = compare(settings, Path(folder))
    >>> outcome.best("ddim", 4, "error").names
    ('arctan',)
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from hso.comparison.outcome import RESAMPLES, Outcome, check_data, judge
from hso.comparison.runs.plan import Plan, Settings, load_plan, make_plan, save_plan
from hso.comparison.runs.store import Store
from hso.comparison.runs.work import Advance, Shard, one_thread, work
from hso.comparison.subjects import Subject, load_subject
from hso.errors import FileError, HSOError, MissingExtraError, check_choice, check_integer

# Told what is done, how much of it since the last time, and how much in all: "sampling" in network evaluations, images
# counted one by one, and "judging" in schedules.
Progress = Callable[[str, int, int], object]
# Where launchers say how many processes there are: torchrun, and the MPIs that accelerate knows.
WORLD_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def prepare(settings: Settings, folder: Path) -> tuple[Subject, Plan, Store]:
    """The model, the plan, and the folder with the plan in it; the plan of before, if it was asked for the same.

    Raises:
        HSOError: If the model cannot be loaded, or the folder not be used.
    """
    subject = load_subject(settings.subject)
    subject.check_samples(settings.samples)
    for solver in settings.solvers:
        check_choice("solver", solver, subject.solvers)
    if settings.also:
        check_data(settings, subject)
    store = _store(settings, folder)
    plan = load_plan(settings, store)
    if plan is None:
        with one_thread():
            plan = make_plan(settings, subject)
        save_plan(plan, settings, store)
    return subject, plan, store


def compare(
    settings: Settings, folder: Path, processes: int = 1, resamples: int = RESAMPLES, progress: Progress | None = None
) -> Outcome | None:
    """Run a comparison, or what is left of it, and judge it.

    Args:
        settings: What is compared.
        folder: Where finished batches are kept.
        processes: Local processes to share the batches.
        resamples: Number of bootstrap resamples.
        progress: Called as the work is done.

    Returns:
        The outcome; None in all but the first of several launched processes.

    Raises:
        HSOError: If something is unusable or cannot be written. Finished batches stay.
    """
    check_integer("processes", processes, 1, 1024)
    if any(int(os.environ.get(name) or 1) > 1 for name in WORLD_SIZES):
        return _launched(settings, folder, resamples, progress)
    subject, plan, store = prepare(settings, folder)
    advance = _advance(progress, "sampling", settings.samples * plan.work, processes)
    if processes > 1:
        _share(settings, folder, processes, advance)
    else:
        work(settings, subject, plan, store, advance=advance)
    return judge(settings, subject, plan, store, resamples, _judging(progress, plan))


def finished_part(settings: Settings, folder: Path, resamples: int = RESAMPLES) -> Outcome:
    """Judge the batches of a run that every schedule has finished; nothing is generated.

    Raises:
        HSOError: If there is no run of this there, or no batch is finished.
    """
    if not (folder / "run.json").exists():
        raise FileError(folder, "expected the folder of a run, found none")
    store = _store(settings, folder)
    return judge(settings, load_subject(settings.subject), _planned(settings, store), store, resamples)


def _share(settings: Settings, folder: Path, processes: int, advance: Advance | None) -> None:
    """Deal the batches to local processes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes - 1, mp_context=context) as pool:
        others = [pool.submit(_share_of, settings, folder, Shard(index, processes)) for index in range(1, processes)]
        problems = [_share_of(settings, folder, Shard(0, processes), advance), *map(_problem, others)]
    for problem in filter(None, problems):
        raise HSOError(problem)


def _share_of(settings: Settings, folder: Path, shard: Shard, advance: Advance | None = None) -> str:
    """One process's share; what went wrong, as text, since errors with several arguments do not travel."""
    try:
        store = _store(settings, folder)
        work(settings, load_subject(settings.subject), _planned(settings, store), store, shard, advance)
    except HSOError as error:
        return str(error)
    return ""


def _problem(share: Future[str]) -> str:
    try:
        return share.result()
    except BrokenProcessPool:
        return "one of the processes was killed, perhaps for want of memory; the same command goes on from here"


def _launched(settings: Settings, folder: Path, resamples: int, progress: Progress | None) -> Outcome | None:
    """This process's share of a run that ``accelerate launch`` or ``torchrun`` started."""
    try:
        from accelerate import PartialState
    except ImportError:
        raise MissingExtraError("accelerate", extra="compare") from None
    state: Any = PartialState(cpu=settings.subject.device == "cpu")
    # Not before the exit: a program may compare more than once.
    atexit.register(state.destroy_process_group)
    with state.main_process_first():
        subject, plan, store = _prepared(settings, folder, state.is_main_process)
    shard = Shard(state.process_index, state.num_processes)
    work(
        settings, subject, plan, store, shard, _advance(progress, "sampling", settings.samples * plan.work, shard.count)
    )
    state.wait_for_everyone()
    if not state.is_main_process:
        return None
    return judge(settings, subject, plan, store, resamples, _judging(progress, plan))


def _prepared(settings: Settings, folder: Path, first: bool) -> tuple[Subject, Plan, Store]:
    if first:
        return prepare(settings, folder)
    store = _store(settings, folder)
    return load_subject(settings.subject), _planned(settings, store), store


def _store(settings: Settings, folder: Path) -> Store:
    return Store(folder, settings.common(), keep_features=bool(settings.also))


def _planned(settings: Settings, store: Store) -> Plan:
    plan = load_plan(settings, store)
    if plan is None:
        raise FileError(store.folder, "the plan of this run was replaced while it ran")
    return plan


def _advance(progress: Progress | None, stage: str, total: int, processes: int = 1) -> Advance | None:
    """What one of several like processes tells of the progress of all."""
    return None if progress is None else (lambda amount: progress(stage, processes * amount, total))


def _judging(progress: Progress | None, plan: Plan) -> Advance | None:
    return _advance(progress, "judging", len(plan.entries) + 1)
