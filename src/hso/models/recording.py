r"""Recording a teacher: what schedules can be judged by without the network.

A run of M points, uniform in :math:`\lambda`, from unit noise :math:`\epsilon` (the state is
:math:`x = (\alpha^2 + \sigma^2)^{1/2} \epsilon` at the first point) gives the network's data :math:`D_0, \dots, D_{M-1}`.
The solver is linear, so these are all there is to record: every state of the run is a combination of
:math:`\epsilon, D_0, \dots, D_{M-1}` with known coefficients. Neighbouring :math:`D_m` are nearly equal, so the vectors
whose inner products are kept are

.. math::
    u = (\epsilon,\; D_0,\; D_1 - D_0,\; \dots,\; D_{M-1} - D_{M-2}),

which leaves small errors of a student to be small numbers and not differences of large ones.

Only sums over images are kept: in each band the Gram matrix :math:`\langle u_i, u_j \rangle` and, for every coefficient,
the mean of u; both for a few groups of images, by which one sees how much other images would have changed.

*Probes* ask how the network answers to the error that a student makes. A step with too old data lags behind the teacher, by
about :math:`\delta = (D_{m-k} - D_m) / 2`, where k points are about as long as a step. At a few points the network is asked
at :math:`z_m + \delta`, and sums of :math:`\langle \Delta D, \delta \rangle, \langle \delta, \delta \rangle` and
:math:`\langle \Delta D, \Delta D \rangle` are kept for each band, with :math:`\Delta D = D(z_m + \delta) - D_m`.

References:
    | DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models (Lu et al., 2022)
    | https://arxiv.org/abs/2211.01095
    | On the Trajectory Regularity of ODE-based Diffusion Sampling (Chen et al., 2024)
    | https://arxiv.org/abs/2405.11326
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError, check_choice, check_integer
from hso.models.bands import Bands
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.rules import rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.solvers import PREDICTIONS, Node, coefficients, make_solver, nodes, sample, to_data

Model = Callable[[Any, Node], Any]
# Groups of images by which the spread over images is judged.
GROUPS = 8
LEAST_POINTS = 8


@dataclass(frozen=True)
class Plan:
    """How a teacher is run and probed.

    Attributes:
        noise: The model's noise schedule.
        prediction: What the network predicts.
        points: M.
        probes: Number of points that are probed.
        lag: k, the number of points by which a probe's data is too old.
        solver: Method of the run, by its name.

    Raises:
        ArgumentError: If a setting is unusable.
    """

    noise: NoiseSchedule
    prediction: str = "epsilon"
    points: int = 56
    probes: int = 14
    lag: int = 4
    solver: str = "dpmpp_2m"

    def __post_init__(self) -> None:
        check_choice("prediction", self.prediction, PREDICTIONS)
        check_integer("points", self.points, LEAST_POINTS, self.noise.max_nfe)
        check_integer("lag", self.lag, 1, self.points - 1)
        check_integer("probes", self.probes, 0, self.points - self.lag)

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
        """Size of the first state: it is unit noise times this."""
        return float(np.hypot(self.nodes[0].alpha, self.nodes[0].sigma))

    @cached_property
    def probed(self) -> list[int]:
        """Points that are probed, from the first that has data old enough to the last."""
        return [round(place) for place in np.linspace(self.lag, self.points - 1, self.probes).tolist()]

    @cached_property
    def states(self) -> Array:
        r"""Coefficients of :math:`z_0, \dots, z_{M-1}` and of the end in u, shape (M + 1, M + 1)."""
        dense = coefficients(make_solver(self.solver), self.noise, self.schedule)
        alphas = np.array([*(node.alpha for node in self.nodes), 1.0])[:, None]
        # A combination of D_0, D_1, ... is one of their differences whose coefficients are sums from the end.
        outputs = np.cumsum(dense.outputs[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(np.column_stack((dense.state * self.scale, outputs)) / alphas)


class Probes(NamedTuple):
    r"""Sums over images of what the probes found, each of shape (probes, bands).

    Attributes:
        cross: :math:`\langle \Delta D, \delta \rangle`.
        lengths: :math:`\langle \delta, \delta \rangle`.
        answers: :math:`\langle \Delta D, \Delta D \rangle`.
    """

    cross: Array
    lengths: Array
    answers: Array


class Recording(NamedTuple):
    """A batch of images as it was recorded, in pixels and float64.

    Attributes:
        noise: The unit noise, shape (B, ...).
        data: D at the points, shape (M, B, ...).
        probes: The network's data at the probes, shape (probes, B, ...).
    """

    noise: Array
    data: Array
    probes: Array


def record(plan: Plan, model: Model, x: Any) -> Recording:
    """Run the teacher and its probes for one batch.

    Args:
        plan: How.
        model: x and a node of the sampling loop to the network's prediction.
        x: Unit noise of the batch times the scale of the first point, an array or a tensor of shape (B, ...).

    Raises:
        ArgumentError: If the network returns another shape or values that are not finite; the node is named.
    """
    data: list[Array] = []
    sample(
        make_solver(plan.solver),
        model,
        plan.noise,
        plan.schedule,
        x,
        prediction=plan.prediction,
        callback=lambda node, state, found: data.append(as_array(found)),
    )
    noise = as_array(x) / plan.scale
    probes = [_probe(plan, model, x, noise, data, point) for point in plan.probed]
    return Recording(noise, np.stack(data), np.stack(probes) if probes else np.empty((0, *noise.shape)))


def _probe(plan: Plan, model: Model, x: Any, noise: Array, data: list[Array], point: int) -> Array:
    """The network's data where the state of a point is changed by the probe's difference."""
    node = plan.nodes[point]
    state = plan.states[point, 0] * noise
    # Of coefficients of differences, those of the data themselves are differences.
    weights = -np.diff(plan.states[point, 1:], append=0.0)
    for index in range(point):
        state = state + weights[index] * data[index]
    asked = as_input(node.alpha * (state + difference(plan, data, point)), x)
    answer = to_data(plan.prediction, model(asked, node), asked, node.alpha, node.sigma)
    found = as_array(answer)
    if found.shape != noise.shape or not np.all(np.isfinite(found)):
        where = f"at a probe of point {point} (lambda = {node.lambda_:.6g})"
        raise ArgumentError("model", f"finite output of the shape of x {where}", "nan, inf or another shape")
    return found


def difference(plan: Plan, data: Any, point: int) -> Array:
    r""":math:`\delta` of a probe."""
    return np.asarray((data[point - plan.lag] - data[point]) / 2)


@dataclass(eq=False)
class Sums:
    """What is kept of the images: sums for each group.

    Attributes:
        counts: Number of images, shape (groups,).
        grams: Gram matrices of u, shape (groups, bands, M + 1, M + 1).
        means: Sums of u, shape (groups, M + 1, F).
        probes: Sums over all images.
    """

    counts: Array
    grams: Array
    means: Array
    probes: Probes

    @classmethod
    def zeros(cls, plan: Plan, bands: Bands) -> Sums:
        """Sums over no images."""
        vectors, count = plan.points + 1, len(bands.sizes)
        return cls(
            np.zeros(GROUPS),
            np.zeros((GROUPS, count, vectors, vectors)),
            np.zeros((GROUPS, vectors, int(bands.sizes.sum()))),
            Probes(*np.zeros((3, plan.probes, count))),
        )

    def add(self, plan: Plan, bands: Bands, found: Recording, groups: Array) -> None:
        """Add a batch; ``groups`` are the groups of its images."""
        data = [bands.coefficients(images) for images in found.data]
        vectors = np.stack([bands.coefficients(found.noise), data[0], *np.diff(data, axis=0)])
        for group in np.unique(groups):
            members = vectors[:, groups == group]
            self.counts[group] += members.shape[1]
            self.means[group] += members.sum(axis=1)
            for band, places in enumerate(bands.slices):
                rows = members[:, :, places].reshape(len(members), -1)
                self.grams[group, band] += rows @ rows.T
        for index, point in enumerate(plan.probed):
            answer = bands.coefficients(found.probes[index]) - data[point]
            delta = difference(plan, data, point)
            for total, product in zip(self.probes, (answer * delta, delta**2, answer**2), strict=True):
                total[index] += [product[:, places].sum() for places in bands.slices]

    def merge(self, other: Sums) -> None:
        """Add the sums of other images, as another device found them."""
        self.counts += other.counts
        self.grams += other.grams
        self.means += other.means
        self.probes = Probes(*(mine + theirs for mine, theirs in zip(self.probes, other.probes, strict=True)))


def group_of(image: Any, images: int) -> Any:
    """The group of the image with this index, or of an array of indices, among so many images."""
    return np.asarray(image) * GROUPS // images


def as_array(x: Any) -> Array:
    """An array or a tensor on any device as a float64 array."""
    values = x.detach().cpu().double().numpy() if hasattr(x, "detach") else x
    return np.asarray(values, dtype=np.float64)


def as_input(values: Array, like: Any) -> Any:
    """An array as the kind of thing that the network was given before."""
    return like.new_tensor(values) if hasattr(like, "new_tensor") else values.astype(like.dtype)
