r"""A panel: images on which students are run for real, and the teacher's recording of them.

The recorded vectors u of the images (:mod:`hso.models.recording`) stay where they were made. Of a student only sums come
out (:mod:`hso.tuning.sums`), so that the parts of a panel may be run by several processes. Each process hears the sums of
all parts and adds them in the order of the images, as one process alone would, so that the result is the same to the last
bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from hso.errors import ArgumentError, FileError
from hso.models.bands import Bands
from hso.models.calibration_file import LARGEST
from hso.models.images import Images
from hso.models.recording import (
    Model,
    Plan,
    Recording,
    Run,
    Trial,
    data_rows,
    record_teacher,
    run,
    start_rows,
    vectors_of,
)
from hso.models.splines import Splines
from hso.noise.base import Array, as_array
from hso.registry import settings_of
from hso.solvers import Node, nodes
from hso.team import Team, team_of
from hso.tuning.corrected import Recorded
from hso.tuning.store import Ledger, Store, digest
from hso.tuning.sums import Ends, Misses, Rollout, merged, merged_sums
from hso.tuning.tangent import Tangent, merged_tangents

T = TypeVar("T")
# From images, of the kind that the network is given, to one row each.
Features = Callable[[Any], Any]
# Groups of images by which the spread over images is judged.
GROUPS = 16
# One of so many parts of a panel is run first: what is much worse there is not run on the rest.
FIRST = 3


@dataclass(frozen=True)
class Setting:
    """How students and their teacher are run.

    Raises:
        ArgumentError: If the features are no function.

    Attributes:
        plan: How the teacher is run; its noise schedule and prediction are those of students too.
        features: In what images are compared; None for bands.
    """

    plan: Plan
    features: Features | None = None

    def __post_init__(self) -> None:
        if self.features is not None and not callable(self.features):
            raise ArgumentError("features", "a function from images to one row for each", self.features)

    def calls(self, trial: Trial) -> int:
        """Network calls of one image."""
        return len(trial.solver.plan(self.plan.noise, trial.schedule))

    def levels(self, trial: Trial) -> Array:
        """Lambda of each call."""
        solver, schedule = trial
        return np.array([schedule.lambdas[step.node] for step in solver.plan(self.plan.noise, schedule)])


@dataclass(frozen=True, eq=False)
class Part:
    """What was recorded of some images of a panel.

    Attributes:
        images: Which.
        vectors: Coefficients of u, shape (V, B, F).
        rows: Features of the teacher's ends, shape (B, d).
    """

    images: range
    vectors: Array
    rows: Array


class Recorder:
    """Makes the parts of a panel, or reads those that were made.

    Args:
        name: What files and errors call the panel.
        setting: How the teacher is run.
        images: The images of the panel.
        store: Where parts are kept.
        ledger: Where network calls are counted.
        team: The processes that share the parts; this one alone by default.

    Attributes:
        cuts: The images of all parts.
        parts: The images of this process's parts.
    """

    def __init__(
        self, name: str, setting: Setting, images: Images, store: Store, ledger: Ledger, team: Team | None = None
    ) -> None:
        self.name, self.setting, self.images, self.store, self.ledger = name, setting, images, store, ledger
        self.team = team_of(team)
        self.cuts = list(images.cut(range(images.count)))
        self.parts = self.team.share(self.cuts)

    def keep(self, images: range, bands: Bands, found: Recording) -> Part:
        """The part of images whose teacher has run."""
        like, plan = self.images.batch(images).x, self.setting.plan
        # Single precision is enough for what a network in single precision said.
        kind: Any = np.float64 if str(like.dtype).endswith("float64") else np.float32
        vectors = vectors_of(bands, found).astype(kind)
        pixels = np.concatenate((found.noise[None], found.data[:1], np.diff(found.data, axis=0)))
        end = np.tensordot(plan.states[-1, : len(pixels)], pixels, 1)
        part = Part(images, vectors, rows_of(self.setting, end, like))
        self.store.save(self._file(images), {"vectors": vectors, "rows": part.rows, "x": self._seen(images)})
        return part

    def kept(self, images: range) -> Part | None:
        """The part of images whose teacher ran before.

        Raises:
            ArgumentError: If it ran on other images.
        """
        found = self.store.load(self._file(images))
        if found is None:
            return None
        if not np.array_equal(found["x"], self._seen(images)):
            cause = "the folder holds what was recorded of others"
            raise ArgumentError("x", "the images of the run that is continued", f"other {self.name} images", cause)
        return Part(images, found["vectors"], found["rows"])

    def again(self, images: range) -> Part:
        """The part of images whose teacher ran before, and is run no more.

        Raises:
            FileError: If it is missing.
        """
        found = self.kept(images)
        if found is None:
            raise FileError(self.store.folder or "", f"{self._file(images)} is missing; use a new folder")
        return found

    def panel(self, bands: Bands) -> Panel:
        """All parts; the teacher is run where it never was."""
        before, cost = self.ledger.calls, self.images.count * self.setting.plan.teacher_calls

        def own() -> list[Part]:
            found = []
            for done, images in enumerate(self.parts, start=1):
                found.append(self.kept(images) or self.keep(images, bands, self._record(images)))
                self.ledger.reach(before + cost * done // len(self.parts))
            return found

        # Another process must not wait for the sums of one that failed.
        parts: list[Part] = []
        self.team.together(f"the teacher of the {self.name} images", lambda: parts.extend(own()))
        self.ledger.reach(before + cost)
        return Panel(self, bands, parts)

    def _record(self, images: range) -> Recording:
        model, x = self.images.batch(images)
        return record_teacher(self.setting.plan, watch(model, f"the teacher of the {self.name} images"), x)

    def _file(self, images: range) -> str:
        return f"{self.name}-teacher-{images.start}-{images.stop}"

    def _seen(self, images: range) -> Array:
        """What the states of the images are known by."""
        return np.array(digest(as_array(self.images.batch(images).x).tobytes()))


class Panel:
    """Images, and how the teacher ran on them.

    Args:
        recorder: What made the parts.
        bands: The map to coefficients.
        parts: This process's parts, in order.
    """

    def __init__(self, recorder: Recorder, bands: Bands, parts: list[Part]) -> None:
        if len({part.rows.shape[1] for part in parts}) > 1:
            raise ArgumentError("features", "rows as long as those that the folder has", "rows of other lengths")
        self.recorder, self.bands, self.parts = recorder, bands, parts
        self.setting, self.images = recorder.setting, recorder.images
        plan = self.setting.plan
        self._splines = Splines(plan.schedule.lambdas, data_rows(plan.points, plan.vectors), plan.states[:-1])
        starts = start_rows(plan.points, plan.vectors)
        self._starts = Splines(plan.starts.lambdas, starts, np.zeros_like(starts))
        self._known: dict[tuple[str, int], Rollout] = {}
        self._teacher = self._all("the teacher's ends", self._teacher_ends)

    @property
    def first(self) -> int:
        """Number of the parts that are run first: about a third of the images."""
        return sum(images.stop <= first_part(self.images.count) for images in self.recorder.cuts)

    @property
    def recorded(self) -> Recorded:
        """The sums over the teacher's runs."""
        grams, totals = zip(*self._all("the teacher's sums", self._sums), strict=True)
        return Recorded(self.images.count, sum(grams[1:], grams[0]), sum(totals[1:], totals[0]))

    def teacher(self, parts: int | None = None) -> Ends:
        """Statistics of the teacher's final images: of all images, or of the first ``parts`` parts."""
        return merged_sums(self._teacher[:parts])

    def rollout(self, trial: Trial, who: str, parts: int | None = None) -> Rollout:
        """What a solver does for real with a schedule, on all images or on the first parts.

        Args:
            trial: The solver and the schedule.
            who: What errors call it.
            parts: How many parts.

        Raises:
            ArgumentError: If the network or the features return something unusable.
        """
        name, cuts = name_of(trial), self.recorder.cuts[:parts]
        missing = [index for index in range(len(cuts)) if (name, index) not in self._known]
        if missing:
            found = self._all(f"{name} {missing}", lambda part: self._rollout(part, trial, who), missing)
            self._known |= {(name, index): one for index, one in zip(missing, found, strict=True)}
            images = sum(len(cuts[index]) for index in missing)
            self.recorder.ledger.charge(images * self.setting.calls(trial))
        return merged([self._known[name, index] for index in range(len(cuts))])

    def tangent(self, trial: Trial, moved: Sequence[Trial], steps: Array, who: str) -> Tangent:
        """What the ends of a student do if it is changed in one way after another, on all images.

        Args:
            trial: The student.
            moved: The changed students, N of them.
            steps: How large each change is, shape (N,).
            who: What errors call them.
        """
        name = digest(*(name_of(one).encode() for one in (trial, *moved)))
        found = self._all(f"the tangent {name}", lambda part: self._tangent(part, name, trial, moved, steps, who))
        self.recorder.ledger.charge(self.images.count * self.setting.calls(trial) * (1 + len(moved)))
        return merged_tangents(found)

    def _all(self, what: str, of: Callable[[Part], T], wanted: Sequence[int] | None = None) -> list[T]:
        """Something of each part, or of those that are wanted, also of the parts of other processes, in order."""
        places = {cut.start: index for index, cut in enumerate(self.recorder.cuts)}
        own = [(places[part.images.start], part) for part in self.parts]
        heard = self.recorder.team.together(
            f"{self.recorder.name} {what}",
            lambda: {index: of(part) for index, part in own if wanted is None or index in wanted},
        )
        found = {index: one for several in heard for index, one in several.items()}
        return [found[index] for index in sorted(found)]

    def _teacher_ends(self, part: Part) -> Ends:
        end = self._row(self.setting.plan.states[-1], part)
        return self._ends(part, end, np.zeros_like(end), part.rows)

    def _sums(self, part: Part) -> tuple[Array, Array]:
        """Gram matrices of u and sums of u over the images of a part."""
        rows = [part.vectors[:, :, places].reshape(len(part.vectors), -1) for places in self.bands.slices]
        grams = [wide @ wide.T for wide in (row.astype(np.float64) for row in rows)]
        return np.stack(grams), part.vectors.sum(axis=1, dtype=np.float64)

    def _rollout(self, part: Part, trial: Trial, who: str) -> Rollout:
        """The sums of a part, which may be kept already."""
        name, store = self._file(trial, part), self.recorder.store
        stored = store.load(name)
        if stored is not None:
            return Rollout.restore(stored)
        found = self._run(part, trial, who)
        store.save(name, found.arrays())
        return found

    def _tangent(self, part: Part, name: str, trial: Trial, moved: Sequence[Trial], steps: Array, who: str) -> Tangent:
        """The tangent of a part, which may be kept already."""
        file, store = f"{self.recorder.name}-{name}-{part.images.start}-{part.images.stop}", self.recorder.store
        stored = store.load(file)
        if stored is not None:
            return Tangent(**stored)
        like = self.images.batch(part.images).x
        ran = [self._student(part, one, who).end for one in (trial, *moved)]
        rows = np.stack([rows_of(self.setting, end, like) for end in ran], axis=-1)
        ends = np.stack([self.bands.coefficients(end) for end in ran])
        ends[1:] = (ends[1:] - ends[0]) / steps[:, None, None]
        rows[..., 1:] = (rows[..., 1:] - rows[..., :1]) / steps
        teacher = self._row(self.setting.plan.states[-1], part)
        found = Tangent.of(self.bands, teacher, ends, rows, *self._owners(part))
        store.save(file, vars(found))
        return found

    def _student(self, part: Part, trial: Trial, who: str) -> Run:
        """Run a student on a part."""
        plan, (model, x) = self.setting.plan, self.images.batch(part.images)
        first = nodes(plan.noise, trial.schedule)[0]
        begin = x * (float(np.hypot(first.alpha, first.sigma)) / plan.scale)
        return run(plan, watch(model, who), begin, trial)

    def _run(self, part: Part, trial: Trial, who: str) -> Rollout:
        """Run the student on a part, and take the sums."""
        plan, x = self.setting.plan, self.images.batch(part.images).x
        found = self._student(part, trial, who)
        levels = self.setting.levels(trial)
        # At the first call every student sees unit noise, so that it is held against what the network said of that.
        known = [self._starts.data(levels[0]), *(self._splines.data(level) for level in levels[1:])]
        states, data = ([self.bands.coefficients(one) for one in several] for several in found[:2])
        missed = [z - self._row(self._splines.states(level), part) for z, level in zip(states, levels, strict=True)]
        missed += [one - self._row(row, part) for one, row in zip(data, known, strict=True)]
        end = self.bands.coefficients(found.end)
        rows = rows_of(self.setting, found.end, x)
        if rows.shape != part.rows.shape:
            raise ArgumentError("features", f"rows of shape {part.rows.shape}, as before", f"shape {rows.shape}")
        ends = self._ends(part, end, end - self._row(plan.states[-1], part), rows)
        return Rollout(ends, Misses.of(self.bands, part.vectors, np.stack(missed)))

    def _row(self, weights: Array, part: Part) -> Array:
        """A combination of the recorded vectors, shape (B, F)."""
        return np.asarray(np.tensordot(weights.astype(part.vectors.dtype), part.vectors, 1))

    def _ends(self, part: Part, ends: Array, misses: Array, rows: Array) -> Ends:
        return Ends.of(self.bands, ends, misses, rows, *self._owners(part))

    def _owners(self, part: Part) -> tuple[Array, int]:
        """The group of each image of a part, and the number of groups."""
        groups = min(GROUPS, self.images.count)
        return np.asarray(part.images) * groups // self.images.count, groups

    def _file(self, trial: Trial, part: Part) -> str:
        return f"{self.recorder.name}-{name_of(trial)}-{part.images.start}-{part.images.stop}"


def name_of(trial: Trial) -> str:
    """What files call a student."""
    solver, schedule = trial
    method = json.dumps([solver.name, settings_of(solver)], sort_keys=True)
    told = schedule.network_timesteps.tobytes()
    return digest(schedule.knots.tobytes(), told, repr(schedule.terminal).encode(), method.encode())


def first_part(count: int) -> int:
    """Number of images that are run first."""
    return -(-count // FIRST)


def watch(model: Model, who: str) -> Model:
    """The same network, which names who ran it where it fails."""

    def watched(x: Any, node: Node) -> Any:
        found = model(x, node)
        if getattr(found, "shape", None) == x.shape and not np.all(np.isfinite(as_array(found))):
            where = f"at node {node.index} (lambda = {node.lambda_:.6g}) of {who}"
            raise ArgumentError("model", f"finite output {where}", "nan or inf", "reduced precision overflows first")
        return found

    return watched


def rows_of(setting: Setting, images: Array, like: Any) -> Array:
    """Features of images, float64, shape (B, d).

    Raises:
        ArgumentError: If the features are not one row of numbers for each image, or are too large.
    """
    if setting.features is None:
        return np.empty((len(images), 0))
    given = like.new_tensor(images) if hasattr(like, "new_tensor") else images.astype(like.dtype)
    found = setting.features(given)
    try:
        rows = np.empty(0) if np.iscomplexobj(found) else as_array(found)
    except (TypeError, ValueError):
        raise ArgumentError("features", f"a row of numbers for each of {len(images)} images", found) from None
    if rows.ndim != 2 or len(rows) != len(images) or not rows.shape[1]:
        raise ArgumentError(
            "features", f"a row of real numbers for each of {len(images)} images", f"shape {rows.shape}"
        )
    if not np.abs(rows).max() <= LARGEST:
        raise ArgumentError("features", f"numbers within {LARGEST:g} of 0", "larger ones, nan or inf")
    return rows
