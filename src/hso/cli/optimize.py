"""``hso optimize``: find the sampling schedule for a noise schedule, a budget and a solver."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from hso.cli import options, views
from hso.errors import ArgumentError, check_integer, check_real
from hso.models.calibration import Calibration
from hso.noise import NoiseSchedule
from hso.objectives import OBJECTIVES
from hso.optimize import EVERY, Result, objective_for, optimize, strategy_for
from hso.registry import settings_of
from hso.schedule import TERMINALS
from hso.search import STRATEGIES, Boundary, Box, Constraints, Strategy
from hso.search.windows import CLOSEST
from hso.solvers import SOLVERS, Learned, label_of

EPILOG = """
[bold]Examples[/bold]

hso optimize --noise sd2.1 --nfe 5 --solver unipc

hso optimize --noise path/to/model --nfe 8 --solver ddim -o schedule.json --plot schedule.png

hso optimize --noise sdxl --nfe 4 --solver unipc:order=2 --objective mep:p=1 --json

hso optimize --noise sdxl --nfe 8 --strength 0.6

hso optimize --noise wan2.2 --nfe 6 --per-expert 2

hso optimize --noise path/to/model --nfe 6 --solver unipc --calibration model.calibration
"""
IN_DIFFUSERS = "In diffusers: pipe.scheduler = PlannedScheduler.from_scheduler(pipe, hso.SamplingSchedule.load(FILE))"
HOW_TO_USE_LEARNED = (
    f"learned: the coefficients are saved with the schedule (-o FILE); no other solver may run it. {IN_DIFFUSERS}"
)
HOW_TO_USE_TOLD = (
    f"told: the timesteps are what the network is told, t and sigma~ are those of the states. {IN_DIFFUSERS}"
)
Pair = tuple[float, float]


def _choice(help: str, names: Iterable[str]) -> Any:
    return typer.Option(metavar="NAME", help=f"{help}: {', '.join(names)}.")


def _range(help: str) -> Any:
    return typer.Option(parser=options.real, metavar="LO HI", help=help)


def _number(metavar: str, help: str) -> Any:
    return typer.Option(parser=options.real, metavar=metavar, help=help, show_default=False)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("optimize", epilog=EPILOG)(command)


def command(
    *,
    noise: Annotated[
        str,
        typer.Option(help="A preset (see: hso presets), a scheduler_config.json, a model folder, or digits (bundled)."),
    ],
    nfe: Annotated[int, typer.Option(parser=options.integer, metavar="N", help="Number of network evaluations.")],
    solver: Annotated[
        str, _choice("The solver that will use the schedule; with a calibration also auto, the best", SOLVERS)
    ] = "unipc",
    strategy: Annotated[str | None, _choice("The search strategy", STRATEGIES)] = None,
    objective: Annotated[str | None, _choice("The objective to minimize", OBJECTIVES)] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            parser=options.path, metavar="FILE", help="A file of hso calibrate for the model; see docs/calibration.md."
        ),
    ] = None,
    t_min: Annotated[Pair | None, _range("Range of the last knot's time.")] = None,
    t_max: Annotated[Pair | None, _range("Range of the first node's time.")] = None,
    rho: Annotated[Pair | None, _range("Range of the exponent of Eq. 2 (bilevel, published).")] = None,
    d_min: Annotated[
        float | None, _number("X", "Least distance of knots in t; by default the published rule; 0 allows any.")
    ] = None,
    strength: Annotated[
        float | None, _number("T", "Begin part-way, at this time: the strength of image-to-image.")
    ] = None,
    start_sigma: Annotated[
        float | None, _number("SIGMA", "Begin part-way, at this sigma / alpha; for flows sigma / (1 - sigma).")
    ] = None,
    boundary: Annotated[
        float | None, _number("T", "Time at which the model changes networks; by default the model's own, if known.")
    ] = None,
    per_expert: Annotated[
        int | None,
        typer.Option(
            parser=options.integer, metavar="K", help="Least number of nodes for each of two networks; 0 allows any."
        ),
    ] = None,
    terminal: Annotated[
        str | None,
        _choice(
            "Where the last step lands; by default the solver decides; with a calibration also auto",
            TERMINALS,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(parser=options.integer, metavar="SEED", help="Of the random searches.")] = 0,
    json: options.Json = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", parser=options.path, metavar="FILE", help="Save the schedule.")
    ] = None,
    plot: options.Plot = None,
) -> None:
    """Find the best sampling schedule for a model's noise schedule.

    It takes milliseconds and needs no weights, no data and no GPU. Settings may follow a name: unipc:order=2,
    exact:grid=training, mep:p=1,jump=costed. With a calibration the schedule is made for exactly that model and the
    solver.
    """
    views.check_outputs(output, plot)
    source = options.noise_schedule(noise)
    measured = None if calibration is None else Calibration.load(calibration)
    goal = objective_for(objective, measured, nfe)
    ranges = {name: pair for name, pair in (("rho", rho), ("t_min", t_min), ("t_max", t_max)) if pair is not None}
    constraints = Constraints(
        box=Box(**ranges) if ranges else None,
        d_min=d_min,
        start=_start(source, strength, start_sigma),
        boundary=_boundary(source, boundary, per_expert),
    )
    method = strategy_for(strategy, objective, measured, source, constraints)
    _refuse_unused(method, {**ranges, "boundary": boundary, "per_expert": per_expert})
    with _patience(method, solver):
        result = optimize(
            source,
            nfe,
            solver=solver,
            strategy=method,
            objective=goal,
            constraints=constraints,
            terminal=terminal,
            seed=seed,
        )
    with views.saved(result.schedule, output):
        if json:
            views.print_json(to_json(result))
        else:
            _print(result, source)
    if plot:
        views.draw(result.schedule, source, plot)


def to_json(result: Result) -> dict[str, Any]:
    """The object that ``--json`` prints. The keys and their order are part of the interface."""
    schedule = result.schedule
    return {
        "nfe": result.nfe,
        "solver": label_of(result.solver),
        "strategy": result.strategy.name,
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
        "constraints": settings_of(result.constraints),
        "told_times": None if schedule.told_times is None else schedule.told_times.tolist(),
    }


def _refuse_unused(strategy: Strategy, given: dict[str, Any]) -> None:
    """Refuse options that the strategy would ignore."""
    looks_at = {"rho": strategy.uses_rho, "t_min": strategy.uses_box, "t_max": strategy.uses_box}
    for name, value in given.items():
        if value is not None and not looks_at.get(name, strategy.keeps_boundary):
            raise ArgumentError(name, f"none with strategy {strategy.name}, which does not use it", value)


def _start(noise: NoiseSchedule, strength: float | None, sigma: float | None) -> float | None:
    """Time of the first node, if the run begins part-way."""
    if strength is not None and sigma is not None:
        raise ArgumentError("start_sigma", "none with --strength, because both say where the run begins", sigma)
    if sigma is None:
        return None if strength is None else check_real("strength", strength, 0.0, 1.0)
    cleanest, noisiest = noise.sigmas(noise.t_range).tolist()
    return noise.time_of_sigma(check_real("start_sigma", sigma, cleanest, noisiest, "sigma / alpha"))


def _boundary(noise: NoiseSchedule, t: float | None, nodes: int | None) -> Boundary | None:
    """The given boundary. If only the number of nodes is given, it is at the model's own time."""
    if t is None and nodes is None:
        return None
    t = noise.boundary_time if t is None else t
    if t is None:
        raise ArgumentError(
            "per_expert", f"--boundary too, because {noise.name} is not known to have two networks", nodes
        )
    return Boundary(t, 1 if nodes is None else check_integer("per_expert", nodes, 0, noise.max_nfe))


def _patience(strategy: Strategy, solver: str) -> AbstractContextManager[object]:
    """A spinner for a search that may take long, if somebody watches."""
    several = solver == EVERY
    if not sys.stderr.isatty() or (strategy.name in ("exact", "halfway") and not several):
        return nullcontext()
    from rich.console import Console

    longest = "published and all solvers take up to a minute"
    return Console(stderr=True).status(f"searching, strategy {strategy.name}, solver {solver} ({longest}) ...")


def _print(result: Result, noise: NoiseSchedule) -> None:
    console = views.console()
    schedule = result.schedule
    console.print(views.schedule_table(schedule))
    gaps = -np.diff(schedule.knot_times)
    least = f"{gaps.min():.5f}" if len(gaps) else "none"
    console.print(
        f"{label_of(result.solver)}: {schedule.provenance['objective']} {result.objective:.6g}, "
        f"penalty {result.penalty:.3g}, fitness {result.fitness:.6g}"
    )
    for line in _parts(result, noise):
        console.print(line)
    kept, style = ("kept", None) if result.feasible else ("NOT kept", "bold red")
    console.print(f"least distance {least}, d_min {result.constraints.d_min or 0:.5f} {kept}", style=style)
    message = result.message.rstrip(".")
    console.print(f"{result.strategy.name}: {message}; {result.evaluations} evaluations in {result.seconds:.3g} s")
    if isinstance(result.solver, Learned):
        console.print(HOW_TO_USE_LEARNED)
    if schedule.told_times is not None:
        console.print(HOW_TO_USE_TOLD)


def _parts(result: Result, noise: NoiseSchedule) -> Iterator[str]:
    """Lines for a run that begins part-way and for a model of two networks; no lines for other runs."""
    schedule, boundary = result.schedule, result.constraints.boundary
    if result.constraints.start is not None:
        yield f"begins part-way at t = {schedule.times[0]:.5f}, with an image noised to sigma~ = {schedule.sigmas[0]:.5f}"
    change = boundary.t if isinstance(boundary, Boundary) else noise.boundary_time
    if change is not None:
        first = int((schedule.times >= change - CLOSEST).sum())
        asked = f"at least {boundary.nodes} each" if isinstance(boundary, Boundary) else "no least number"
        yield f"networks change at t = {change:.5f}: {first} nodes, then {schedule.nfe - first} ({asked})"
