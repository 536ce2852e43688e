"""``hso rule``: make the schedule of a closed-form rule or of a published table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from hso.cli import options, views
from hso.errors import ArgumentError
from hso.noise import NoiseSchedule
from hso.rules import PIPELINE_RULES, RULES, Span, rule_schedule
from hso.schedule import CLEAN, SamplingSchedule

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
    output: Annotated[
        Path | None, typer.Option("-o", "--output", parser=options.path, metavar="FILE", help="Save the schedule.")
    ] = None,
    plot: options.Plot = None,
) -> None:
    """Print, save or draw the schedule of a rule, for use or for comparison."""
    views.check_outputs(output, plot)
    source = options.noise_schedule(noise)
    schedule = _made(name, source, nfe, terminal, Span(t_max, t_min, rho, sigma_data))
    with views.saved(schedule, output):
        if json:
            views.print_json(schedule.to_dict())
        else:
            views.console().print(views.schedule_table(schedule))
    if plot:
        views.draw(schedule, source, plot)


def _made(name: str, noise: NoiseSchedule, nfe: int, terminal: str, span: Span) -> SamplingSchedule:
    """The schedule of a rule.

    Raises:
        ArgumentError: If it would be the same with another value of an option that was given.
    """
    schedule = rule_schedule(name, noise, nfe, terminal, span)
    first = noise.t_range[1] if span.t_max is None else span.t_max
    others = {"rho": 3.0 if span.rho == 2 else 2.0, "sigma_data": 3.0 if span.sigma_data == 2 else 2.0}
    if span.t_min is not None:
        others["t_min"] = (span.t_min + first) / 2
    for argument, other in others.items():
        value, changed = getattr(span, argument), replace(span, **{argument: other})
        if value != getattr(Span(), argument) and _is_made(schedule, name, noise, nfe, terminal, changed):
            raise ArgumentError(argument, f"none, because it changes nothing in {name} with {nfe} nodes", value)
    return schedule


def _is_made(schedule: SamplingSchedule, *asked: Any) -> bool:
    """Whether a rule gives this schedule. One that cannot be made is another one."""
    try:
        return rule_schedule(*asked) == schedule
    except ArgumentError:
        return False
