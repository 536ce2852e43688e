"""``hso rule``: make the schedule of a closed-form rule or of a published table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hso.cli import options, views
from hso.rules import PIPELINE_RULES, RULES, Span, rule_schedule
from hso.schedule import CLEAN

EPILOG = """
[bold]Examples[/bold]

hso rule trailing --noise sd2.1 --nfe 5

hso rule edm --noise sdxl --nfe 8 --rho 5 --t-max 0.98 -o edm.json

hso rule ays_sdxl --noise sdxl --nfe 10 --plot ays.png
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rule", epilog=EPILOG)(command)


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{', '.join((*RULES, *PIPELINE_RULES))}.")],
    *,
    noise: Annotated[str, typer.Option(help="A preset (see: hso presets), a scheduler_config.json or a model folder.")],
    nfe: Annotated[int, typer.Option("--nfe", parser=options.integer, metavar="N", help="Number of nodes.")],
    terminal: Annotated[str, typer.Option(metavar="NAME", help="Where the last step lands: clean, t_min.")] = CLEAN,
    t_max: Annotated[
        float | None, typer.Option(parser=options.real, metavar="T", help="Time of the first node.")
    ] = None,
    t_min: Annotated[
        float | None, typer.Option(parser=options.real, metavar="T", help="Time of the last knot.")
    ] = None,
    rho: Annotated[
        float | None, typer.Option(parser=options.real, metavar="X", help="Exponent of edm and polyexponential.")
    ] = None,
    sigma_data: Annotated[
        float, typer.Option(parser=options.real, metavar="X", help="Standard deviation of the data, for arctan.")
    ] = 1.0,
    json: options.Json = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Save the schedule.")] = None,
    plot: options.Plot = None,
) -> None:
    """Print, save or draw the schedule of a rule, for use or for comparison."""
    views.check_outputs(output, plot)
    source = options.noise_schedule(noise)
    schedule = rule_schedule(name, source, nfe, terminal, Span(t_max, t_min, rho, sigma_data))
    with views.saved(schedule, output):
        if json:
            views.print_json(schedule.to_dict())
        else:
            views.console().print(views.schedule_table(schedule))
    if plot:
        views.draw(schedule, source, plot)
