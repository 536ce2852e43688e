"""Make the calibration of a model: run a teacher and a few students once, and keep only sums over the images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError
from hso.models.bands import Bands, fit_bands
from hso.models.calibration import LEAST_IMAGES, Calibration, from_sums
from hso.models.images import Images
from hso.models.recording import Model, Plan, Progress, Recording, Sums, group_of, record
from hso.noise import NoiseSchedule
from hso.objectives.replay import Replay
from hso.schedule import CLEAN
from hso.solvers import make_solver
from hso.version import VERSION

# With half of the points a solver of order 2 has four times the error. So the two results differ by three times the
# error of the finer one.
REFINED = 3
# Keeps the logarithm of an error finite if the error is 0.
TINY = 1e-300


# A function that gets the indices of a batch of images, the bands and the recording, before the sums over them are
# kept.
Seen = Callable[[range, Bands, Recording], None]


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
        model: The network: a function of x and a node that returns the prediction, as in :func:`hso.solvers.sample`.
        noise: The model's noise schedule.
        x: B states at the noisiest time, that is unit noise times :math:`(\alpha^2 + \sigma^2)^{1/2}`, an array or a tensor
            of shape (B, ...).
        prediction: What the network predicts.
        points: M, the number of points of the teacher.
        batch: Number of images that are recorded together; all by default. The network gets this many rows of x at a
            time, so its output for an image must not depend on the position of the image in x.
        bands: The map to coefficients and its groups; fitted to the first batch by default.
        guidance: Strength of classifier-free guidance. The calibration only keeps it as information.
        progress: Called after each batch with the number of finished images and the number of all images.
        folder: Folder that keeps the state of the run after each batch. A run that was stopped continues from there,
            with the same result.

    Raises:
        ArgumentError: If an argument is unusable, there are fewer than 8 images, or the network returns something
            unusable (the error names the node).
        FileError: If the folder cannot be written, or holds a damaged file.
    """
    images = Images.of(model, x, batch)
    plan = Plan(noise, prediction, points)
    return calibrate_images(plan, images, bands=bands, guidance=guidance, progress=progress, folder=folder)


def calibrate_images(
    plan: Plan,
    images: Images,
    *,
    bands: Bands | None = None,
    guidance: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    folder: str | Path | None = None,
    seen: Seen | None = None,
) -> Calibration:
    """The calibration of a model that may be a different function for each image, for example with prompts.

    Args:
        plan: How the teacher runs.
        images: The images, and the network for each of them.
        bands: See :func:`calibrate`.
        guidance: See :func:`calibrate`.
        progress: See :func:`calibrate`.
        folder: See :func:`calibrate`.
        seen: Called for each batch that is recorded now, not for batches that the folder has.
    """
    count = check_images(images.count)
    keeper = None if folder is None else _Keeper(Path(folder), plan, count)
    state = None if keeper is None else keeper.load()
    for part in images.cut(range(count)):
        if state is None or part.stop > state.done:
            state = _recorded(plan, images, part, bands, state, seen)
            if keeper is not None:
                keeper.save(state)
        if progress is not None:
            progress(part.stop, count)
    if state is None:
        raise ArgumentError("images", "some", 0)
    provenance = {"points": plan.points, "solver": plan.solver, "hso": VERSION}
    facts = {"guidance": guidance, "provenance": provenance}
    return _checked(from_sums(plan, state.bands, state.sums, state.shape, **facts), plan)


class _Keeper(NamedTuple):
    """Save and load the state of a run in a folder.

    The methods import the module of the file format, so that ``import hso`` does not load it.
    """

    folder: Path
    plan: Plan
    images: int

    def load(self) -> Progress | None:
        from hso.models.sums_file import load_progress

        return load_progress(self.folder, self.plan, self.images)

    def save(self, progress: Progress) -> None:
        from hso.models.sums_file import save_progress

        save_progress(self.folder, self.plan, self.images, progress)


def _recorded(
    plan: Plan, images: Images, part: range, bands: Bands | None, state: Progress | None, seen: Seen | None
) -> Progress:
    """The state of the run after one more batch."""
    if state is not None and part.start != state.done:
        raise ArgumentError("batch", f"a batch that begins with image {state.done}", part.start, "as before")
    found = record(plan, *images.batch(part))
    if state is None:
        bands = bands or fit_bands(found.data[-1])
        state = Progress(bands, Sums.zeros(plan, bands), found.noise.shape[1:])
    if seen is not None:
        seen(part, state.bands, found)
    state.sums.add(plan, state.bands, found, group_of(np.asarray(part), images.count))
    state.done = part.stop
    return state


def check_images(images: int) -> int:
    """The number of images, if it is enough to measure a spread over images.

    Raises:
        ArgumentError: If there are too few.
    """
    if images < LEAST_IMAGES:
        raise ArgumentError("x", f"at least {LEAST_IMAGES} images", images, "their spread is measured")
    return images


def _checked(calibration: Calibration, plan: Plan) -> Calibration:
    """The calibration with two checks by replay: the teacher's own error, and how well replay predicts the trials."""
    # The coarse run uses every second point of the teacher, with the first and the last one.
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
