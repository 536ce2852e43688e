"""``hso presets``: list the noise schedules that have a name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hso.cli import options, views
from hso.noise import NoiseSchedule, presets, refusals

EPILOG = """
[bold]Examples[/bold]

hso presets

hso presets sd2.1 --json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("presets", epilog=EPILOG)(command)


def command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this one only.")] = None,
    json: options.Json = False,
) -> None:
    """List the models whose noise schedules have a name, and the sources of their constants."""
    records = [_record(each) for each in ([*presets()] if name is None else [name])]
    if json:
        views.print_json(records if name is None else records[0], indent=2)
    elif name is None:
        _print_table(records)
    else:
        _print_one(records[0])


def _record(name: str) -> dict[str, Any]:
    noise = NoiseSchedule.preset(name)
    cleanest, noisiest = noise.t_range
    return {
        **presets()[name]._asdict(),
        "sigma_min": float(noise.sigmas(cleanest)),
        "sigma_max": float(noise.sigmas(noisiest)),
        "train_steps": noise.train_steps,
        "boundary_time": noise.boundary_time,
        "fingerprint": noise.fingerprint,
    }


def _print_table(records: list[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table("name", "model", "space", "guidance", "solver", "sigma~ range", "source")
    for record in records:
        facts = [_word(record["space"]), _word(record["guidance"]), record["solver"], _sigma_range(record)]
        table.add_row(record["name"], record["title"], *facts, record["source"])
    refused = Table("refused", "model", "reason", "source")
    for refusal in refusals().values():
        refused.add_row(*refusal)
    views.console().print(table, refused)


def _print_one(record: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(show_header=False)
    for name, value in record.items():
        if not name.startswith("sigma") and name != "config":
            table.add_row(name, _word(value))
    table.add_row("sigma~ range", _sigma_range(record))
    for name, value in record["config"].items():
        table.add_row(name, str(value))
    views.console().print(table)


def _word(value: Any) -> str:
    return "-" if value is None else str(value)


def _sigma_range(record: dict[str, Any]) -> str:
    return f"{record['sigma_min']:.4g} .. {record['sigma_max']:.4g}"
