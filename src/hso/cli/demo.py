"""``hso demo``: a small comparison of schedules on the bundled model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hso.cli import models, options, views
from hso.cli.compare import progress_bars
from hso.schedule import CLEAN

if TYPE_CHECKING:
    from hso.comparison.report.showcase import Showcase

EPILOG = """
[bold]Examples[/bold]

hso demo

hso demo --nfe 4,6 --guidance 1 --out demo-without-guidance

hso demo --model benchmarks/models/patches --out demo-in-colour
"""

# The first columns hold text and are aligned to the left.
LEFT = 4


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", epilog=EPILOG)(command)


def command(
    *,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="digits, or the folder of a pipeline of images.")
    ] = "digits",
    out: Annotated[Path, typer.Option(parser=options.path, metavar="DIR", help="Folder to write to.")] = Path("demo"),
    nfe: Annotated[str, typer.Option(metavar="N,N,...", help="Numbers of network calls.")] = "4,5,6,8,10",
    samples: Annotated[int, typer.Option(parser=options.integer, metavar="M", help="Images for each schedule.")] = 100,
    guidance: models.Guidance = 3.0,
    terminal: Annotated[str, typer.Option(metavar="NAME", help="Where all schedules land: clean, t_min.")] = CLEAN,
    seed: models.Seed = 0,
    json: options.Json = False,
) -> None:
    """Compare a few schedules on a small model, and write pictures and a table.

    It takes about two minutes on two cores. A run can be stopped at any time; the same command continues it.
    """
    from hso.comparison.demo import NAMES, demo_settings, processes_for
    from hso.comparison.report.files import check_ready, to_json
    from hso.comparison.report.showcase import Showcase
    from hso.comparison.runs.run import compare
    from hso.comparison.subjects import load_subject

    settings = demo_settings(options.budgets(nfe), samples, guidance, terminal, seed, model)
    check_ready()
    with progress_bars() as progress:
        outcome = compare(settings, out / "run", processes_for(settings), progress=progress)
    if outcome is None:
        return
    showcase = Showcase(outcome, NAMES, load_subject(settings.subject).noise)
    written = showcase.write(out)
    if json:
        views.print_json(to_json(outcome))
    else:
        _print(showcase)
    for path in written:
        views.note(f"wrote {path}")


def _print(showcase: Showcase) -> None:
    from rich.table import Table

    table = Table(title=showcase.title, title_justify="left")
    for index, heading in enumerate(showcase.heads):
        table.add_column(heading, justify="left" if index < LEFT else "right")
    for row in showcase.table():
        table.add_row(*row)
    views.console().print(table)
    print("* best of its solver and number of calls; = the interval of the difference to the best contains 0")
