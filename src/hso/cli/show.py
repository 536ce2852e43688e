"""``hso show``: print a saved schedule and how it was made."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated

import typer

from hso.cli import options, views
from hso.schedule import SamplingSchedule

EPILOG = """
[bold]Examples[/bold]

hso show schedule.json

hso show schedule.json --plot schedule.png
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show", epilog=EPILOG)(command)


def command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A schedule that hso saved.")],
    json: options.Json = False,
    plot: options.Plot = None,
) -> None:
    """Check a saved schedule, and print it and how it was made."""
    views.check_outputs(None, plot)
    schedule = SamplingSchedule.load(file)
    if json:
        views.print_json(schedule.to_dict())
    else:
        _print(schedule)
    if plot:
        views.draw(schedule, views.preset_of(schedule), plot)


def _print(schedule: SamplingSchedule) -> None:
    from rich.table import Table

    console = views.console()
    console.print(views.schedule_table(schedule))
    if (solver := views.solver_text(schedule)) is not None:
        console.print(solver)
    table = Table(title="provenance", title_justify="left", show_header=False)
    table.add_row("noise schedule", f"{schedule.noise_name} ({schedule.noise_fingerprint})")
    for name, value in schedule.provenance.items():
        table.add_row(name, value if isinstance(value, str) else json_text.dumps(value))
    console.print(table)
