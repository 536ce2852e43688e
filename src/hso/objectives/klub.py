r"""KLUB, the bound that Align Your Steps (AYS) minimizes.

It bounds the divergence between the exact sampler and a sampler that keeps D constant over each step.

For N intervals between knots :math:`\tilde\sigma_0 > \dots > \tilde\sigma_N`,

.. math::
    \mathrm{KLUB} = \sum_i \int_{\tilde\sigma_{i+1}}^{\tilde\sigma_i} \frac{dt}{t^3} \,
    E |D(z_t, t) - D(z_{\tilde\sigma_i}, \tilde\sigma_i)|^2, \qquad
    z_{\tilde\sigma_i} = z_t + \sqrt{\tilde\sigma_i^2 - t^2}\, n

KLUB is a sum over intervals, so the best schedule on the teacher's points is a shortest path. The data gets more and
more noise, from point to point, and the network is called once at each point. The mean products of its outputs form a
Gram matrix, which gives the mean squares of all pairs of levels. The integral is a trapezoid sum in :math:`t^{-2} / 2`.
The published tables (``ays_sd15`` and others in :mod:`hso.rules.tables`) are the authors' own optima. In a run that
ends clean, the last point stands for the clean sample.

For Gaussian data of standard deviation c the mean square is :math:`c^4 / (c^2 + t^2) - c^4 / (c^2 + \tilde\sigma_i^2)` for
every dimension.

References:
    | Align Your Steps: Optimizing Sampling Schedules in Diffusion Models (Sabour et al., 2024)
    | https://arxiv.org/abs/2404.14507
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
class KLUB(AlongChain):
    """The bound of Align Your Steps (Sabour et al., 2024). The clean samples of the teacher are used as the data.

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
        >>> optimize(noise, 4, solver="ddim", objective=KLUB(teacher)).schedule.nfe
        4
    """

    name = "klub"

    def on(self, noise: NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> TabulatedSum:
        self.check_noise(noise)
        costs = self.teacher.once(klub_costs, self.seed)
        return TabulatedSum(noise, self.teacher.trajectory.lambdas, costs, costs_jump=terminal == CLEAN)


def klub_costs(teacher: Teacher, seed: int = 0) -> Array:
    """The bound's part for every interval, shape (M, M): from point i (row) to point j (column), infinite unless j > i.

    M more network evaluations.
    """
    from scipy.integrate import cumulative_trapezoid

    outputs = outputs_along_a_chain(teacher, seed)
    products = outputs @ outputs.T / len(teacher.x)
    squares = np.diag(products)
    change = squares + squares[:, None] - 2 * products
    weight = np.exp(2 * teacher.schedule.lambdas) / 2
    # Row i needs the integral from point i on. The sum starts at the first point, so the part before point i is
    # subtracted.
    running = cumulative_trapezoid(change, weight, axis=1, initial=0.0)
    costs = running - np.diag(running)[:, None]
    costs[np.tril_indices(len(costs))] = np.inf
    return np.asarray(costs)
