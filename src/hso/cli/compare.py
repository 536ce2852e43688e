"""``hso compare``: find out which schedule is best for a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hso.cli import models, options, views

if TYPE_CHECKING:
    from hso.comparison.outcome import Outcome

EPILOG = """
[bold]Examples[/bold]

hso compare --model gaussian --nfe 4,5 -o runs/gaussian

hso compare --model digits --guidance 3 --solver ddim,unipc --samples 200 --processes 2 --also kid -o runs/digits

hso compare --model digits --solver ddim --nfe 5 --schedules all,mine.json -o runs/mine

hso compare --model path/to/pipeline --captions prompts.txt --guidance 7.5 --device cuda -o runs/mine

accelerate launch --multi_gpu --num_processes 2 -m hso compare --model PIPELINE --captions FILE --device cuda -o RUN
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare", epilog=EPILOG)(command)


def command(
    *,
    model: models.Model,
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", parser=options.path, metavar="DIR", help="Folder of the run; a run continues in its folder."
        ),
    ],
    solver: Annotated[str, typer.Option(metavar="NAME,...", help="Solvers.")] = "ddim,unipc,dpmpp_2m",
    nfe: Annotated[str, typer.Option(metavar="N,N,...", help="Numbers of network calls.")] = "4,5,6,8,10",
    schedules: Annotated[
        str,
        typer.Option(
            metavar="all|NAME|FILE.json,...",
            help="Schedules to compare: names or saved files; all does not include calibrated and tuned.",
        ),
    ] = "all",
    samples: Annotated[int, typer.Option(parser=options.integer, metavar="M", help="Images for each schedule.")] = 500,
    guidance: models.Guidance = 1.0,
    seed: models.Seed = 0,
    terminal: Annotated[
        str, typer.Option(metavar="NAME", help="Where all runs land: clean, t_min, published (UniPC on t_min).")
    ] = "clean",
    features: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="pixels, inception, classifier or transformers:ID_OR_FOLDER; by default the model's own features.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(parser=options.path, metavar="DIR", help="Real images, if they are not known.")
    ] = None,
    captions: models.Captions = None,
    no_class: models.NoClass = None,
    also: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="More metrics: kid, precision, recall. They keep features.")
    ] = None,
    device: models.Device = "cpu",
    batch: models.Batch = 50,
    reference_nfe: Annotated[
        int, typer.Option(parser=options.integer, metavar="N", help="Network calls of the reference.")
    ] = 100,
    resamples: Annotated[int, typer.Option(parser=options.integer, metavar="R", help="Of the bootstrap.")] = 1000,
    processes: Annotated[int, typer.Option(parser=options.integer, metavar="P", help="Local processes.")] = 1,
    finished: Annotated[bool, typer.Option("--finished", help="Generate nothing; report what is finished.")] = False,
    json: options.Json = False,
) -> None:
    """Sample a model with many schedules and report which one is best, with confidence intervals.

    A run can be stopped at any time; the same command continues it.
    """
    from hso.comparison.report import files as comparison_files
    from hso.comparison.runs.run import compare, finished_part
    from hso.comparison.runs.settings import ComparisonSettings
    from hso.comparison.subjects import SubjectSettings

    settings = ComparisonSettings(
        SubjectSettings(model, guidance, seed, device, features, data, captions, no_class),
        solvers=options.words("solver", solver),
        budgets=options.budgets(nfe),
        schedules=options.words("schedules", schedules),
        samples=samples,
        terminal=terminal,
        reference_nfe=reference_nfe,
        batch=batch,
        also=options.words("also", also) if also is not None else (),
    )
    comparison_files.check_ready()
    if finished:
        outcome: Outcome | None = finished_part(settings, out, resamples)
    else:
        with progress_bars() as progress:
            outcome = compare(settings, out, processes, resamples, progress)
    if outcome is None:
        return
    written = outcome.write()
    if json:
        views.print_json(comparison_files.to_json(outcome))
    else:
        _print(outcome)
    for path in written:
        views.note(f"wrote {path}")


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], object] | None]:
    """Progress bars on standard error; yields the function that moves them, or None if nobody can see them."""
    with views.bars() as bars:
        if bars is None:
            yield None
            return
        tasks = {"schedules": bars.add_task("schedules", total=None)}

        def progress(stage: str, amount: int, total: int) -> None:
            if stage not in tasks:
                bars.update(tasks["schedules"], total=1, completed=1)
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], advance=amount)

        yield progress


def _print(outcome: Outcome) -> None:
    """Print one table of the first metric for each solver, with the schedules in the order of their mean rank."""
    from rich.table import Table

    from hso.comparison.statistics.metrics import METRICS

    metric = outcome.metrics[0]
    marks = {"best": " *", "tied": " =", "": "  "}
    for solver in dict.fromkeys(solver for solver, _ in outcome.cells):
        title = f"{outcome.subject}, {solver}: {METRICS[metric].title}, {outcome.images} images"
        table = Table(title=title, title_justify="left")
        table.add_column("schedule")
        for nfe in outcome.settings.budgets:
            table.add_column(f"NFE {nfe}", justify="right")
        for name in (standing.name for standing in outcome.standings(metric)):
            rows = {row.entry.nfe: row for row in outcome.rows if row.entry.solver == solver and name in row.names}
            words = [
                f"{rows[nfe].figures[metric].value:.4g}{marks[outcome.verdict(rows[nfe], metric)]}"
                if nfe in rows
                else "-"
                for nfe in outcome.settings.budgets
            ]
            table.add_row(name, *words)
        views.console().print(table)
    print("* best of its column; = the interval of the difference to the best contains 0; - no such schedule")
    if outcome.caution:
        views.note(f"caution: {outcome.caution}")
    for refusal in outcome.plan.refused:
        views.note(f"refused: {refusal.name}, NFE {refusal.nfe}: {refusal.reason}")
