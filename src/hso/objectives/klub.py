r"""AYS, computed: the least bound on the divergence between a sampler that holds D over each step and the exact one.

For N intervals between knots :math:`\tilde\sigma_0 > \dots > \tilde\sigma_N`,

.. math::
    \mathrm{KLUB} = \sum_i \int_{\tilde\sigma_{i+1}}^{\tilde\sigma_i} \frac{dt}{t^3} \,
    E |D(z_t, t) - D(z_{\tilde\sigma_i}, \tilde\sigma_i)|^2, \qquad
    z_{\tilde\sigma_i} = z_t + \sqrt{\tilde\sigma_i^2 - t^2}\, n

It is a sum over intervals, so that its least value on the teacher's points is a shortest path. One chain of growing noise
gives all pairs of levels at once, their mean squares are a Gram matrix, and the integral is a trapezoid sum in
:math:`t^{-2} / 2`. The published tables (``ays_sd15`` and others in :mod:`hso.rules.tables`) are the authors' own optima.

For Gaussian data of standard deviation c the mean square is :math:`c^4 / (c^2 + t^2) - c^4 / (c^2 + \tilde\sigma_i^2)` for
every dimension.

References:
    | Align Your Steps: Optimizing Sampling Schedules in Diffusion Models (Sabour et al., 2024)
    | https://arxiv.org/abs/2404.14507
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import cumulative_trapezoid

from hso.models.teacher import Teacher, without_terminal
from hso.noise.base import Array
from hso.objectives.gits import best_path
from hso.schedule import CLEAN, SamplingSchedule


def klub(teacher: Teacher, nfe: int, terminal: str = CLEAN, *, seed: int = 0) -> SamplingSchedule:
    """The schedule of N steps with the least bound, on the teacher's points.

    Args:
        teacher: The model and its trajectories, whose ends are the data.
        nfe: Number of nodes, fewer than the teacher's points.
        terminal: "clean", or "t_min" to land on the teacher's last point. The nodes are the same.
        seed: Seed of the noise that is added to the data.

    Raises:
        ArgumentError: If a setting is unusable.

    Example:
        >>> from hso.models.gaussian import GaussianModel
        >>> from hso.noise import NoiseSchedule
        >>> x = 80 * np.random.default_rng(0).standard_normal((16, 2))
        >>> klub(Teacher(GaussianModel(np.zeros(2), np.ones(2)), NoiseSchedule.edm(), x, rule="edm"), 4).nfe
        4
    """
    path = best_path(teacher.once(klub_costs, seed), teacher.steps(nfe))
    knots = without_terminal(teacher.schedule.lambdas[path], terminal)
    return teacher.student(knots, terminal, "klub", seed=seed)


def klub_costs(teacher: Teacher, seed: int = 0) -> Array:
    """The bound's part for every interval, shape (M, M): from point i (row) to point j (column), infinite unless j > i.

    M more network evaluations.
    """
    outputs = _outputs_along_a_chain(teacher, seed)
    products = outputs @ outputs.T / len(teacher.x)
    squares = np.diag(products)
    change = squares + squares[:, None] - 2 * products
    weight = np.exp(2 * teacher.schedule.lambdas) / 2
    # Row i integrates the change since point i; what lies before the point is taken off again.
    running = cumulative_trapezoid(change, weight, axis=1, initial=0.0)
    costs = running - np.diag(running)[:, None]
    costs[np.tril_indices(len(costs))] = np.inf
    return np.asarray(costs)


def _outputs_along_a_chain(teacher: Teacher, seed: int) -> Array:
    """D at every point for data that noise is added to, step by step; shape (M, B D)."""
    rng, path = np.random.default_rng(seed), teacher.trajectory
    state, before, outputs = path.end, 0.0, []
    for point in reversed(range(len(path.lambdas))):
        variance = path.sigmas[point] ** 2
        state = state + np.sqrt(variance - before) * rng.standard_normal(state.shape)
        before = variance
        outputs.append(teacher.data(state, point).ravel())
    return np.array(outputs[::-1])
