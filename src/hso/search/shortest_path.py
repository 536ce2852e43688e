r"""Shortest paths with a given number of edges, by dynamic programming.

With points sorted in the order of sampling and c(i, j) the cost of the edge from point i to point j > i,

.. math::
    V_0(j) = \begin{cases} 0 & j \text{ may be first} \\ \infty & \text{else} \end{cases}, \qquad
    V_k(j) = \min_{i < j} \; V_{k-1}(i) + c(i, j),

and the least :math:`V_K(j)` over the points that may be last is the global optimum among all paths of K edges. An
infinite cost forbids an edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hso.noise.base import Array

Indices = NDArray[np.intp]


def shortest_path(cost: Array, first: Array, last: Array, edges: int, stride: int = 1) -> Indices:
    """The cheapest path of exactly ``edges`` edges through one set of points.

    Args:
        cost: Shape (G, G), ``cost[j, i]`` from point i to point j, infinite where forbidden.
        first: Shape (G,), cost of beginning at a point.
        last: Shape (G,), cost of ending at a point.
        edges: Number of edges, at least 1.
        stride: Every allowed edge spans at least this many points, so that point k of the path lies between
            ``k * stride`` and ``G - 1 - (edges - k) * stride``; only those are visited.

    Returns:
        Indices of the path's points, shape (edges + 1,). The path is forbidden if its cost is infinite.
    """
    slack = len(first) - edges * stride
    best = first[:slack]
    origins = np.empty((edges, slack), dtype=np.intp)
    # One buffer for all layers: fresh memory for each would cost more than the additions.
    through = np.empty((slack, slack))
    rows = np.arange(slack)
    for k in range(1, edges + 1):
        here, before = k * stride, (k - 1) * stride
        np.add(cost[here : here + slack, before : before + slack], best, out=through)
        chosen = through.argmin(axis=1)
        best = through[rows, chosen]
        origins[k - 1] = chosen + before
    path = np.empty(edges + 1, dtype=np.intp)
    path[edges] = edges * stride + int(np.argmin(best + last[edges * stride :]))
    for k in range(edges, 0, -1):
        path[k - 1] = origins[k - 1, path[k] - k * stride]
    return path


def layered_path(costs: Array) -> Indices:
    """The cheapest path through layers of candidates, one from each.

    Args:
        costs: Shape (K, M, M), ``costs[k, j, i]`` from candidate i of layer k to candidate j of layer k + 1.

    Returns:
        The chosen candidate of each layer, shape (K + 1,).
    """
    edges, width, _ = costs.shape
    best = np.zeros(width)
    origins = np.empty((edges, width), dtype=np.intp)
    rows = np.arange(width)
    for k in range(edges):
        through = costs[k] + best
        origins[k] = through.argmin(axis=1)
        best = through[rows, origins[k]]
    path = np.empty(edges + 1, dtype=np.intp)
    path[edges] = int(best.argmin())
    for k in range(edges, 0, -1):
        path[k - 1] = origins[k - 1, path[k]]
    return path
