"""``hso convert``: a schedule as the text that another program takes, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hso.cli import options, views
from hso.errors import ArgumentError
from hso.hosts.text import FORMATS, from_text, read_values, to_text
from hso.schedule import SamplingSchedule

EPILOG = """
[bold]Examples[/bold]

hso convert schedule.json --to diffusers-timesteps

hso convert schedule.json --to k-diffusion

hso convert "14.6,3.1,0.8,0" --from comfyui --noise sd2.1 -o schedule.json
"""
NAMES = ", ".join(FORMATS)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("convert", epilog=EPILOG)(command)


def command(
    values: Annotated[str, typer.Argument(metavar="FILE|VALUES", help="A saved schedule; or text, or a file of it.")],
    to: Annotated[str | None, typer.Option(metavar="FORMAT", help=f"What to print: {NAMES}.")] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="FORMAT", help="What the text is; the same names.")
    ] = None,
    noise: Annotated[str | None, typer.Option(help="With --from, the model: a preset, a config or a folder.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Save the schedule.")] = None,
) -> None:
    """Print what to paste into another program, or read what was pasted."""
    schedule = SamplingSchedule.load(values) if source is None else _read(values, source, noise)
    if to is not None:
        print(to_text(schedule, to))
    if output is not None:
        schedule.save(output)
        views.note(f"wrote {output}")
    if to is None and output is None:
        views.console().print(views.schedule_table(schedule))


def _read(values: str, source: str, noise: str | None) -> SamplingSchedule:
    if noise is None:
        raise ArgumentError(
            "noise", "the model that the values are for, with --from", noise, "a preset, see: hso presets"
        )
    return from_text(read_values(values), source, options.noise_schedule(noise))
