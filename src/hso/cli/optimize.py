"""``hso optimize``: a noise schedule, a budget and a solver in; a sampling schedule out."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from hso.cli import options, views
from hso.errors import ArgumentError
from hso.objectives import OBJECTIVES
from hso.optimize import DEFAULT_TERMINAL, Result, optimize
from hso.schedule import TERMINALS
from hso.search import STRATEGIES, Box, Exact
from hso.search.exact import CONTINUOUS, TRAINING

EPILOG = """
[bold]Examples[/bold]

hso optimize --noise sd2.1 --nfe 5 --solver unipc

hso optimize --noise path/to/model --nfe 8 --solver ddim -o schedule.json --plot schedule.png

hso optimize --noise sdxl --nfe 4 --json
"""
# Options that only some strategies look at; the others refuse them rather than ignore them.
USED_BY = {
    "grid": ("exact",),
    "rho": ("bilevel", "published"),
    "t_min": ("exact", "bilevel", "published"),
    "t_max": ("exact", "bilevel", "published"),
}
Pair = tuple[float, float]


def _choice(help: str, names: Iterable[str]) -> Any:
    return typer.Option(metavar="NAME", help=f"{help}: {', '.join(names)}.")


def _range(help: str) -> Any:
    return typer.Option(parser=options.real, metavar="LO HI", help=help)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("optimize", epilog=EPILOG)(command)


def command(
    *,
    noise: Annotated[str, typer.Option(help="A preset (see: hso presets), a scheduler_config.json or a model folder.")],
    nfe: Annotated[int, typer.Option(parser=options.integer, metavar="N", help="Number of network evaluations.")],
    solver: Annotated[str, _choice("Decides the terminal", DEFAULT_TERMINAL)] = "unipc",
    strategy: Annotated[str, _choice("How to search", STRATEGIES)] = "exact",
    objective: Annotated[str, _choice("What is to be small", OBJECTIVES)] = "mep",
    p: Annotated[
        float,
        typer.Option(
            "--p", parser=options.real, metavar="P", help="Error exponent: 2 for latent models, 1 for pixels."
        ),
    ] = 2.0,
    t_min: Annotated[Pair | None, _range("Range of the last knot's time.")] = None,
    t_max: Annotated[Pair | None, _range("Range of the first node's time.")] = None,
    rho: Annotated[Pair | None, _range("Range of the exponent of Eq. 2 (bilevel, published).")] = None,
    d_min: Annotated[
        float | None,
        typer.Option(
            parser=options.real,
            metavar="X",
            help="Least distance of knots in t; the published rule if not given, 0 for none.",
            show_default=False,
        ),
    ] = None,
    terminal: Annotated[
        str | None, _choice("Where the last step lands, if not where the solver's own does", TERMINALS)
    ] = None,
    grid: Annotated[
        str | None, _choice("Where exact puts its nodes; training is on whole timesteps", (CONTINUOUS, TRAINING))
    ] = None,
    seed: Annotated[int, typer.Option(parser=options.integer, metavar="SEED", help="Of the random searches.")] = 0,
    json: options.Json = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Save the schedule.")] = None,
    plot: options.Plot = None,
) -> None:
    """Find the best sampling schedule for a model's noise schedule.

    It takes milliseconds and needs no weights, no data and no GPU.
    """
    _refuse_unused(strategy, {"grid": grid, "rho": rho, "t_min": t_min, "t_max": t_max})
    ranges = {name: pair for name, pair in (("rho", rho), ("t_min", t_min), ("t_max", t_max)) if pair is not None}
    source = options.noise_schedule(noise)
    with _patience(strategy):
        result = optimize(
            source,
            nfe,
            solver=solver,
            strategy=strategy if grid is None else Exact(grid),
            objective=objective,
            p=p,
            box=Box(**ranges) if ranges else None,
            d_min=d_min,
            terminal=terminal,
            seed=seed,
        )
    if json:
        views.print_json(to_json(result))
    else:
        _print(result)
    if output:
        result.schedule.save(output)
        views.note(f"wrote {output}")
    if plot:
        views.draw(result.schedule, source, plot)


def to_json(result: Result) -> dict[str, Any]:
    """What ``--json`` prints; the keys and their order are part of the interface."""
    schedule = result.schedule
    return {
        "nfe": schedule.nfe,
        "solver": result.solver,
        "strategy": result.strategy,
        "noise": schedule.noise_name,
        "timesteps": None if schedule.train_steps is None else schedule.timesteps.tolist(),
        "times": schedule.times.tolist(),
        "lambdas": schedule.lambdas.tolist(),
        "sigmas": schedule.sigmas.tolist(),
        "terminal": "clean" if schedule.ends_clean else schedule.terminal,
        "objective": result.objective,
        "penalty": result.penalty,
        "fitness": result.fitness,
        "feasible": result.feasible,
        "psi": result.psi._asdict(),
        "evaluations": result.evaluations,
        "seconds": result.seconds,
    }


def _refuse_unused(strategy: str, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value is not None and strategy in STRATEGIES and strategy not in USED_BY[name]:
            expected = f"strategy {' or '.join(USED_BY[name])} with it, for {strategy} does not look at it"
            raise ArgumentError(name, expected, value)


def _patience(strategy: str) -> AbstractContextManager[object]:
    """A spinner, where somebody watches a search that may take long."""
    if strategy == "exact" or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(f"searching, strategy {strategy} (published takes up to a minute) ...")


def _print(result: Result) -> None:
    console = views.console()
    schedule = result.schedule
    console.print(views.schedule_table(schedule))
    knots = schedule.times if schedule.ends_clean else np.append(schedule.times, schedule.terminal_time)
    least = f"{-np.diff(knots).max():.5f}" if len(knots) > 1 else "none"
    console.print(
        f"{schedule.provenance['objective']} {result.objective:.6g}, penalty {result.penalty:.3g}, "
        f"fitness {result.fitness:.6g}"
    )
    kept, style = ("kept", None) if result.feasible else ("NOT kept", "bold red")
    console.print(f"least gap {least}, d_min {result.d_min:.5f} {kept}", style=style)
    message = result.message.rstrip(".")
    console.print(f"{result.strategy}: {message}; {result.evaluations} evaluations in {result.seconds:.3g} s")
