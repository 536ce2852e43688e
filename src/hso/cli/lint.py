"""``hso lint``: find out what a host would do wrong with a schedule or with pasted values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hso.cli import options, views
from hso.hosts import HOSTS, find_host
from hso.hosts.base import KINDS
from hso.hosts.lint import ERROR, Finding, guess_kind, lint, lint_schedule
from hso.hosts.pasted import is_file, numbers, read_values
from hso.noise.config import read_json
from hso.schedule import SamplingSchedule

EPILOG = """
[bold]Examples[/bold]

hso lint schedule.json --host diffusers:EulerDiscrete

hso lint 999,749,499,249 --host diffusers:DPMSolverMultistep --nfe 4 --noise sd2.1

hso lint 14.6,3.1,0.8,0 --host k-diffusion
"""
FOUND_ERRORS = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("lint", epilog=EPILOG)(command)


def command(
    values: Annotated[str, typer.Argument(metavar="FILE|VALUES", help="A saved schedule, or numbers between commas.")],
    host: Annotated[str, typer.Option(metavar="HOST", help=f"{', '.join(HOSTS)}.")],
    kind: Annotated[
        str | None, typer.Option("--as", metavar="KIND", help=f"{' or '.join(KINDS)}; guessed if not given.")
    ] = None,
    noise: Annotated[
        str | None, typer.Option(help="The model, to check the range: a preset, a config or a folder.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(parser=options.path, metavar="FILE", help="scheduler_config.json, to check its settings."),
    ] = None,
    nfe: Annotated[
        int | None, typer.Option(parser=options.integer, metavar="N", help="Intended network calls.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Report the values that a host would change: round down, shift, leave out, or turn into NaN.

    The exit code is 1 if there are errors.
    """
    model = None if noise is None else options.noise_schedule(noise)
    settings = None if config is None else read_json(config)
    if is_file(values):
        schedule = SamplingSchedule.load(values)
        kind = find_host("host", host).kind_for(schedule) if kind is None else kind
        findings = lint_schedule(
            schedule, host, kind, noise=model or views.preset_of(schedule), config=settings, nfe=nfe
        )
    else:
        given = numbers(read_values(values))
        kind = guess_kind(given, host) if kind is None else kind
        findings = lint(given, host, kind, noise=model, config=settings, nfe=nfe)
    _print(findings, host, kind, json)
    if any(finding.level == ERROR for finding in findings):
        raise typer.Exit(FOUND_ERRORS)


def _print(findings: list[Finding], host: str, kind: str, json: bool) -> None:
    if json:
        views.print_json([finding._asdict() for finding in findings])
        return
    for finding in findings:
        views.say(f"{finding.level}: {finding.check}: {finding.text}")
    if not findings:
        views.say(f"no findings: {host} takes these {kind} as they are")
