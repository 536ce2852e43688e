"""The shared options of the commands that call a model's network, and the model that they describe."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hso.cli import options, views
from hso.errors import check_integer
from hso.files import make_folder, settle

if TYPE_CHECKING:
    from hso.comparison.subjects import Subject, SubjectSettings
    from hso.team import Team

Model = Annotated[
    str,
    typer.Option(
        help="gaussian, mixture, digits-empirical, digits (digits@3: guidance 3), a pipeline folder or a hub id."
    ),
]
Guidance = Annotated[float, typer.Option(parser=options.real, metavar="X", help="Guidance scale; 1 is none.")]
Captions = Annotated[Path | None, typer.Option(parser=options.path, metavar="FILE", help="Prompts, one a line.")]
NoClass = Annotated[
    int | None, typer.Option(parser=options.integer, metavar="L", help='Label for "no class", if not the last.')
]
Device = Annotated[str, typer.Option(metavar="NAME", help="Where torch models run.")]
Batch = Annotated[int, typer.Option(parser=options.integer, metavar="B", help="Images in one call.")]
Seed = Annotated[int, typer.Option(parser=options.integer, metavar="SEED", help="Seed of the initial noise.")]
# File in the folder of a run that says which model it is a run of.
ASKED = "model.json"


def settings_of(
    model: str, guidance: float, seed: int, device: str, captions: Path | None, no_class: int | None, features: str
) -> SubjectSettings:
    """The model that the options describe. ``features`` is a name, or "own" for the features that the model brings."""
    from hso.comparison.subjects import SubjectSettings, with_guidance

    name = None if features == "own" else features
    return with_guidance(SubjectSettings(model, guidance, seed, device, name, None, captions, no_class))


def counts(images: int, batch: int) -> tuple[int, int]:
    """The number of images and the number in one call.

    Raises:
        ArgumentError: If one is out of its range.
    """
    return check_integer("images", images, 8, 10**6), check_integer("batch", batch, 1, 10**6)


def team(device: str) -> Team:
    """The processes that ``accelerate launch`` started, or this one alone. Call it before the model is loaded."""
    from hso.team import Team

    return Team.launched(cpu=device == "cpu")


@contextmanager
def kept_beside(output: Path, subject: Subject, settings: SubjectSettings, team: Team) -> Iterator[Path]:
    """A folder for the work, beside the output. A stopped run continues from there, and a finished run deletes it.

    Args:
        output: The output.
        subject: What is measured.
        settings: What it was loaded from. A run of another model does not continue.
        team: The processes that work in the folder; the first of them deletes it when all have ended.
    """
    from hso.comparison.runs.settings import plain_settings

    folder = output.with_name(output.name + ".part")
    make_folder(folder)
    asked = {**plain_settings(settings, "device"), **subject.identity}
    settle(folder / ASKED, asked, "delete it, or name another output")
    yield folder
    team.together("the end", lambda: None)
    if team.is_first:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder so that nobody finds a part of it, even if this process is killed on the way."""
    gone = folder.with_suffix(".gone")
    # One that a killed process left.
    shutil.rmtree(gone, ignore_errors=True)
    with suppress(OSError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on standard error; yields a function of the finished amount and the whole amount, or None."""
    with views.bars() as bars:
        if bars is None:
            yield None
            return
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
