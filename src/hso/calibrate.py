"""From a model to its calibration: run a teacher and a few students once, keep sums."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError, check_integer
from hso.models.bands import Bands, fit_bands
from hso.models.calibration import LEAST_IMAGES, Calibration, from_sums
from hso.models.recording import Model, Plan, Sums, group_of, record
from hso.noise import NoiseSchedule
from hso.objectives.replay import Replay
from hso.schedule import CLEAN
from hso.solvers import make_solver
from hso.version import VERSION

# A solver of order 2 with half of the points makes four times the error: the two differ by three times that of the finer.
REFINED = 3


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

    Raises:
        ArgumentError: If an argument is unusable, there are fewer than 8 images, or the network returns something unusable;
            the node is named.
    """
    if len(getattr(x, "shape", ())) < 2:
        raise ArgumentError("x", "a batch of states, of at least 2 axes", x)
    images = check_images(len(x))
    size = images if batch is None else check_integer("batch", batch, 1, images)
    batches = (Batch(model, x[first : first + size]) for first in range(0, images, size))
    plan = Plan(noise, prediction, points)
    return calibrate_batches(plan, _counted(batches, images, progress), images, bands, guidance)


def calibrate_batches(
    plan: Plan, batches: Iterable[Batch], images: int, bands: Bands | None = None, guidance: float | None = None
) -> Calibration:
    """The calibration of a model that is another function for each batch, as with prompts.

    Args:
        plan: How the teacher is run.
        batches: The batches, in the order of the images.
        images: Number of images in all batches.
        bands: The map to coefficients; fitted to the first batch by default.
        guidance: Strength of classifier-free guidance, to be kept with it.
    """
    check_images(images)
    sums, shape, first = None, (), 0
    for model, x in batches:
        found = record(plan, model, x)
        bands = bands or fit_bands(found.data[-1])
        sums = sums or Sums.zeros(plan, bands)
        sums.add(plan, bands, found, group_of(np.arange(first, first + len(x)), images))
        shape, first = found.noise.shape[1:], first + len(x)
    if first != images or sums is None or bands is None:
        raise ArgumentError("batches", f"{images} images in all", first)
    provenance = {"points": plan.points, "solver": plan.solver, "hso": VERSION}
    return _with_convergence(from_sums(plan, bands, sums, shape, guidance=guidance, provenance=provenance), plan)


def check_images(images: int) -> int:
    """The number of images, if a spread over them can be measured.

    Raises:
        ArgumentError: If there are too few.
    """
    if images < LEAST_IMAGES:
        raise ArgumentError("x", f"at least {LEAST_IMAGES} images", images, "their spread is measured")
    return images


def _with_convergence(calibration: Calibration, plan: Plan) -> Calibration:
    """The same with the teacher's own error: that of its solver on every second point, judged by replay, is a multiple."""
    # An odd number of points keeps the first and the last; the first is given up where they are even.
    knots = calibration.lambdas[(len(calibration.lambdas) - 1) % 2 :: 2]
    found = Replay(calibration).on(plan.noise, make_solver(plan.solver), CLEAN).predict(knots)
    error = float(np.sqrt(found.errors.sum() / calibration.powers.sum())) / REFINED
    return dataclasses.replace(calibration, convergence=error)


def _counted(batches: Iterator[Batch], images: int, progress: Callable[[int, int], None] | None) -> Iterator[Batch]:
    """The batches; ``progress`` is told after each."""
    done = 0
    for one in batches:
        yield one
        done += len(one.x)
        if progress is not None:
            progress(done, images)
