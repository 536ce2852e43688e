"""Which schedule is best for a model: every contestant sampled from the same noise, judged with intervals.

Example:
    >>> import tempfile
    >>> from hso.comparison.runs.settings import ComparisonSettings
    >>> from hso.comparison.subjects import SubjectSettings
    >>> model = SubjectSettings("gaussian")
    >>> settings = ComparisonSettings(model, ("ddim",), (4,), ("trailing", "arctan"), samples=100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     outcome = compare(settings, Path(folder))
    >>> outcome.best("ddim", 4, "error").names
    ('arctan',)
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path

from hso.comparison.outcome import Outcome
from hso.comparison.runs.helpers import deal_shares, start_helpers, wait_for
from hso.comparison.runs.judge import RESAMPLES, check_resamples, judge
from hso.comparison.runs.plan import ComparisonPlan, OpenRun, join, prepare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.runs.work import Advance, Shard, work
from hso.comparison.subjects import Subject, load_subject
from hso.errors import FileError, check_integer
from hso.files import make_folder
from hso.team import Launched, is_launched, process_state

# Called with the stage, the amount that was done since the last call, and the total. The stage "sampling" counts network
# calls, where an image counts as one call; the stage "judging" counts schedules.
Progress = Callable[[str, int, int], object]


def compare(
    settings: ComparisonSettings,
    folder: Path,
    processes: int = 1,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> Outcome | None:
    """Run a comparison, or the part of it that is not finished, and judge it.

    Args:
        settings: What is compared.
        folder: Where finished batches are kept.
        processes: Number of local processes that share the batches.
        resamples: Number of bootstrap resamples.
        progress: Called as the work is done.

    Returns:
        The outcome; None in all but the first of several launched processes.

    Raises:
        HSOError: If a setting is unusable, or a file cannot be written. Finished batches stay.
    """
    check_integer("processes", processes, 1, 1024)
    check_resamples(resamples)
    if is_launched():
        return _launched(settings, folder, resamples, progress)
    if processes == 1:
        return compare_subject(settings, load_subject(settings.subject), folder, resamples, progress)
    # Helpers take seconds to start, and a folder that cannot be made is known at once.
    make_folder(folder)
    with start_helpers(settings.subject, processes - 1) as pool:
        run = prepare(settings, folder, load_subject(settings.subject))
        shares = deal_shares(pool, processes - 1, settings, folder)
        _work(run, Shard(0, processes), progress)
        wait_for(shares)
    return judge(run, resamples, _judging(progress, run.plan))


def compare_subject(
    settings: ComparisonSettings,
    subject: Subject,
    folder: Path,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> Outcome:
    """Compare schedules as :func:`compare` does, but in this process and for a subject that is already loaded."""
    check_resamples(resamples)
    run = prepare(settings, folder, subject)
    _work(run, Shard(), progress)
    return judge(run, resamples, _judging(progress, run.plan))


def compare_callable(
    settings: ComparisonSettings,
    subject: Subject,
    folder: str | Path | None,
    resamples: int,
    progress: Progress | None,
) -> Outcome:
    """Compare as :func:`compare_subject` does. Without a folder, use a temporary one that is deleted with the outcome."""
    if folder is not None:
        return compare_subject(settings, subject, Path(folder), resamples, progress)
    temporary = tempfile.mkdtemp(prefix="hso-")
    try:
        outcome = compare_subject(settings, subject, Path(temporary), resamples, progress)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    weakref.finalize(outcome.store, shutil.rmtree, temporary, ignore_errors=True)
    return outcome


def finished_part(settings: ComparisonSettings, folder: Path, resamples: int = RESAMPLES) -> Outcome:
    """Judge the batches of a run that every schedule has finished. Nothing is generated.

    Raises:
        HSOError: If there is no such run, or no batch is finished.
    """
    check_resamples(resamples)
    if not (folder / "run.json").exists():
        raise FileError(folder, "expected the folder of a run, found none")
    return judge(join(settings, folder, load_subject(settings.subject)), resamples)


def _work(run: OpenRun, shard: Shard, progress: Progress | None) -> None:
    """One process's share; its progress stands for that of all, since all have equal shares."""
    work(run, shard, _advance(progress, "sampling", run.settings.samples * run.plan.work, shard.count))


def _launched(settings: ComparisonSettings, folder: Path, resamples: int, progress: Progress | None) -> Outcome | None:
    """Do this process's share of a comparison that ``accelerate launch`` or ``torchrun`` started in several processes."""
    state = process_state(cpu=settings.subject.device == "cpu")
    with state.main_process_first():
        subject = load_subject(settings.subject)
    run = prepare(settings, folder, subject, Launched(state))
    _work(run, Shard(state.process_index, state.num_processes), progress)
    state.wait_for_everyone()
    if not state.is_main_process:
        return None
    return judge(run, resamples, _judging(progress, run.plan))


def _advance(progress: Progress | None, stage: str, total: int, processes: int = 1) -> Advance | None:
    """What one of several processes with equal shares reports of the progress of all."""
    return None if progress is None else (lambda amount: progress(stage, processes * amount, total))


def _judging(progress: Progress | None, plan: ComparisonPlan) -> Advance | None:
    return _advance(progress, "judging", len(plan.everyone))
