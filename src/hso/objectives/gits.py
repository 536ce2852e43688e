r"""GITS: the steps that an Euler step leaves the teacher's trajectory least, by dynamic programming.

From point i of the teacher, one Euler step reaches :math:`\hat z_{ij} = z_i + (\tilde\sigma_j - \tilde\sigma_i) d_i`. Its
cost is how much farther from the chord between the trajectory's ends that is than the teacher,

.. math::
    C_{ij} = E[\operatorname{dev}(\hat z_{ij}) - \operatorname{dev}(z_j)], \qquad
    \operatorname{dev}(z) = |P (z - z_{M-1})|,

P the projection across the chord; dev is not negative, but C can be. Distances are roots of quadratics in
:math:`\tilde\sigma_j`. The schedule of N steps is the path from the first point to the last with the least

.. math::
    \sum_{k=0}^{N-1} \gamma^k C_{i_k i_{k+1}}

References:
    | On the Trajectory Regularity of ODE-based Diffusion Sampling (Chen et al., 2024)
    | https://arxiv.org/abs/2405.11326
"""

from __future__ import annotations

import numpy as np

from hso.errors import ArgumentError, check_real
from hso.models.teacher import Teacher, Trajectory, without_terminal
from hso.noise.base import Array
from hso.schedule import CLEAN, SamplingSchedule
from hso.search.shortest_path import Indices, layered_path


def gits(teacher: Teacher, nfe: int, terminal: str = CLEAN, *, gamma: float = 1.15) -> SamplingSchedule:
    r"""The schedule of GITS for a model.

    Args:
        teacher: The model and its trajectories; 256 of 61 points in the paper.
        nfe: Number of nodes, fewer than the teacher's points.
        terminal: "clean", or "t_min" to land on the teacher's last point. The nodes are the same.
        gamma: :math:`\gamma`, 1.15 by default and 1.20 for Stable Diffusion in the authors' program.

    Raises:
        ArgumentError: If a setting is unusable.

    Example:
        >>> from hso.models.mixture import GaussianMixture
        >>> from hso.noise import NoiseSchedule
        >>> model, noise = GaussianMixture([1, 1], [[-1.0, 0.3], [1.0, 0.0]], [0.01, 0.04]), NoiseSchedule.edm()
        >>> x = 80 * np.random.default_rng(0).standard_normal((16, 2))
        >>> gits(Teacher(model, noise, x, rule="edm"), 4).nfe
        4
    """
    check_real("gamma", gamma, 0.01, 100.0)
    path = best_path(deviation_costs(teacher.trajectory), teacher.steps(nfe), gamma)
    knots = without_terminal(teacher.schedule.lambdas[path], terminal)
    return teacher.student(knots, terminal, "gits", gamma=gamma)


def deviation_costs(trajectory: Trajectory) -> Array:
    """C, shape (M, M): from point i (row) to point j (column), infinite unless j > i.

    Raises:
        ArgumentError: If a trajectory ends where it began.
    """
    states, slopes, sigmas = trajectory.states, trajectory.slopes, trajectory.sigmas
    chord = states[0] - states[-1]
    length = np.linalg.norm(chord, axis=-1, keepdims=True)
    if not np.all(length > 0):
        raise ArgumentError("x", "trajectories that lead somewhere", "one that ends where it began")
    unit = chord / length
    offset, drift = (v - np.sum(v * unit, axis=-1, keepdims=True) * unit for v in (states - states[-1], slopes))
    # Squares of offset + step * drift, shape (M, M, B), without its D components.
    square, mixed, bend = (np.sum(a * b, axis=-1) for a, b in ((offset, offset), (offset, drift), (drift, drift)))
    step = (sigmas - sigmas[:, None])[:, :, None]
    reached = np.sqrt(np.maximum(square[:, None] + 2 * step * mixed[:, None] + step**2 * bend[:, None], 0))
    costs = (reached - np.sqrt(square)).mean(axis=-1)
    costs[np.tril_indices(len(costs))] = np.inf
    return np.asarray(costs)


def best_path(costs: Array, edges: int, gamma: float = 1.0) -> Indices:
    r"""The path from the first point to the last with the least :math:`\sum_k \gamma^k C_{i_k i_{k+1}}`.

    Args:
        costs: C, shape (M, M), infinite unless j > i.
        edges: Number of steps.
        gamma: :math:`\gamma`.

    Returns:
        Indices of the points, shape (edges + 1,), from 0 to M - 1.

    Example:
        >>> best_path(np.array([[np.inf, 1, 5], [np.inf, np.inf, 1], [np.inf] * 3]), 2).tolist()
        [0, 1, 2]
    """
    layers = np.stack([gamma**k * costs.T for k in range(edges)])
    layers[0, :, 1:] = np.inf
    layers[-1, :-1, :] = np.inf
    return layered_path(layers)
