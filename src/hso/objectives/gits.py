r"""GITS: steps that minimize Euler's deviation from the teacher.

From point i of the teacher, one Euler step reaches :math:`\hat z_{ij} = z_i + (\tilde\sigma_j - \tilde\sigma_i) d_i`. The
chord is the straight line between the ends of the trajectory. The cost of the step compares two distances to the chord:
that of the point where the step lands and that of the teacher,

.. math::
    C_{ij} = E[\operatorname{dev}(\hat z_{ij}) - \operatorname{dev}(z_j)], \qquad
    \operatorname{dev}(z) = |P (z - z_{M-1})|,

where P projects onto the directions orthogonal to the chord. dev is never negative, but C can be. Distances are roots
of quadratics in :math:`\tilde\sigma_j`. The schedule of N steps is the path from the first point to the last that
minimizes

.. math::
    \sum_{k=0}^{N-1} \gamma^k C_{i_k i_{k+1}}

In a run that ends clean, the last point stands for the clean sample.

References:
    | On the Trajectory Regularity of ODE-based Diffusion Sampling (Chen et al., 2024)
    | https://arxiv.org/abs/2405.11326
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hso.errors import ArgumentError, check_real
from hso.models.teacher import Teacher, Trajectory
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives.base import TabulatedSum
from hso.objectives.measured import Measured
from hso.schedule import CLEAN
from hso.solvers import Solver


@dataclass(frozen=True, eq=False)
class GITS(Measured):
    r"""Euler's deviation from the teacher (Chen et al., 2024).

    Attributes:
        teacher: The model and its trajectories; the paper uses 256 trajectories of 61 points.
        gamma: :math:`\gamma`, 1.15 by default and 1.20 for Stable Diffusion in the authors' program.

    Raises:
        ArgumentError: If gamma is unusable.

    Example:
        >>> from hso.models.mixture import GaussianMixture
        >>> from hso.models.teacher import Teacher
        >>> from hso.optimize import optimize
        >>> model, noise = GaussianMixture([1, 1], [[-1.0, 0.3], [1.0, 0.0]], [0.01, 0.04]), NoiseSchedule.edm()
        >>> x = 80 * np.random.default_rng(0).standard_normal((16, 2))
        >>> optimize(noise, 4, solver="ddim", objective=GITS(Teacher(model, noise, x, rule="edm"))).schedule.nfe
        4
    """

    gamma: float = 1.15

    name = "gits"

    def __post_init__(self) -> None:
        check_real("gamma", self.gamma, 0.01, 100.0)

    def on(self, noise: NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> TabulatedSum:
        self.check_noise(noise)
        trajectory = self.teacher.trajectory
        costs = self.teacher.once(_costs)
        return TabulatedSum(noise, trajectory.lambdas, costs, self.gamma, costs_jump=terminal == CLEAN)


def _costs(teacher: Teacher) -> Array:
    return deviation_costs(teacher.trajectory)


def deviation_costs(trajectory: Trajectory) -> Array:
    """C, shape (M, M): from point i (row) to point j (column), infinite unless j > i.

    Raises:
        ArgumentError: If a trajectory ends where it begins.
    """
    states, slopes, sigmas = trajectory.states, trajectory.slopes, trajectory.sigmas
    chord = states[0] - states[-1]
    length = np.linalg.norm(chord, axis=-1, keepdims=True)
    if not np.all(length > 0):
        raise ArgumentError("x", "trajectories that lead somewhere", "one that ends where it began")
    unit = chord / length
    offset, drift = (v - np.sum(v * unit, axis=-1, keepdims=True) * unit for v in (states - states[-1], slopes))
    # |offset + step * drift|^2 as a quadratic in step needs three inner products only. An array of offset + step *
    # drift itself, shape (M, M, B, D), could be too large for the memory.
    square, mixed, bend = (np.sum(a * b, axis=-1) for a, b in ((offset, offset), (offset, drift), (drift, drift)))
    step = (sigmas - sigmas[:, None])[:, :, None]
    reached = np.sqrt(np.maximum(square[:, None] + 2 * step * mixed[:, None] + step**2 * bend[:, None], 0))
    costs = (reached - np.sqrt(square)).mean(axis=-1)
    costs[np.tril_indices(len(costs))] = np.inf
    return np.asarray(costs)
