"""The output of the commands. It is ASCII only, so that every terminal and every pipe can show it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hso.errors import ArgumentError, FileError, printable
from hso.noise import NoiseSchedule, presets
from hso.schedule import SamplingSchedule
from hso.solvers import Learned, label_of, made_for

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

# Without a terminal, lines are not folded.
UNFOLDED = 1000


def console() -> Console:
    """The console for tables. Names may contain anything: markup is off, and what is not printed is escaped."""
    from rich.console import Console
    from rich.text import Text

    class Escaping(Console):
        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text), **options)

    width = None if sys.stdout.isatty() else UNFOLDED
    return Escaping(width=width, highlight=False, markup=False, emoji=False)


@contextmanager
def bars() -> Iterator[Progress | None]:
    """Progress bars on standard error, or None if nobody can see them."""
    if not sys.stderr.isatty() or int(os.environ.get("RANK", "0")) > 0:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as shown:
        yield shown


def json_text(content: Any, indent: int | None = None) -> str:
    """One JSON value as text. A value that JSON cannot represent is an error."""
    return json.dumps(content, allow_nan=False, indent=indent)


def print_json(content: Any, indent: int | None = None) -> None:
    """Print one JSON value."""
    print(json_text(content, indent))


def say(text: str) -> None:
    """Print one line for a person."""
    print(printable(text))


def note(text: str) -> None:
    """Print a message for a person on standard error, apart from the output."""
    print(printable(text), file=sys.stderr)


def schedule_table(schedule: SamplingSchedule) -> Table:
    """One row for each node, and one for the terminal."""
    from rich.table import Table

    table = Table(title=headline(schedule), title_justify="left")
    for heading in ("node", "timestep", "t", "sigma~", "lambda", "gap in t"):
        table.add_column(heading, justify="right")
    times, lambdas, timesteps = schedule.knot_times.tolist(), schedule.knots.tolist(), _timesteps(schedule)
    gaps = [f"{gap:.5f}" for gap in -np.diff(times)] + [""]
    names = [*map(str, range(1, schedule.nfe + 1)), "terminal"]
    for name, timestep, t, lambda_, gap in zip(names, [*timesteps, ""], times, lambdas, gaps, strict=False):
        table.add_row(name, timestep, f"{t:.5f}", f"{np.exp(-lambda_):.5f}", f"{lambda_:.5f}", gap)
    if schedule.ends_clean:
        table.add_row("terminal", "", f"{0:.5f}", f"{0:.5f}", "inf (clean)", "")
    return table


def headline(schedule: SamplingSchedule) -> str:
    """A schedule in a few words."""
    terminal = "clean" if schedule.ends_clean else f"t_min = {schedule.terminal_time:.5g}"
    told = "" if schedule.told_times is None else ", the network is told other times"
    return f"{schedule.noise_name}: {schedule.nfe} nodes, terminal {terminal}{told}"


def solver_text(schedule: SamplingSchedule) -> str | None:
    """The solver that a schedule was made for, in a few words; None if its provenance does not say."""
    try:
        solver = made_for(schedule)
    except ArgumentError:
        return None
    calls = solver.nfe(schedule.nfe)
    name = f"learned, from {solver.base}" if isinstance(solver, Learned) else label_of(solver)
    return f"for {name}, {calls} network call{'s' if calls > 1 else ''}"


def check_outputs(output: Path | None, plot: Path | None = None) -> None:
    """Find out, before a search, whether its result can be written.

    Raises:
        ArgumentError: If the name of the picture has an unknown ending.
        FileError: If there is no folder for a file, or a folder has its name.
        MissingExtraError: If there is to be a picture, and matplotlib is not installed.
    """
    for path in filter(None, (output, plot)):
        if not os.path.isdir(path.parent):
            raise FileError(path, "cannot write: there is no such folder")
        if os.path.isdir(path):
            raise FileError(path, "cannot write: it is a folder, and a file is expected")
    if plot is not None:
        from hso.comparison.report.plots import format_of, new_figure

        format_of(plot)
        new_figure(1, 1)


@contextmanager
def saved(schedule: SamplingSchedule, path: Path | None) -> Iterator[None]:
    """Save a schedule, if there is a path, and let the command print then.

    A reader of the output may leave early, so a command saves first. A disk may be full, so it prints all the same.

    Raises:
        FileError: At the end, if the schedule could not be saved.
    """
    problem = None
    try:
        if path is not None:
            schedule.save(path)
    except FileError as error:
        problem = error
    yield
    if problem is not None:
        raise problem
    if path is not None:
        note(f"wrote {path}")


def draw(schedule: SamplingSchedule, noise: NoiseSchedule | None, path: Path) -> None:
    """Write a picture of one schedule."""
    from hso.comparison.report.plots import plot_schedules, save_figure

    name = str(schedule.provenance.get("strategy", "schedule"))
    save_figure(plot_schedules({headline(schedule): {name: schedule}}, noise), path)
    note(f"wrote {path}")


def preset_of(schedule: SamplingSchedule) -> NoiseSchedule | None:
    """The preset that a schedule was made for, if it was one."""
    if schedule.noise_name not in presets():
        return None
    noise = NoiseSchedule.preset(schedule.noise_name)
    return noise if noise.fingerprint == schedule.noise_fingerprint else None


def _timesteps(schedule: SamplingSchedule) -> list[str]:
    if schedule.train_steps is None:
        return [""] * schedule.nfe
    return [str(timestep) for timestep in schedule.timesteps]
