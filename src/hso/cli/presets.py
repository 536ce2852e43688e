"""``hso presets``: list the noise schedules that have a name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hso.cli import options, views
from hso.hosts.hub import pipeline_folder
from hso.noise import NoiseSchedule, presets, refusals
from hso.noise.check import Check, check_folder

EPILOG = """
[bold]Examples[/bold]

hso presets

hso presets sd2.1 --json

hso presets --check path/to/my-wan

hso presets wan2.2 --check Wan-AI/Wan2.2-T2V-A14B-Diffusers
"""
FOUND_DIFFERENCES = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("presets", epilog=EPILOG)(command)


def command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this one only.")] = None,
    check: Annotated[
        str | None,
        typer.Option(metavar="PIPELINE", help="Compare a diffusers folder, or a model on the hub, with its preset."),
    ] = None,
    json: options.Json = False,
) -> None:
    """List the models whose noise schedules have a name, and the sources of their constants.

    With --check, say what a pipeline has otherwise than its preset. The exit code is then 1 if something differs.
    """
    if check is not None:
        _check(check_folder(pipeline_folder(check), name), json)
        return
    records = [_record(each) for each in ([*presets()] if name is None else [name])]
    if json:
        views.print_json(records if name is None else records[0], indent=2)
    elif name is None:
        _print_table(records)
    else:
        _print_one(records[0])


def _check(found: Check, json: bool) -> None:
    differences = [difference._asdict() for difference in found.differences]
    if json:
        views.print_json({"preset": found.preset.name, "same_noise": found.same_noise, "differences": differences})
    else:
        _print_check(found)
    if differences:
        raise typer.Exit(FOUND_DIFFERENCES)


def _print_check(found: Check) -> None:
    same = "the same noise levels" if found.same_noise else "other noise levels"
    views.say(f"{found.preset.name}: {same}, {len(found.differences)} differences")
    for what, ours, theirs in found.differences:
        views.say(f"{what}: preset {_word(ours)}, found {_word(theirs)}")
    if found.differences and found.preset.note:
        views.say(f"note: {found.preset.note}")


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

    table = Table("name", "model", "space", "guidance", "solver", "default rule", "sigma~ range", "source")
    for record in records:
        facts = [_word(record["space"]), _word(record["guidance"]), record["solver"]]
        facts += [_word(record["default_rule"]), _sigma_range(record)]
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
