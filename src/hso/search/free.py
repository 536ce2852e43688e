"""Strategy "free": the best of many descents, for objectives that give a value and a gradient.

The starts are schedules that are known to be good somewhere, and random changes of them. All are judged together, and the
best that differ are descended from together (:mod:`hso.search.descent`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hso.errors import ArgumentError
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.search.descent import Differentiable, Sticks, descend
from hso.search.windows import CLOSEST, Windows

# Two schedules whose times are all nearer than this share of the range are one start.
SAME = 0.01


class Minimum(NamedTuple):
    """What a free search found.

    Attributes:
        knots: The best, shape (K,).
        value: J there.
        others: Other local minima, shape (M, K), the better first.
        values: J of the others, shape (M,).
        evaluations: Schedules that were judged.
    """

    knots: Array
    value: float
    others: Array
    values: Array
    evaluations: int


@dataclass(frozen=True)
class Free:
    """Settings of the search.

    Attributes:
        changes: Random changes of each start that are judged.
        spread: Standard deviation of a change of a free variable.
        descents: Starts that are descended from.
        iterations: Limit of the iterations of a descent.
    """

    changes: int = 30
    spread: float = 0.7
    descents: int = 6
    iterations: int = 120

    def minimum(
        self,
        function: Differentiable,
        noise: NoiseSchedule,
        windows: Windows,
        distance: float,
        starts: Array,
        seed: int = 0,
    ) -> Minimum:
        """The least value that is found.

        Args:
            function: What is to be small.
            noise: The noise schedule.
            windows: Where each knot may lie, in t.
            distance: Least distance of knots in t.
            starts: Knots, shape (S, K); those outside of the windows are moved inside.
            seed: Seed of the random changes.

        Raises:
            ArgumentError: If no knots fit in the windows with this distance.
        """
        distance = max(distance, CLOSEST)
        if not windows.keep(distance):
            raise ArgumentError("d_min", "a distance that the windows have room for", distance)
        sticks = Sticks(noise, windows, distance)
        known = sticks.free(np.asarray(starts, dtype=np.float64))
        normal = np.random.default_rng(seed).standard_normal((self.changes, *known.shape))
        tried = np.concatenate((known, (known + self.spread * normal).reshape(-1, known.shape[1])))
        values = function.value(sticks.knots(tried))
        chosen = _different(sticks.times(tried), values, self.descents)
        found = descend(function, sticks, tried[chosen], self.iterations)
        order = np.argsort(found.values)
        knots, reached = sticks.knots(found.free[order]), found.values[order]
        apart = np.array(_different(sticks.times(found.free[order]), reached, len(reached))[1:], dtype=int)
        return Minimum(knots[0], float(reached[0]), knots[apart], reached[apart], len(tried) + found.evaluations)


def _different(times: Array, values: Array, count: int) -> list[int]:
    """Indices of the best schedules that are not near a better one, the best first."""
    chosen: list[int] = []
    for index in np.argsort(values).tolist():
        if len(chosen) == count:
            break
        if all(np.abs(times[index] - times[other]).max() > SAME for other in chosen):
            chosen.append(index)
    return chosen
