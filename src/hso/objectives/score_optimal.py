r"""Score-optimal schedules: steps of equal length along the path of noisy distributions.

The score is :math:`s(z, \tilde\sigma) = (D - z) / \tilde\sigma^2`. What a corrector has to do after a step to
:math:`\tilde\sigma'` is measured by

.. math::
    L(\tilde\sigma \to \tilde\sigma') = \tilde\sigma'^2 \, E_{z \sim p(\tilde\sigma)}
    |s(z, \tilde\sigma') - s(z, \tilde\sigma)|^2,

which is quadratic in small steps, so that :math:`\sqrt L` is a length. The least sum of L over N steps has equal lengths;
they are cumulated over the teacher's points, and inverted by a monotone cubic. Its states stand for
:math:`p(\tilde\sigma)`, which the ODE keeps.

For Gaussian data of standard deviation c, in :math:`\theta = \arctan(\tilde\sigma / c)`, the length is
:math:`2 (\log(\sec\theta + \tan\theta) - \sin\theta)` for every dimension.

References:
    | Score-Optimal Diffusion Schedules (Williams et al., 2024)
    | https://arxiv.org/abs/2412.07877
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from hso.models.teacher import Teacher
from hso.noise.base import Array
from hso.schedule import CLEAN, SamplingSchedule, check_terminal


def score_optimal(teacher: Teacher, nfe: int, terminal: str = CLEAN) -> SamplingSchedule:
    """The score-optimal schedule for a model, from the teacher's first point to its last.

    Args:
        teacher: The model and its trajectories.
        nfe: Number of nodes, fewer than the teacher's points.
        terminal: "clean" after a node at the last point, or "t_min" to land on it.

    Raises:
        ArgumentError: If a setting is unusable.

    Example:
        >>> from hso.models.gaussian import GaussianModel
        >>> from hso.noise import NoiseSchedule
        >>> x = 80 * np.random.default_rng(0).standard_normal((16, 2))
        >>> score_optimal(Teacher(GaussianModel(np.zeros(2), np.ones(2)), NoiseSchedule.edm(), x, rule="edm"), 4).nfe
        4
    """
    count = teacher.steps(nfe) + (check_terminal(terminal) != CLEAN)
    lambdas = teacher.schedule.lambdas
    lengths = teacher.once(arc_lengths)
    # A step that costs nothing still has to be crossed, or the inverse would not exist.
    distance = np.append(0.0, np.cumsum(np.maximum(lengths, 1e-9 * lengths.max())))
    knots = PchipInterpolator(distance, lambdas)(np.linspace(0.0, distance[-1], count))
    knots[0] = lambdas[0]
    return teacher.student(np.minimum(knots, lambdas[-1]), terminal, "score_optimal")


def arc_lengths(teacher: Teacher) -> Array:
    r""":math:`\sqrt L` between neighbouring points, shape (M - 1,); M - 1 more network evaluations."""
    path = teacher.trajectory
    scores = (path.data - path.states) / path.sigmas[:, None, None] ** 2
    lengths = []
    for point in range(len(path.lambdas) - 1):
        sigma = path.sigmas[point + 1]
        ahead = (teacher.data(path.states[point], point + 1) - path.states[point]) / sigma**2
        lengths.append(sigma * np.sqrt(np.mean(np.sum((ahead - scores[point]) ** 2, axis=1))))
    return np.array(lengths)
