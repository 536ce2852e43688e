r"""Recording a teacher, so that schedules can be judged without the network.

The teacher runs over M points that are uniform in :math:`\lambda`. It starts from unit noise :math:`\epsilon`: the
state at the first point is :math:`x = (\alpha^2 + \sigma^2)^{1/2} \epsilon`. The run gives the network's data
:math:`D_0, \dots, D_{M-1}`. The solver is linear, so every state of the run is a combination of
:math:`\epsilon, D_0, \dots, D_{M-1}` with known coefficients, and nothing else must be recorded. Neighbouring
:math:`D_m` are nearly equal. A recording therefore keeps the inner products of the vectors

.. math::
    u = (\epsilon,\; D_0,\; D_1 - D_0,\; \dots,\; D_{M-1} - D_{M-2}),

In these vectors, a small error of a student is a small number and not a difference of two large numbers.

*Starts* are for students whose first node is not the noisiest one. The network then gets unit noise at another level,
and its output depends on this level only. The network is called with unit noise at a few levels, from the noisiest on,
and its data :math:`S_p` are recorded too, as :math:`S_1 - D_0, S_2 - S_1, \dots`

Only sums over images are kept: the Gram matrix :math:`\langle u_i, u_j \rangle` of each band, and the mean of u for
every coefficient. There is one sum for each of a few groups of images. The groups show how much the result depends on
the images.

*Trials* measure how the network answers to the errors of students. A few students with few nodes really run. At each
node their state differs from the teacher's by :math:`\delta = z - z^*(\lambda)`, and the network's data differs by
:math:`\Delta D = D - D^*(\lambda)`. For each band, the recording keeps the sums of
:math:`\langle \Delta D, \delta \rangle, \langle \delta, \delta \rangle` and :math:`\langle \Delta D, \Delta D \rangle`,
and of the squared error of the students' ends.

References:
    | DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models (Lu et al., 2022)
    | https://arxiv.org/abs/2211.01095
    | On the Trajectory Regularity of ODE-based Diffusion Sampling (Chen et al., 2024)
    | https://arxiv.org/abs/2405.11326
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hso.errors import check_choice, check_integer
from hso.models.bands import Bands
from hso.models.splines import Splines
from hso.models.told import ToldLevels
from hso.noise import NoiseSchedule
from hso.noise.base import Array, as_array
from hso.rules import rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.solvers import PREDICTIONS, Node, Solver, coefficients, make_solver, nodes, sample, to_data
from hso.solvers.loop import check_output

Model = Callable[[Any, Node], Any]
# Number of groups of images. Their differences show the spread over images.
GROUPS = 8
LEAST_POINTS = 8
# Number of starts besides the noisiest one; no run begins below this share of the range of t.
STARTS, LATEST = 6, 0.3


class Trial(NamedTuple):
    """A student that really runs: its solver and its schedule."""

    solver: Solver
    schedule: SamplingSchedule


@dataclass(frozen=True)
class Plan:
    """How a teacher runs.

    Attributes:
        noise: The model's noise schedule.
        prediction: What the network predicts.
        points: M.
        solver: Name of the teacher's solver.
        tells: Whether the network is also told other noise levels than those of its states (:mod:`hso.models.told`).

    Raises:
        ArgumentError: If a setting is unusable.
    """

    noise: NoiseSchedule
    prediction: str = "epsilon"
    points: int = 56
    solver: str = "dpmpp_2m"
    tells: bool = False

    def __post_init__(self) -> None:
        check_choice("prediction", self.prediction, PREDICTIONS)
        check_integer("points", self.points, LEAST_POINTS, self.noise.max_nfe)

    @cached_property
    def schedule(self) -> SamplingSchedule:
        """The points."""
        return rule_schedule("uniform_lambda", self.noise, self.points, CLEAN)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The points as the sampling loop knows them."""
        return nodes(self.noise, self.schedule)

    @cached_property
    def scale(self) -> float:
        """Scale of the first state: the first state is unit noise times this number."""
        return float(np.hypot(self.nodes[0].alpha, self.nodes[0].sigma))

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """A method of first order whose steps are equal in t, and one of high order whose steps are equal in lambda."""
        low, high = self.noise.t_range
        equal = SamplingSchedule.from_times(self.noise, np.linspace(high, low, 5)[:4])
        even = rule_schedule("uniform_lambda", self.noise, 5, CLEAN)
        return Trial(make_solver("ddim"), equal), Trial(make_solver("unipc"), even)

    @cached_property
    def trial_lambdas(self) -> Array:
        """Lambda of all trial nodes at which the student's state may differ from the teacher's, shape (P,)."""
        return np.concatenate([trial.schedule.lambdas[1:] for trial in self.trials])

    @cached_property
    def starts(self) -> SamplingSchedule:
        """The noisiest level and the levels of the starts."""
        low, high = self.noise.t_range
        first, last = self.noise.lambda_([high, low + LATEST * (high - low)]).tolist()
        return SamplingSchedule.from_knots(self.noise, np.linspace(first, last, 1 + STARTS), CLEAN)

    @cached_property
    def told(self) -> ToldLevels | None:
        """Where the network is told other levels; None if it is not."""
        return ToldLevels.among(self.prediction, self.schedule.lambdas) if self.tells else None

    @property
    def teacher_calls(self) -> int:
        """Number of network calls for one image: for the teacher, the starts and the told levels."""
        return self.points + STARTS + (0 if self.told is None else self.told.count)

    @property
    def calls(self) -> int:
        """Network calls of one image, including the calls of the trials."""
        return self.teacher_calls + sum(trial.schedule.nfe for trial in self.trials)

    @property
    def vectors(self) -> int:
        """V, the number of recorded vectors u."""
        return 1 + self.teacher_calls

    @cached_property
    def states(self) -> Array:
        r"""Coefficients of :math:`z_0, \dots, z_{M-1}` and of the end in u, shape (M + 1, V)."""
        dense = coefficients(make_solver(self.solver), self.noise, self.schedule)
        alphas = np.array([*(node.alpha for node in self.nodes), 1.0])[:, None]
        # D_m is the sum of the first m + 1 differences in u. So the coefficient of a difference is the sum of the
        # coefficients of all D_m that contain it: a cumulative sum from the end.
        outputs = np.cumsum(dense.outputs[:, ::-1], axis=1)[:, ::-1]
        unused = np.zeros((len(outputs), self.vectors - 1 - self.points))
        return np.asarray(np.column_stack((dense.state * self.scale, outputs, unused)) / alphas)


def data_rows(points: int, vectors: int) -> Array:
    """Coefficients in V vectors u of the data at the points, shape (M, V)."""
    return np.tri(points, vectors, 1) - np.eye(1, vectors)


def start_rows(points: int, vectors: int) -> Array:
    """Coefficients in V vectors u of the data of unit noise, at the noisiest level and at the starts, shape (1 + P, V)."""
    rows = np.tri(1 + STARTS, vectors, points)
    rows[:, [0, *range(2, points + 1)]] = 0.0
    return rows


class Trials(NamedTuple):
    r"""Sums over images of the results of the trials.

    Attributes:
        cross: :math:`\langle \Delta D, \delta \rangle`, shape (P, bands).
        lengths: :math:`\langle \delta, \delta \rangle`, shape (P, bands).
        answers: :math:`\langle \Delta D, \Delta D \rangle`, shape (P, bands).
        errors: Squared error of the ends, shape (trials, bands).
    """

    cross: Array
    lengths: Array
    answers: Array
    errors: Array

    @classmethod
    def zeros(cls, levels: int, trials: int, bands: int) -> Trials:
        """Sums over no images."""
        cross, lengths, answers = np.zeros((3, levels, bands))
        return cls(cross, lengths, answers, np.zeros((trials, bands)))


class Recording(NamedTuple):
    """The recording of a batch of images, in pixels and float64.

    Attributes:
        noise: The unit noise, shape (B, ...).
        data: D at the points, shape (M, B, ...).
        starts: D of unit noise at the levels of the starts, shape (STARTS, B, ...).
        changes: What D changes by if the network is told other levels, shape (told, B, ...).
        states: z of the students at the nodes ``Plan.trial_lambdas``, shape (P, B, ...).
        answers: D of the students at the same nodes, shape (P, B, ...).
        ends: The ends of the students, shape (trials, B, ...).
    """

    noise: Array
    data: Array
    starts: Array
    changes: Array
    states: Array
    answers: Array
    ends: Array


def record(plan: Plan, model: Model, x: Any) -> Recording:
    """Run the teacher and the trials for one batch.

    Args:
        plan: How the teacher runs.
        model: The network: a function of x and a node that returns the prediction.
        x: Unit noise of the batch times the scale of the first point, an array or a tensor of shape (B, ...).

    Raises:
        ArgumentError: If the network returns another shape or values that are not finite; the error names the node.
    """
    # Every trial begins at the noisiest level too, so all runs share the same x.
    runs = [run(plan, model, x, trial) for trial in plan.trials]
    return record_teacher(plan, model, x)._replace(
        states=np.concatenate([found.states[1:] for found in runs]),
        answers=np.concatenate([found.data[1:] for found in runs]),
        ends=np.stack([found.end for found in runs]),
    )


def record_teacher(plan: Plan, model: Model, x: Any) -> Recording:
    """Run the teacher alone, without trials. It costs ``plan.teacher_calls`` network calls for each image."""
    noise = as_array(x) / plan.scale
    seen: list[Any] = []
    data = run(plan, _kept(model, seen, plan), x, Trial(make_solver(plan.solver), plan.schedule)).data
    nothing = np.empty((0, *noise.shape))
    changes = _changes(plan, model, seen, data) if seen else nothing
    return Recording(noise, data, _starts(plan, model, x), changes, nothing, nothing, nothing)


def _kept(model: Model, seen: list[Any], plan: Plan) -> Model:
    """The model, which appends the states at which it will be told other levels to a list."""
    places = np.empty(0) if plan.told is None else plan.told.lambdas

    def watched(x: Any, node: Node) -> Any:
        if node.lambda_ in places:
            seen.append(x)
        return model(x, node)

    return watched


def _changes(plan: Plan, model: Model, seen: list[Any], data: Array) -> Array:
    """How the teacher's data changes if the network is told other levels: two levels for each state."""
    assert plan.told is not None
    found = []
    for x, lambda_, shifts in zip(seen, plan.told.lambdas, plan.told.shifts, strict=True):
        index = int(np.flatnonzero(plan.schedule.lambdas == lambda_)[0])
        place = plan.nodes[index]
        levels = np.clip(lambda_ + shifts, *plan.schedule.lambdas[[0, -1]])
        for node in (nodes(plan.noise, SamplingSchedule.from_knots(plan.noise, [one], CLEAN))[0] for one in levels):
            found.append(_data(plan, model, x, place, node) - data[index])
    return np.stack(found)


def _starts(plan: Plan, model: Model, x: Any) -> Array:
    """The network's data for unit noise at the levels of the starts."""
    found = []
    for node in nodes(plan.noise, plan.starts)[1:]:
        noisy = x * (math.hypot(node.alpha, node.sigma) / plan.scale)
        found.append(_data(plan, model, noisy, node, node))
    return np.stack(found)


def _data(plan: Plan, model: Model, x: Any, place: Node, told: Node) -> Array:
    """The data that the network's output implies for x at a node, if the network is told another node or the same."""
    output = check_output(model(x, told), x, told)
    return as_array(to_data(plan.prediction, output, x, place.alpha, place.sigma))


class Run(NamedTuple):
    """The results of a real run: z at the calls and the network's data there, shape (C, B, ...), and the end."""

    states: Array
    data: Array
    end: Array


def run(plan: Plan, model: Model, x: Any, trial: Trial) -> Run:
    """Run a student or the teacher from x, its state at its first node."""
    states: list[Array] = []
    data: list[Array] = []

    def watched(state: Any, node: Node) -> Any:
        states.append(as_array(state) / node.alpha)
        return model(state, node)

    end = sample(
        trial.solver,
        watched,
        plan.noise,
        trial.schedule,
        x,
        prediction=plan.prediction,
        callback=lambda node, state, found: data.append(as_array(found)),
    )
    return Run(np.stack(states), np.stack(data), as_array(end))


@dataclass(eq=False)
class Sums:
    """The sums over images that are kept, for each group of images.

    Attributes:
        counts: Number of images, shape (groups,).
        grams: Gram matrices of u, shape (groups, bands, V, V).
        means: Sums of u, shape (groups, V, F).
        trials: Sums over all images.
    """

    counts: Array
    grams: Array
    means: Array
    trials: Trials

    @classmethod
    def zeros(cls, plan: Plan, bands: Bands) -> Sums:
        """Sums over no images."""
        vectors, count = plan.vectors, len(bands.sizes)
        return cls(
            np.zeros(GROUPS),
            np.zeros((GROUPS, count, vectors, vectors)),
            np.zeros((GROUPS, vectors, int(bands.sizes.sum()))),
            Trials.zeros(len(plan.trial_lambdas), len(plan.trials), count),
        )

    def add(self, plan: Plan, bands: Bands, found: Recording, groups: Array) -> None:
        """Add a batch; ``groups`` holds the group of each of its images."""
        vectors = vectors_of(bands, found)
        for group in np.unique(groups):
            members = vectors[:, groups == group]
            self.counts[group] += members.shape[1]
            self.means[group] += members.sum(axis=1)
            for band, places in enumerate(bands.slices):
                rows = members[:, :, places].reshape(len(members), -1)
                self.grams[group, band] += rows @ rows.T
        splines = Splines(plan.schedule.lambdas, data_rows(plan.points, plan.vectors), plan.states[:-1])
        for index, place in enumerate(plan.trial_lambdas):
            delta = bands.coefficients(found.states[index]) - np.tensordot(splines.states(place), vectors, 1)
            answer = bands.coefficients(found.answers[index]) - np.tensordot(splines.data(place), vectors, 1)
            for total, product in zip(self.trials, (answer * delta, delta**2, answer**2), strict=False):
                total[index] += [product[:, places].sum() for places in bands.slices]
        for index, end in enumerate(found.ends):
            missed = (bands.coefficients(end) - np.tensordot(plan.states[-1], vectors, 1)) ** 2
            self.trials.errors[index] += [missed[:, places].sum() for places in bands.slices]

    def merge(self, other: Sums) -> None:
        """Add the sums over other images, for example from another device."""
        self.counts += other.counts
        self.grams += other.grams
        self.means += other.means
        self.trials = Trials(*(mine + theirs for mine, theirs in zip(self.trials, other.trials, strict=True)))


def vectors_of(bands: Bands, found: Recording) -> Array:
    """Coefficients of u, shape (V, B, F)."""
    data = [bands.coefficients(images) for images in found.data]
    starts = [data[0], *(bands.coefficients(images) for images in found.starts)]
    changes = [bands.coefficients(images) for images in found.changes]
    known = bands.coefficients(found.noise), data[0]
    return np.stack([*known, *np.diff(data, axis=0), *np.diff(starts, axis=0), *changes])


def group_of(image: Any, images: int) -> Any:
    """The group of the image with this index, or of each index in an array; ``images`` is the number of all images."""
    return np.asarray(image) * GROUPS // images


@dataclass
class Progress:
    """The state of a calibration that is not finished.

    Attributes:
        bands: The map to coefficients.
        sums: Sums over the finished images.
        shape: Shape of one image.
        done: Number of finished images.
    """

    bands: Bands
    sums: Sums
    shape: tuple[int, ...]
    done: int = 0
