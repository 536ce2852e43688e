"""``hso tune``: find the best schedule for a model by real runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hso.cli import models, options, views
from hso.errors import ArgumentError
from hso.models.calibration import Calibration
from hso.solvers import label_of

if TYPE_CHECKING:
    from hso.comparison.subjects import Subject
    from hso.tuning.candidates import Candidate
    from hso.tuning.tune import Tuned

EPILOG = """
[bold]Examples[/bold]

hso tune --model digits --guidance 3 --nfe 6 --solver unipc -o digits-6.json

hso tune --model path/to/pipeline --captions prompts.txt --nfe 8 --calibration pipeline.calibration -o tuned.json

hso tune --model PIPELINE --captions FILE --nfe 6 --features transformers:facebook/dinov2-small -o tuned.json
"""
BANDS, OWN = "bands", "own"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("tune", epilog=EPILOG)(command)


def command(
    *,
    model: models.Model,
    nfe: Annotated[int, typer.Option(parser=options.integer, metavar="N", help="Number of network calls.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", parser=options.path, metavar="FILE", help="File for the schedule.")
    ],
    solver: Annotated[str, typer.Option(metavar="NAME", help="The solver, or auto to choose by real runs.")] = "unipc",
    strategy: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="free; learned: the solver's coefficients too; told: the network's times too."
        ),
    ] = "free",
    calibration: Annotated[
        Path | None, typer.Option(parser=options.path, metavar="FILE", help="A file of hso calibrate.")
    ] = None,
    features: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Features to compare images by: bands, pixels, inception, classifier, transformers:ID_OR_FOLDER, own.",
        ),
    ] = BANDS,
    images: Annotated[
        int, typer.Option(parser=options.integer, metavar="B", help="Images; a third is for the last test.")
    ] = 192,
    budget: Annotated[
        int | None,
        typer.Option(parser=options.integer, metavar="C", help="Limit of network calls; each image counts as one."),
    ] = None,
    batch: models.Batch = 16,
    guidance: models.Guidance = 1.0,
    captions: models.Captions = None,
    no_class: models.NoClass = None,
    device: models.Device = "cpu",
    seed: models.Seed = 0,
    json: options.Json = False,
) -> None:
    """Run candidate schedules and improve the best one. If new images do not confirm it, the safe schedule is kept.

    A run can be stopped at any time; the same command continues it. Under accelerate launch all processes share the images.
    """
    from hso.comparison.subjects import load_subject
    from hso.comparison.subjects.base import TUNING_IMAGES
    from hso.comparison.subjects.features import check_features
    from hso.tuning.tune import tune

    views.check_outputs(output)
    check_features(features, (BANDS, OWN))
    count, size = models.counts(images, batch)
    measured = None if calibration is None else Calibration.load(calibration)
    team = models.team(device)
    named = "pixels" if features == BANDS else features
    settings = models.settings_of(model, guidance, seed, device, captions, no_class, named)
    subject = load_subject(settings)
    with (
        models.kept_beside(output, subject, settings, team) as folder,
        models.progress_bar("network calls") as progress,
    ):
        found = tune(
            subject.images(TUNING_IMAGES, count, size),
            subject.noise,
            nfe=nfe,
            solver=solver,
            strategy=strategy,
            calibration=measured,
            prediction=subject.prediction,
            features=None if features == BANDS else _rows(subject),
            budget=budget,
            folder=folder,
            progress=progress and (lambda stage, done, total: progress(done, total)),
            seed=seed,
            team=team,
        )
        if team.is_first:
            found.schedule.save(output)
    if team.is_first:
        if json:
            views.print_json(to_json(found))
        else:
            _print(found)
        views.note(f"wrote {output}")


def to_json(found: Tuned) -> dict[str, Any]:
    """The object that ``--json`` prints."""
    return {
        "times": found.schedule.times.tolist(),
        "solver": label_of(found.solver),
        "fell_back": found.fell_back,
        "gain": None if found.gain is None else found.gain._asdict(),
        "calls": found.calls,
        "message": found.message,
        "candidates": [_described(one) for one in found.candidates],
    }


def _described(one: Candidate) -> dict[str, Any]:
    loss = None if math.isnan(one.loss) else one.loss
    return {"name": one.name, "safe": one.is_safe, "loss": loss, "times": one.schedule.times.tolist()}


def _rows(subject: Subject) -> Callable[[Any], Any]:
    rows = subject.state_features
    if rows is None:
        raise ArgumentError("features", f"{BANDS} for {subject.name}, whose states are not images", "other features")
    return rows


def _print(found: Tuned) -> None:
    from rich.table import Table

    table = Table(title="candidates, run for real", title_justify="left")
    for heading, justify in (("schedule", "left"), ("loss", "right"), ("t", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for one in found.candidates:
        loss = "-" if math.isnan(one.loss) else f"{one.loss:.4g}"
        table.add_row(one.name, loss, " ".join(f"{t:.3f}" for t in one.schedule.times))
    views.console().print(table)
    print("a schedule without a loss was given up after the first images")
    views.console().print(views.schedule_table(found.schedule))
    views.say(f"solver: {label_of(found.solver)}; {found.message}")
    print(f"{found.calls} network calls, where each image counts as one")
