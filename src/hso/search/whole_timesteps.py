r"""Descent among whole timesteps, for objectives that are not a sum over steps.

Such an objective is minimized over all times first. The result, rounded, is not the best of whole timesteps: where a
schedule leaves little error, the rounding can double it. So after the rounding the nodes move by one timestep each, the
best move first, as long as a move lowers the objective.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hso.search.problem import Problem

# So many moves take about a second. A longer descent is cut off.
MOST_MOVES = 100
# In timesteps: times are rounded.
ROUNDING = 1e-6


def descend_on_timesteps(problem: Problem, timesteps: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Whole timesteps near the given ones, such that no move of one node by one timestep lowers the objective.

    The nodes stay in the problem's windows. The least distance is one timestep, whatever the problem's own is.

    Args:
        problem: A problem whose nodes are all its knots.
        timesteps: Training indices to start from, descending, shape (N,). Those outside of their windows are moved in.

    Returns:
        Distinct training indices, descending, shape (N,).
    """
    if problem.nodes == 1:
        # The windows of the first and the last knot are of no use to a node that is both.
        return timesteps
    noise, function = problem.noise, problem.function
    low = np.ceil(noise.index_of_time(problem.windows.low) - ROUNDING).astype(int)
    high = np.floor(noise.index_of_time(problem.windows.high) + ROUNDING).astype(int)
    here, value = np.clip(timesteps, low, high), np.inf
    moves = np.eye(len(here), dtype=int)
    moves, near = np.concatenate((moves, -moves)), here[None]
    for _ in range(MOST_MOVES):
        near = near[((near >= low) & (near <= high)).all(axis=1) & (np.diff(near) < 0).all(axis=1)]
        if len(near) == 0:
            break
        values = function.value(noise.lambda_(noise.time_of_index(near)))
        best = int(values.argmin())
        if not values[best] < value:
            break
        here, value = near[best], values[best]
        near = here + moves
    return here
