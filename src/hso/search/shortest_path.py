r"""Shortest paths with a given number of edges, by dynamic programming.

The points are sorted in the order of sampling. c(i, j) is the cost of the edge from point i to point j > i, and the
path must be at one of the points :math:`P_k` after k edges. Then

.. math::
    V_0(j) = 0, \qquad V_k(j) = \min_{i \in P_{k-1}} \; V_{k-1}(i) + c(i, j), \qquad j \in P_k,

and the least :math:`V_K(j)` is the global optimum among all paths of K edges. An infinite cost forbids an edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hso.noise.base import Array

Indices = NDArray[np.intp]


def shortest_path(cost: Array, starts: Indices, stops: Indices, growth: float = 1.0) -> Indices:
    """The cheapest path through one set of points.

    Args:
        cost: Shape (G, G), ``cost[j, i]`` from point i to point j, infinite where forbidden.
        starts: Shape (K + 1,), K at least 1. After k edges the path must be at one of the points with indices
            ``starts[k]`` to ``stops[k] - 1``.
        stops: Shape (K + 1,); ``stops[k]`` is larger than ``starts[k]``.
        growth: The cost of the k-th edge, counted from 0, is multiplied by ``growth**k``.

    Returns:
        Indices of the points on the path, shape (K + 1,). If no path is allowed, the cost of this path is infinite.
    """
    best = np.zeros(stops[0] - starts[0])
    origins = []
    # All layers share one buffer, because new memory for each layer would cost more time than the additions.
    widths = stops - starts
    buffer = np.empty(int((widths[1:] * widths[:-1]).max()))
    for k in range(1, len(starts)):
        layer = cost[starts[k] : stops[k], starts[k - 1] : stops[k - 1]]
        if growth != 1:
            layer = growth ** (k - 1) * layer
        through = np.add(layer, best, out=buffer[: layer.size].reshape(layer.shape))
        chosen = through.argmin(axis=1)
        best = through[np.arange(len(chosen)), chosen]
        origins.append(chosen + starts[k - 1])
    path = np.empty(len(starts), dtype=np.intp)
    path[-1] = starts[-1] + int(best.argmin())
    for k in range(len(origins), 0, -1):
        path[k - 1] = origins[k - 1][path[k] - starts[k]]
    return path


def layered_path(costs: Array) -> Indices:
    """The cheapest path that uses one candidate of each layer.

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
