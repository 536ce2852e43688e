"""``hso demo``: the main job, done on the bundled model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hso.cli import options, views
from hso.schedule import CLEAN

if TYPE_CHECKING:
    from hso.comparison.demo import Outcome

EPILOG = """
[bold]Examples[/bold]

hso demo

hso demo --nfe 4,6 --guidance 1 --out demo-without-guidance
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", epilog=EPILOG)(command)


def command(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.")] = Path("demo"),
    nfe: Annotated[str, typer.Option(metavar="N,N,...", help="Numbers of network evaluations.")] = "4,5,8",
    samples: Annotated[int, typer.Option(parser=options.integer, metavar="M", help="Samples for each row.")] = 100,
    guidance: Annotated[float, typer.Option(parser=options.real, metavar="X", help="Guidance scale; 1 is none.")] = 3.0,
    terminal: Annotated[
        str, typer.Option(metavar="NAME", help="Where optimized schedules land: clean, t_min.")
    ] = CLEAN,
    seed: Annotated[int, typer.Option(parser=options.integer, metavar="SEED", help="Of the initial noise.")] = 0,
    json: options.Json = False,
) -> None:
    """Optimize schedules for the bundled model, sample with them, and write pictures and a table.

    It takes about a minute on two cores.
    """
    from hso.comparison import demo
    from hso.comparison import demo_report as report

    settings = demo.Settings(options.budgets(nfe), samples, guidance, terminal, seed)
    report.prepare(out)
    noise = demo.bundled_noise()
    rows = demo.plan(noise, settings)
    with _progress(demo.work(rows, settings)) as advance:
        outcome = demo.run(noise, rows, settings, advance)
    written = report.write(outcome, settings, out)
    if json:
        views.print_json(report.to_json(outcome, settings))
    else:
        _print(outcome)
    for path in written:
        views.note(f"wrote {path}")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], object]]:
    """A progress bar on standard error; yields what moves it."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("sampling", total=total)
        yield lambda amount: progress.advance(task, amount)


def _print(outcome: Outcome) -> None:
    from rich.table import Table

    from hso.comparison import demo_report as report

    table = Table(title=f"{outcome.noise.name}: {len(outcome.images[0])} samples in each row", title_justify="left")
    for index, heading in enumerate(report.COLUMNS):
        table.add_column(heading, justify="left" if index < 5 else "right")
    for row in report.table(outcome):
        table.add_row(*row, end_section=row[2] in ("HSO", "reference"))
    views.console().print(table)
    print(report.LEGEND)
