"""``hso table``: optimize schedules for many models and budgets, and write them as JSON and as a page."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from hso.cli import options, views
from hso.cli.optimize import to_json
from hso.errors import ArgumentError, check_integer
from hso.files import make_folder, write_atomic
from hso.noise import NoiseSchedule, Preset, presets
from hso.optimize import Result, optimize
from hso.solvers import Solver, make_solver

EPILOG = """
[bold]Examples[/bold]

hso table --nfe 4-20 -o schedules

hso table --models sd2.1,sdxl --nfe 4,5,8 --solver unipc -o schedules
"""
ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("table", epilog=EPILOG)(command)


def command(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", parser=options.path, metavar="DIR", help="Folder to write; made if missing."),
    ],
    models: Annotated[str, typer.Option(metavar="NAMES", help="Presets between commas, or all.")] = ALL,
    nfe: Annotated[str, typer.Option(metavar="N-N", help="Budgets: a range such as 4-20, or 4,5,8.")] = "4-20",
    solver: Annotated[
        str | None, typer.Option(metavar="NAME", help="One solver for all models; by default each model's own.")
    ] = None,
) -> None:
    """Optimize schedules for many models and write a table of them.

    The folder gets one JSON file for each model, and a page index.md to read.
    """
    chosen = _models(models)
    budgets = options.budgets(nfe)
    for preset in chosen:
        _check(preset, budgets, solver)
    make_folder(output)
    pages = []
    for preset in _with_progress(chosen):
        noise = NoiseSchedule.preset(preset.name)
        method = _solver(preset, solver)
        results = [optimize(noise, budget, solver=method) for budget in _served(preset, budgets, method)]
        content = {"model": preset.name, "source": preset.source, "schedules": [to_json(result) for result in results]}
        write_atomic(output / f"{preset.name}.json", views.json_text(content, indent=1).encode())
        pages.append(_page(preset, results))
    write_atomic(output / "index.md", ("# Optimized schedules\n\n" + "\n".join(pages)).encode())
    views.note(f"wrote {len(chosen)} models x {len(budgets)} budgets to {output}")


def _models(names: str) -> list[Preset]:
    known = presets()
    if names == ALL:
        return list(known.values())
    words = options.words("models", names)
    for name in words:
        NoiseSchedule.preset(name)  # names the nearest, or why a model is refused
    return [known[name] for name in words]


def _with_progress(chosen: list[Preset]) -> Iterator[Preset]:
    if not sys.stderr.isatty():
        yield from chosen
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(chosen, "optimizing", console=Console(stderr=True))


def _solver(preset: Preset, name: str | None) -> Solver:
    return make_solver(preset.solver if name is None else name)


def _check(preset: Preset, budgets: Sequence[int], name: str | None) -> None:
    """Find out, before the work, whether the solver and the budgets fit the model.

    Raises:
        ArgumentError: If there is no such solver, or the noise schedule cannot have so many nodes.
    """
    most = _solver(preset, name).nfe(NoiseSchedule.preset(preset.name).max_nfe)
    for nfe in budgets:
        check_integer("nfe", nfe, 1, most, "the most network calls that this noise schedule has nodes for")


def _served(preset: Preset, budgets: Sequence[int], solver: Solver) -> Iterator[int]:
    """The budgets that the solver can spend exactly; a note names each of the others."""
    for nfe in budgets:
        try:
            solver.nodes(nfe)
        except ArgumentError as error:
            views.note(f"left out: {preset.name}: {error}")
        else:
            yield nfe


def _page(preset: Preset, results: list[Result]) -> str:
    lines = [
        f"## {preset.title} (`{preset.name}`)",
        "",
        "| NFE | solver | lands on | t | sigma~ | note |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(result) for result in results]
    return "\n".join([*lines, "", f"Source of the constants: {preset.source}.", ""])


def _row(result: Result) -> str:
    schedule = result.schedule
    end = "clean" if schedule.ends_clean else f"t = {schedule.terminal_time:.4g}"
    times = " ".join(f"{t:.4f}" for t in schedule.times)
    sigmas = " ".join(f"{sigma:.4g}" for sigma in schedule.sigmas)
    note = "" if result.feasible else result.message
    return "| " + " | ".join([str(result.nfe), result.solver.name, end, times, sigmas, note]) + " |"
