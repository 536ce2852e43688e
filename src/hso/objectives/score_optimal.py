r"""Score-optimal schedules: steps of equal length along the path of noisy distributions.

The score is :math:`s(z, \tilde\sigma) = (D - z) / \tilde\sigma^2`. After a step to :math:`\tilde\sigma'` a corrector
must do an amount of work that is measured by

.. math::
    L(\tilde\sigma \to \tilde\sigma') = \tilde\sigma'^2 \, E_{z \sim p(\tilde\sigma)}
    |s(z, \tilde\sigma') - s(z, \tilde\sigma)|^2,

L is quadratic in small steps, so :math:`\sqrt L` is a length. S is the length from the first point of the teacher, as a
monotone cubic in :math:`\lambda` through the teacher's points. The edge cost is

.. math::
    c(a, b) = (S(b) - S(a))^2,

and the sum over N steps is least if all steps have equal lengths. The teacher's states are samples of
:math:`p(\tilde\sigma)`, because the ODE keeps this distribution.

For Gaussian data of standard deviation c, in :math:`\theta = \arctan(\tilde\sigma / c)`, the length is
:math:`2 (\log(\sec\theta + \tan\theta) - \sin\theta)` for every dimension.

References:
    | Score-Optimal Diffusion Schedules (Williams et al., 2024)
    | https://arxiv.org/abs/2412.07877
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives.base import Edge, SmoothEdgeSum
from hso.objectives.measured import Measured
from hso.solvers import Solver


@dataclass(frozen=True, eq=False)
class ScoreOptimal(Measured):
    """Squared lengths along the path of noisy distributions (Williams et al., 2024).

    Attributes:
        teacher: The model and its trajectories.

    Example:
        >>> from hso.models.gaussian import GaussianModel
        >>> from hso.optimize import optimize
        >>> noise, x = NoiseSchedule.edm(), 80 * np.random.default_rng(0).standard_normal((16, 2))
        >>> teacher = Teacher(GaussianModel(np.zeros(2), np.ones(2)), noise, x, rule="edm")
        >>> optimize(noise, 4, solver="ddim", objective=ScoreOptimal(teacher)).schedule.nfe
        4
    """

    name = "score_optimal"

    def on(self, noise: NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> SquaredLengths:
        self.check_noise(noise)
        return SquaredLengths(noise, self.teacher.schedule.lambdas, self.teacher.once(arc_lengths))


class SquaredLengths(SmoothEdgeSum):
    r"""The sum of squared lengths.

    Args:
        noise: The noise schedule.
        points: :math:`\lambda` of M points, shape (M,), increasing.
        lengths: Lengths between neighbouring points, shape (M - 1,).
    """

    def __init__(self, noise: NoiseSchedule, points: Array, lengths: Array) -> None:
        from scipy.interpolate import PchipInterpolator

        self.noise = noise
        # If a step had length 0, S would be constant on it and the optimum would not be unique. So each step has a
        # least length.
        steps = np.maximum(lengths, 1e-9 * lengths.max())
        # The unit is the whole length, so the cost of N equal steps is 1 / N for every model.
        self._length = PchipInterpolator(points, np.append(0.0, np.cumsum(steps)) / steps.sum())
        self._slope, self._bend = self._length.derivative(1), self._length.derivative(2)

    def cost(self, a: Array, b: Array) -> Array:
        return np.asarray((self._length(b) - self._length(a)) ** 2)

    def edge(self, a: Array, b: Array) -> Edge:
        step = self._length(b) - self._length(a)
        at_a, at_b = self._slope(a), self._slope(b)
        return Edge(
            value=step**2,
            a=-2 * step * at_a,
            b=2 * step * at_b,
            aa=2 * at_a**2 - 2 * step * self._bend(a),
            ab=-2 * at_a * at_b,
            bb=2 * at_b**2 + 2 * step * self._bend(b),
        )


def arc_lengths(teacher: Teacher) -> Array:
    r""":math:`\sqrt L` between neighbouring points, shape (M - 1,). It costs M - 1 more network evaluations."""
    path = teacher.trajectory
    scores = (path.data - path.states) / path.sigmas[:, None, None] ** 2
    lengths = []
    for point in range(len(path.lambdas) - 1):
        sigma = path.sigmas[point + 1]
        ahead = (teacher.data(path.states[point], point + 1) - path.states[point]) / sigma**2
        lengths.append(sigma * np.sqrt(np.mean(np.sum((ahead - scores[point]) ** 2, axis=1))))
    return np.array(lengths)
