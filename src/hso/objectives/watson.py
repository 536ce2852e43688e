r"""Watson's objective: the variational bound of a run of few steps, which a trained model's own error gives.

Ancestral sampling (DDPM) along knots :math:`\lambda_0 < \dots < \lambda_K` is a latent variable model of its own. With
the variance of the posterior its bound on the negative log-likelihood, in nats, is a sum over consecutive knots,

.. math::
    L = \mathrm{const} + \sum_i \frac{1}{2} \left( e^{2 \lambda_{i+1}} - e^{2 \lambda_i} \right) m(\lambda_i), \qquad
    m(\lambda) = E |x_0 - D(x_\lambda, \lambda)|^2

where :math:`e^{2 \lambda}` is the signal-to-noise ratio, and m is the network's mean square error of the data. The constant
has the terms of the first and the last point, which all schedules share. So the best schedule is a shortest path, and one
call at each point is enough for all schedules. In a run that ends clean, the last point stands for the clean sample.

If the network is exact, m falls by :math:`E |D_{i+1} - D_i|^2` from level to level. Watson's bound is then KLUB
(:mod:`hso.objectives.klub`) plus :math:`\int m \, d e^{2 \lambda} / 2`, which is the same for all schedules. So both have
the same optimum, and differ by the network's own error only.

For Gaussian data of standard deviation c, :math:`m = c^2 \tilde\sigma^2 / (c^2 + \tilde\sigma^2)` for every dimension.

References:
    | Learning to Efficiently Sample from Diffusion Probabilistic Models (Watson et al., 2021)
    | https://arxiv.org/abs/2106.03802
    | Variational Diffusion Models (Kingma et al., 2021), Eq. 13-14
    | https://arxiv.org/abs/2107.00630
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives.base import TabulatedSum
from hso.objectives.chain import AlongChain, outputs_along_a_chain
from hso.schedule import CLEAN
from hso.solvers import Solver


@dataclass(frozen=True, eq=False)
class Watson(AlongChain):
    """The variational bound of ancestral sampling (Watson et al., 2021). The teacher's clean samples are used as the data.

    Attributes:
        teacher: The model and its trajectories.
        seed: Seed of the noise that is added to the data.

    Raises:
        ArgumentError: If the seed is unusable.

    Example:
        >>> from hso.models.gaussian import GaussianModel
        >>> from hso.optimize import optimize
        >>> noise, x = NoiseSchedule.edm(), 80 * np.random.default_rng(0).standard_normal((16, 2))
        >>> teacher = Teacher(GaussianModel(np.zeros(2), np.ones(2)), noise, x, rule="edm")
        >>> optimize(noise, 4, solver="ddim", objective=Watson(teacher)).schedule.nfe
        4
    """

    name = "watson"

    def on(self, noise: NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> TabulatedSum:
        self.check_noise(noise)
        errors = self.teacher.once(data_errors, self.seed)
        lambdas = self.teacher.trajectory.lambdas
        return TabulatedSum(noise, lambdas, bound_costs(lambdas, errors), costs_jump=terminal == CLEAN)


def data_errors(teacher: Teacher, seed: int = 0) -> Array:
    """m at every point of the teacher, shape (M,), summed over dimensions. M network evaluations."""
    outputs = outputs_along_a_chain(teacher, seed)
    return np.asarray(np.square(outputs - teacher.trajectory.end.ravel()).sum(axis=1) / len(teacher.x))


def bound_costs(lambdas: Array, errors: Array) -> Array:
    """The bound's part for every interval, shape (M, M): from point i (row) to point j (column), infinite unless j > i.

    Args:
        lambdas: The points, shape (M,), increasing.
        errors: m at the points, shape (M,).
    """
    ratios = np.exp(2 * lambdas)
    costs = 0.5 * (ratios - ratios[:, None]) * errors[:, None]
    costs[np.tril_indices(len(costs))] = np.inf
    return np.asarray(costs)
