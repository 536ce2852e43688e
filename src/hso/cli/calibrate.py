"""``hso calibrate``: measure a model once. After that, finding schedules for it needs no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hso.cli import models, options, views

if TYPE_CHECKING:
    from hso.models.calibration import Calibration

EPILOG = """
[bold]Examples[/bold]

hso calibrate --model digits --guidance 3 -o digits.calibration

hso calibrate --model path/to/pipeline --captions prompts.txt --guidance 7.5 --device cuda -o pipeline.calibration

hso optimize --noise path/to/pipeline --nfe 6 --solver unipc --calibration pipeline.calibration

accelerate launch --num_processes 4 -m hso calibrate --model path/to/pipeline --device cuda -o pipeline.calibration
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate", epilog=EPILOG)(command)


def command(
    *,
    model: models.Model,
    output: Annotated[
        Path, typer.Option("-o", "--output", parser=options.path, metavar="FILE", help="Where the calibration goes.")
    ],
    images: Annotated[int, typer.Option(parser=options.integer, metavar="B", help="Number of images.")] = 64,
    points: Annotated[int, typer.Option(parser=options.integer, metavar="M", help="Steps of the teacher.")] = 56,
    tells: Annotated[
        bool,
        typer.Option("--tells", help="Also tell the network other noise levels, for strategy told: 28 calls more."),
    ] = False,
    batch: models.Batch = 16,
    guidance: models.Guidance = 1.0,
    captions: models.Captions = None,
    no_class: models.NoClass = None,
    device: models.Device = "cpu",
    seed: models.Seed = 0,
    json: options.Json = False,
) -> None:
    """Measure a model with a run of many steps and a few trials, so that schedules can be judged without it.

    The file holds no images, no weights and no code, and can be shared. A run can be stopped at any time; the same command
    continues it. Under accelerate launch all processes share the images.
    """
    from hso.calibrate import calibrate_images
    from hso.comparison.subjects import load_subject
    from hso.comparison.subjects.base import CALIBRATION_IMAGES
    from hso.models.recording import Plan

    views.check_outputs(output)
    count, size = models.counts(images, batch)
    team = models.team(device)
    settings = models.settings_of(model, guidance, seed, device, captions, no_class, "pixels")
    subject = load_subject(settings)
    plan = Plan(subject.noise, subject.prediction, points, tells=tells)
    chosen = subject.images(CALIBRATION_IMAGES, count, size)
    with models.kept_beside(output, subject, settings, team) as folder, models.progress_bar("images") as progress:
        found = calibrate_images(plan, chosen, guidance=settings.guidance, progress=progress, folder=folder, team=team)
        if team.is_first:
            found.save(output)
    if team.is_first:
        _tell(found, output, json)


def _tell(found: Calibration, output: Path, json: bool) -> None:
    """Print what a calibration is."""
    facts = {
        "noise": found.noise_name,
        "images": found.images,
        "shape": list(found.shape),
        "points": len(found.lambdas),
        "calls": found.calls,
        "convergence": found.convergence,
        "agreement": found.agreement,
        "caution": found.caution or None,
    }
    if json:
        views.print_json(facts)
    else:
        views.say(
            f"{found.noise_name}: {found.images} images, {found.calls} network calls, where each image counts as one"
        )
        print(f"the teacher's own error is {found.convergence:.2%} of the spread of the images")
    if found.caution:
        views.note(f"caution: {found.caution}")
    views.note(f"wrote {output}")
