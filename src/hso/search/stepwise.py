r"""Strategy "stepwise": the recursion of OSS, in which the network runs the students that are kept.

:math:`z^k_j` is the state at point j of the teacher that is nearest to the teacher's own state :math:`z^*_j` among the
states that one more Euler step reaches from the kept states of k steps:

.. math::
    \hat z^k_{ij} = D(z^k_i, \tilde\sigma_i) + \frac{\tilde\sigma_j}{\tilde\sigma_i} (z^k_i - D(z^k_i, \tilde\sigma_i)),
    \qquad z^{k+1}_j = \hat z^k_{i^* j}, \quad i^* = \arg\min_{i < j} |\hat z^k_{ij} - z^*_j|^2

:math:`z^0_i` is the noise, whichever the first point is. After N steps the path of minima from the end back to the
start is the schedule. Each image has its own path, and the schedule of all is the median over images, node by node. The
recursion keeps one state for each point, so it is the optimum only if a state that is nearer to the teacher also ends
nearer. N steps on M points cost at most N M network calls for each image, besides those of the teacher.

Three details differ from the authors' program. It keeps a path of fewer steps where one more does not help; here every
path has N steps. It rounds the mean of the two middle images down, and here the noisier one counts. Its teacher is
Euler's method; here it is whatever the teacher's settings say.

References:
    | Optimal Stepsize for Diffusion Sampling (Pei, Hu and Gu, 2025)
    | https://arxiv.org/abs/2503.21774
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hso.errors import ArgumentError
from hso.models.teacher import Trajectory
from hso.noise.base import Array
from hso.objectives.oss import StudentError
from hso.schedule import CLEAN
from hso.search.problem import Found, Problem, Psi, Strategy
from hso.search.windows import ROUNDING

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Stepwise(Strategy):
    """The recursion of OSS, for the objective "oss"."""

    name = "stepwise"
    keeps_boundary = True

    def search(self, problem: Problem, seed: int) -> Found:
        """Search among the teacher's points.

        Raises:
            ArgumentError: If the objective is another one, or the points have no path of so many steps.
        """
        function = problem.function
        if not isinstance(function, StudentError):
            raise ArgumentError("objective", "oss for strategy stepwise", type(function).__name__)
        recursion = _Recursion(problem, function)
        paths = recursion.paths()
        # The lower median of every node keeps the order, the windows and the least distance of the paths.
        middle = np.sort(paths, axis=1)[:, (paths.shape[1] - 1) // 2]
        times = recursion.times[middle]
        psi = Psi(None, float(times[-1]), float(times[0]))
        message = "the median over images of their best paths among the teacher's points"
        return Found(recursion.trajectory.lambdas[middle], psi, recursion.calls, message)


class _Recursion:
    """The recursion on the points of a teacher.

    Args:
        problem: The problem.
        function: Its function.
    """

    def __init__(self, problem: Problem, function: StudentError) -> None:
        self.problem, self.function, self.calls = problem, function, 0
        self.trajectory: Trajectory = function.teacher.trajectory
        self.times = problem.noise.time(self.trajectory.lambdas)
        self.clean = problem.terminal == CLEAN
        self.layers = self._layers()

    def paths(self) -> Indices:
        """The points of each image's best path, shape (K, B).

        Raises:
            ArgumentError: If there is no path.
        """
        states = self.function.noise_at(self.trajectory.lambdas)
        origins: list[Indices] = []
        for here, there in zip(self.layers, self.layers[1:], strict=False):
            states, origin = self._step(states, here, there)
            origins.append(origin)
        images = np.arange(states.shape[1])
        last = np.full(len(images), np.flatnonzero(self.layers[-1])[-1])
        path = [self._jump(states) if self.clean else last]
        for origin in reversed(origins):
            path.append(origin[path[-1], images])
        return np.stack(path[::-1])

    def _layers(self) -> list[NDArray[np.bool_]]:
        """The points at which each knot may be so that a path goes through them, K arrays of shape (M,)."""
        windows, points = self.problem.windows.ranges(self.times), np.arange(len(self.times))
        layers = [(points >= start) & (points < stop) for start, stop in zip(*windows, strict=True)]
        if not self.clean:
            # A state is compared with the teacher's state at the same point, so that the landing is not a choice.
            layers[-1] &= points == points[-1]
        steps = self._steps
        # Forwards, what can be reached; backwards, what leads on.
        for k in range(1, len(layers)):
            layers[k] &= steps[layers[k - 1]].any(axis=0)
        for k in range(len(layers) - 2, -1, -1):
            layers[k] &= steps[:, layers[k + 1]].any(axis=1)
        if not all(layer.any() for layer in layers):
            expected = f"fewer nodes than the teacher's {len(self.times)} points, as many as lie in the windows"
            raise ArgumentError("nfe", expected, self.problem.nodes, "give the teacher more points")
        return layers

    @cached_property
    def _steps(self) -> NDArray[np.bool_]:
        """Whether a step may lead from point i (row) to point j (column)."""
        gaps = self.times[:, None] - self.times
        later = np.arange(len(gaps))[:, None] < np.arange(len(gaps))
        return np.asarray(later & (gaps >= self.problem.d_min - ROUNDING))

    def _step(self, states: Array, here: Any, there: Any) -> tuple[Array, Indices]:
        """The kept states after one more step, shape (M, B, D), and the points they come from, shape (M, B)."""
        sigmas, aims, steps = self.trajectory.sigmas, self.trajectory.states, self._steps
        least, kept = np.full(aims.shape[:2], np.inf), np.full(aims.shape, np.nan)
        origin = np.zeros(aims.shape[:2], dtype=np.intp)
        for point in np.flatnonzero(here).tolist():
            data = self._data(states, point)
            for landing in np.flatnonzero(there & steps[point]).tolist():
                reached = data + sigmas[landing] / sigmas[point] * (states[point] - data)
                error = np.square(reached - aims[landing]).mean(axis=-1)
                better = error < least[landing]
                least[landing, better], origin[landing, better] = error[better], point
                kept[landing, better] = reached[better]
        return kept, origin

    def _jump(self, states: Array) -> Indices:
        """The point from which each image's jump to the clean sample ends nearest to the teacher, shape (B,)."""
        points = np.flatnonzero(self.layers[-1])
        end = self.trajectory.end
        errors = [np.square(self._data(states, point) - end).mean(axis=-1) for point in points.tolist()]
        return points[np.argmin(errors, axis=0)]

    def _data(self, states: Array, point: int) -> Array:
        """The network's data for the kept states of a point, shape (B, D)."""
        self.calls += states.shape[1]
        return self.function.teacher.data(states[point], point)
