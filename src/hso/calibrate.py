"""From a model to its calibration: run a teacher and a few students once, keep sums."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError, check_integer
from hso.models.bands import Bands, fit_bands
from hso.models.calibration import LEAST_IMAGES, Calibration, from_sums
from hso.models.recording import Model, Plan, Progress, Sums, group_of, record
from hso.noise import NoiseSchedule
from hso.objectives.replay import Replay
from hso.schedule import CLEAN
from hso.solvers import make_solver
from hso.version import VERSION

# A solver of order 2 with half of the points makes four times the error: the two differ by three times that of the finer.
REFINED = 3
# Errors below this are none.
TINY = 1e-300


class Batch(NamedTuple):
    """Images that are recorded together.

    Attributes:
        model: The network for these images: x and a node of the sampling loop to its prediction.
        x: Their states at the noisiest time, an array or a tensor of shape (B, ...).
    """

    model: Model
    x: Any


def calibrate(
    model: Model,
    noise: NoiseSchedule,
    x: Any,
    prediction: str = "epsilon",
    *,
    points: int = 56,
    batch: int | None = None,
    bands: Bands | None = None,
    guidance: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    folder: str | Path | None = None,
) -> Calibration:
    r"""Measure a model once, so that schedules for any solver and any number of nodes can be judged without it.

    It costs ``points + 15`` network calls for each image.

    Args:
        model: The network: x and a node of the sampling loop to its prediction, as :func:`hso.solvers.sample` takes it.
        noise: The model's noise schedule.
        x: B states at the noisiest time, that is unit noise times :math:`(\alpha^2 + \sigma^2)^{1/2}`, an array or a tensor
            of shape (B, ...).
        prediction: What the network predicts.
        points: M, the number of points of the teacher.
        batch: Number of images that are recorded together; all by default. The network is given that many rows of x at a
            time, so what it says of an image must then not depend on the image's place in x.
        bands: The map to coefficients and its groups; fitted to the first batch by default.
        guidance: Strength of classifier-free guidance, to be kept with it.
        progress: Called after each batch with the number of images that are done, and of all.
        folder: Where a stopped run is kept after each batch and goes on from. It then ends as it would have ended.

    Raises:
        ArgumentError: If an argument is unusable, there are fewer than 8 images, or the network returns something unusable;
            the node is named.
        FileError: If the folder cannot be written, or holds a damaged file.
    """
    if len(getattr(x, "shape", ())) < 2:
        raise ArgumentError("x", "a batch of states, of at least 2 axes", x)
    images = check_images(len(x))
    size = images if batch is None else check_integer("batch", batch, 1, images)
    batches = (Batch(model, x[first : first + size]) for first in range(0, images, size))
    plan = Plan(noise, prediction, points)
    return calibrate_batches(plan, _counted(batches, images, progress), images, bands, guidance, folder)


def calibrate_batches(
    plan: Plan,
    batches: Iterable[Batch],
    images: int,
    bands: Bands | None = None,
    guidance: float | None = None,
    folder: str | Path | None = None,
) -> Calibration:
    """The calibration of a model that is another function for each batch, as with prompts.

    Args:
        plan: How the teacher is run.
        batches: The batches, in the order of the images.
        images: Number of images in all batches.
        bands: The map to coefficients; fitted to the first batch by default.
        guidance: Strength of classifier-free guidance, to be kept with it.
        folder: Where a stopped run is kept and goes on from.
    """
    check_images(images)
    keeper = None if folder is None else _Keeper(Path(folder), plan, images)
    progress, first = None if keeper is None else keeper.load(), 0
    for batch in batches:
        last = first + len(batch.x)
        if progress is None or last > progress.done:
            progress = _recorded(plan, batch, range(first, last), images, bands, progress)
            if keeper is not None:
                keeper.save(progress)
        first = last
    if first != images or progress is None:
        raise ArgumentError("batches", f"{images} images in all", first)
    provenance = {"points": plan.points, "solver": plan.solver, "hso": VERSION}
    facts = {"guidance": guidance, "provenance": provenance}
    return _checked(from_sums(plan, progress.bands, progress.sums, progress.shape, **facts), plan)


class _Keeper(NamedTuple):
    """Where a run is kept. The file-format library is loaded only if it is."""

    folder: Path
    plan: Plan
    images: int

    def load(self) -> Progress | None:
        from hso.models.sums_file import load_progress

        return load_progress(*self)

    def save(self, progress: Progress) -> None:
        from hso.models.sums_file import save_progress

        save_progress(*self, progress)


def _recorded(
    plan: Plan, batch: Batch, places: range, images: int, bands: Bands | None, progress: Progress | None
) -> Progress:
    """The run with one more batch."""
    if progress is not None and places.start != progress.done:
        raise ArgumentError("batch", f"a batch that begins with image {progress.done}", places.start, "as before")
    found = record(plan, batch.model, batch.x)
    if progress is None:
        bands = bands or fit_bands(found.data[-1])
        progress = Progress(bands, Sums.zeros(plan, bands), found.noise.shape[1:])
    progress.sums.add(plan, progress.bands, found, group_of(np.asarray(places), images))
    progress.done = places.stop
    return progress


def check_images(images: int) -> int:
    """The number of images, if a spread over them can be measured.

    Raises:
        ArgumentError: If there are too few.
    """
    if images < LEAST_IMAGES:
        raise ArgumentError("x", f"at least {LEAST_IMAGES} images", images, "their spread is measured")
    return images


def _checked(calibration: Calibration, plan: Plan) -> Calibration:
    """The same with what replay says of the teacher's own error, and how well it foretold those of the trials."""
    # The teacher's solver on every second of its points; the first and the last are among them.
    count = len(calibration.lambdas)
    knots = calibration.lambdas[sorted({0, *range(count - 1, -1, -2)})]
    coarse = Replay(calibration).on(plan.noise, make_solver(plan.solver), CLEAN).predict(knots)
    error = float(np.sqrt(coarse.errors.sum() / calibration.powers.sum())) / REFINED
    ratios = []
    for trial, missed in zip(plan.trials, calibration.trials.errors, strict=True):
        found = Replay(calibration).on(plan.noise, make_solver(trial.solver), CLEAN).predict(trial.schedule.lambdas)
        foretold = float((found.errors + found.doubts).sum())
        ratios.append(0.5 * np.log(max(foretold, TINY) / max(float(missed.sum()), TINY)))
    return dataclasses.replace(calibration, convergence=error, agreement=float(np.exp(np.mean(ratios))))


def _counted(batches: Iterator[Batch], images: int, progress: Callable[[int, int], None] | None) -> Iterator[Batch]:
    """The batches; ``progress`` is told after each."""
    done = 0
    for one in batches:
        yield one
        done += len(one.x)
        if progress is not None:
            progress(done, images)
