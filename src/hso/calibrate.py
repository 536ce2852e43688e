"""Make the calibration of a model: run a teacher and a few students once, and keep only sums over the images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from hso.team import Team, team_of
from hso.version import VERSION

if TYPE_CHECKING:
    from hso.models.sums_file import Key

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
    team: Team | None = None,
    tells: bool = False,
) -> Calibration:
    r"""Measure a model once, so that schedules for any solver and any number of nodes can be judged without it.

    It costs ``points + 15`` network calls for each image, and 28 more with ``tells``.

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
            with the same result. It cannot tell one network from another: give each a folder of its own.
        team: The processes that share the batches: ``hso.Team.launched()`` in a program that ``accelerate launch``
            starts. All of them have x, and get the result. Only sums travel. They are added in another order than in
            one process, so that each number of the result may differ by a few units in its last place, and no more.
        tells: Whether the network is also told other noise levels than those of its states, which strategy "told" needs.

    Raises:
        ArgumentError: If an argument is unusable, there are fewer than 8 images, or the network returns something
            unusable (the error names the node).
        FileError: If the folder cannot be written, or holds a damaged file.
    """
    images = Images.of(model, x, batch)
    plan = Plan(noise, prediction, points, tells=tells)
    return calibrate_images(plan, images, bands=bands, guidance=guidance, progress=progress, folder=folder, team=team)


def calibrate_images(
    plan: Plan,
    images: Images,
    *,
    bands: Bands | None = None,
    guidance: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    folder: str | Path | None = None,
    seen: Seen | None = None,
    team: Team | None = None,
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
        team: See :func:`calibrate`.
    """
    check_images(images.count)
    everyone = team_of(team)
    keeper = None if folder is None else _Keeper(Path(folder), plan, images, everyone, guidance)
    share = _Share(plan, images, everyone, keeper, seen)
    known = [bands, *everyone.together("the bands of a calibration", share.begin)]
    chosen = next(one for one in known if one is not None)
    found = everyone.together("a calibration", lambda: share.finish(chosen, progress))
    shapes, parts = zip(*(one for one in found if one is not None), strict=True)
    sums: Sums = parts[0]
    for other in parts[1:]:
        sums.merge(other)
    provenance = {"points": plan.points, "solver": plan.solver, "hso": VERSION}
    facts = {"guidance": guidance, "provenance": provenance}
    return _checked(from_sums(plan, chosen, sums, shapes[0], **facts), plan)


class _Share:
    """One process's share of the images.

    Args:
        plan: How the teacher runs.
        images: All images.
        team: The processes.
        keeper: Where the state of the run is kept; None keeps nothing.
        seen: See :func:`calibrate_images`.
    """

    def __init__(self, plan: Plan, images: Images, team: Team, keeper: _Keeper | None, seen: Seen | None) -> None:
        self.plan, self.images, self.team, self.keeper, self.seen = plan, images, team, keeper, seen
        self.parts = team.share(list(images.cut(range(images.count))))
        self._state: Progress | None = None
        self._first: Recording | None = None

    def begin(self) -> Bands | None:
        """Record the first batch, if that is not done. The process that has the first image of all fits the bands."""
        self._state = None if self.keeper is None else self.keeper.load()
        if self._state is not None:
            return self._state.bands
        if not self.parts:
            return None
        self._first = record(self.plan, *self.images.batch(self.parts[0]))
        return fit_bands(self._first.data[-1]) if self.parts[0].start == 0 else None

    def finish(self, bands: Bands, progress: Callable[[int, int], None] | None) -> tuple[tuple[int, ...], Sums] | None:
        """Record the rest, and return the shape of an image and the sums; None if there are no images."""
        done = 0
        for part in self.parts:
            if self._state is None or done + len(part) > self._state.done:
                self._state = self._added(bands, part, done)
                if self.keeper is not None:
                    self.keeper.save(self._state)
            done += len(part)
            if progress is not None:
                progress(min(done * self.team.count, self.images.count), self.images.count)
        return None if self._state is None else (self._state.shape, self._state.sums)

    def _added(self, bands: Bands, part: range, done: int) -> Progress:
        """The state of the run after one more batch."""
        state = self._state
        if state is not None and done != state.done:
            raise ArgumentError("batch", f"a batch that begins with image {state.done}", done, "as before")
        found = self._first or record(self.plan, *self.images.batch(part))
        self._first = None
        if state is None:
            state = Progress(bands, Sums.zeros(self.plan, bands), found.noise.shape[1:])
        if self.seen is not None:
            self.seen(part, bands, found)
        state.sums.add(self.plan, bands, found, group_of(np.asarray(part), self.images.count))
        state.done = done + len(part)
        return state


class _Keeper:
    """Save and load the state of a process's share in a folder.

    The methods import the module of the file format, so that ``import hso`` does not load it.
    """

    def __init__(self, folder: Path, plan: Plan, images: Images, team: Team, guidance: float | None) -> None:
        self.folder, self.plan, self.images, self.guidance = folder, plan, images, guidance
        # Of a single process the batches may change, for they follow one after the other.
        self.share = "" if team.count == 1 else f"{team.index + 1}-of-{team.count}-by-{images.size}"

    @cached_property
    def _key(self) -> Key:
        from hso.models.sums_file import Key

        return Key.of(self.plan, self.images, self.guidance, self.share)

    def load(self) -> Progress | None:
        from hso.models.sums_file import load_progress

        return load_progress(self.folder, self._key)

    def save(self, progress: Progress) -> None:
        from hso.models.sums_file import save_progress

        save_progress(self.folder, self._key, progress)


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
