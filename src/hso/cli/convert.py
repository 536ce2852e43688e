"""``hso convert``: turn a schedule into text for another program, and read such text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hso.cli import options, views
from hso.errors import ArgumentError
from hso.hosts import HOSTS
from hso.hosts.pasted import is_file, looks_like_path, read_values
from hso.hosts.text import from_text, to_text
from hso.schedule import SamplingSchedule

EPILOG = """
[bold]Examples[/bold]

hso convert schedule.json --to diffusers-timesteps

hso convert schedule.json --to comfyui --end-clean

hso convert "14.6,3.1,0.8,0" --from comfyui --noise sd2.1 -o schedule.json
"""
NAMES = ", ".join(HOSTS)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("convert", epilog=EPILOG)(command)


def command(
    values: Annotated[str, typer.Argument(metavar="FILE|VALUES", help="A saved schedule, or text, or a text file.")],
    to: Annotated[str | None, typer.Option(metavar="HOST", help=f"The host to print text for: {NAMES}.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="HOST", help="The host whose text is read; the same names.")
    ] = None,
    noise: Annotated[str | None, typer.Option(help="With --from, the model: a preset, a config or a folder.")] = None,
    end_clean: Annotated[
        bool, typer.Option("--end-clean", help="With --to: the last step lands on the clean sample.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", parser=options.path, metavar="FILE", help="Save the schedule.")
    ] = None,
) -> None:
    """Print a schedule as text to paste into another program, or read such text."""
    if end_clean and to is None:
        raise ArgumentError("end_clean", "a host to write for, with --to", end_clean)
    views.check_outputs(output)
    schedule = _read(values, source, noise)
    text = None if to is None else to_text(schedule, to, end_clean=end_clean)
    with views.saved(schedule, output):
        if text is not None:
            print(text)
    if end_clean and not schedule.ends_clean:
        views.note(f"the last step lands on the clean sample instead of t_min = {schedule.terminal_time:.4g}")
    if to is None and output is None:
        views.console().print(views.schedule_table(schedule))


def _read(values: str, source: str | None, noise: str | None) -> SamplingSchedule:
    if source is not None:
        if noise is None:
            cause = "a preset, see: hso presets"
            raise ArgumentError("noise", "the model that the values are for, with --from", noise, cause)
        return from_text(read_values(values), source, options.noise_schedule(noise))
    if noise is not None:
        raise ArgumentError("noise", "nothing without --from; a saved schedule names its model", noise)
    if not is_file(values) and not looks_like_path(values):
        raise ArgumentError("values", "the file of a saved schedule, or text with --from and --noise", values)
    return SamplingSchedule.load(values)
