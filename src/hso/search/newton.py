r"""Newton's method for many sums of edge costs at once.

With the ends fixed, the stationarity conditions of :math:`\sum_i c(\lambda_i, \lambda_{i+1})` form a tridiagonal system.
A batch of S such problems is one block-diagonal system, which LAPACK's ``ptsv`` solves in one call.

A Newton step can be too long, or lead uphill. Three rules keep the search safe:

- A step is shortened so that every interval keeps at least a tenth of its length. Then it is halved until it lowers the
  objective.
- One short interval would stop all knots of a member. In this case each knot moves as far as its own neighbours allow.
- If the Hessian is not positive definite, a multiple of its largest entry is added to its diagonal, and the multiple grows
  until the matrix is positive definite. The step then leads downhill.

For MEP with p > 2 the knots coincide in some minima. If the knots of a member come so close, this member stops.
"""

from __future__ import annotations

import numpy as np

from hso.noise.base import Array
from hso.objectives import Edge, SmoothEdgeSum
from hso.objectives.base import scatter

MAX_ITERATIONS = 60
MAX_HALVINGS = 30
# Convergence is quadratic: after a step of this size, the next step would be below rounding.
TOLERANCE = 1e-7
SHRINK, BLOCKED = 0.9, 0.1
SHIFTS = (0.0, 1e-8, 1e-6, 1e-4, 1e-2, 0.1, 0.5, 1.0, 4.0, 100.0)
CLOSEST_KNOTS = 1e-8


def minimize_interior(function: SmoothEdgeSum, knots: Array) -> tuple[Array, int]:
    """Local minimum over the interior knots, with the ends fixed.

    Args:
        function: The sum of edge costs.
        knots: Starts, shape (S, K + 1), each strictly increasing.

    Returns:
        The minima, shape (S, K + 1), and the number of objective evaluations of all members together.
    """
    knots = knots.copy()
    if knots.shape[-1] < 3:
        return knots, len(knots)
    edge = function.edge(knots[:, :-1], knots[:, 1:])
    evaluations = len(knots)
    for _ in range(MAX_ITERATIONS):
        step = _direction(edge)
        knots, edge, calls = _advance(function, knots, edge, step)
        evaluations += calls * len(knots)
        if np.abs(step).max() < TOLERANCE:
            break
    return knots, evaluations


def _direction(edge: Edge) -> Array:
    gradient = scatter(edge.a, edge.b)[:, 1:-1]
    diagonal = scatter(edge.aa, edge.bb)[:, 1:-1]
    # The last entry of each row would couple two problems of the batch. It is zero, because they are independent.
    coupling = np.zeros_like(diagonal)
    coupling[:, :-1] = edge.ab[:, 1:-1]
    scale = np.abs(diagonal).max(axis=1, keepdims=True)
    # Without a shift the step is Newton's and converges quadratically. Near a saddle it would lead uphill; a larger shift
    # turns the step towards the negative gradient, which always leads downhill.
    for shift in SHIFTS:
        step, definite = _solve_tridiagonal(diagonal + shift * scale, coupling, -gradient)
        if definite:
            break
    return step


def _solve_tridiagonal(diagonal: Array, coupling: Array, right: Array) -> tuple[Array, bool]:
    """The solution, with the shape of ``right``, and whether the system is positive definite."""
    from scipy.linalg.lapack import dptsv

    # LAPACK wants one coupling less than unknowns, and at least one coupling. An additional unknown without coupling
    # makes the numbers right.
    _, _, solution, info = dptsv(np.append(diagonal, 1.0), coupling.ravel(), np.append(right, 0.0))
    return solution[:-1].reshape(right.shape), info == 0


def _advance(function: SmoothEdgeSum, knots: Array, edge: Edge, step: Array) -> tuple[Array, Edge, int]:
    """Take the longest allowed fraction of the step for each member. A member that cannot improve does not move."""
    full = np.zeros_like(knots)
    full[:, 1:-1] = step
    room = np.minimum(SHRINK * np.diff(knots, axis=1), np.maximum(np.diff(knots, axis=1) - CLOSEST_KNOTS, 0.0))
    closing = np.maximum(-np.diff(full, axis=1), 1e-300)
    fraction = np.minimum(1.0, (room / closing).min(axis=1))
    blocked = fraction < BLOCKED
    full[blocked, 1:-1] = np.clip(step, -room[:, :-1] / 2, room[:, 1:] / 2)[blocked]
    fraction[blocked] = 1.0
    before = edge.value.sum(axis=1)
    limit = before + 1e-14 * np.abs(before)
    for calls in range(1, MAX_HALVINGS + 1):
        trial = knots + fraction[:, None] * full
        edge = function.edge(trial[:, :-1], trial[:, 1:])
        worse = ~(edge.value.sum(axis=1) <= limit)
        if not worse.any():
            return trial, edge, calls
        fraction[worse] *= 0.5
    fraction[worse] = 0.0
    trial = knots + fraction[:, None] * full
    return trial, function.edge(trial[:, :-1], trial[:, 1:]), MAX_HALVINGS + 1
