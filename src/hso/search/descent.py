r"""Free search: gradient descents from many starts at once, in variables that keep all constraints.

Times :math:`t_0 > t_1 > \dots > t_K` must lie in windows :math:`l_k \le t_k \le h_k` and keep a least distance d. Free
variables :math:`v_k` describe them, one knot after the other:

.. math::
    t_k = l'_k + (h'_k - l'_k) \, s(v_k), \qquad s(v) = \frac{1}{1 + e^{-v}}, \qquad
    l'_k = \max_{j \ge k} (l_j + (j - k) d), \qquad h'_k = \min(h_k, t_{k-1} - d)

Every v gives feasible times, and all feasible times that touch no constraint belong to some v. So the search in v has
no constraints. It is BFGS on all starts together, with a shorter step for each start whose value does not fall enough.

References:
    | Numerical Optimization (Nocedal and Wright, 2006), Algorithm 6.1
    | https://doi.org/10.1007/978-0-387-40065-5
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives import SmoothFunction
from hso.search.windows import Windows

# At this value of a free variable its knot is at the edge of its range, to seven digits of the range.
FARTHEST = 16.0
# Longest step of a free variable; the part of the expected fall that a step must reach; a descent ends at a relative
# gain below ENOUGH or a step shorter than SHORTEST.
LONGEST, FALL, ENOUGH, SHORTEST = 2.0, 1e-4, 1e-7, 1e-5
# Relative step of differences of lambda in t.
DIFFERENCE = 1e-6


class Sticks:
    """The free variables of knots in windows.

    Args:
        noise: The noise schedule.
        windows: Where each knot may lie, in t.
        distance: Least distance of knots in t.
    """

    def __init__(self, noise: NoiseSchedule, windows: Windows, distance: float) -> None:
        self.noise, self.distance, self.highs = noise, distance, windows.high
        self.lows = windows.latest(distance)

    def times(self, free: Array) -> Array:
        """The times t that belong to free variables, shape (S, K)."""
        return self._walk(free)[0]

    def knots(self, free: Array) -> Array:
        """The lambdas that belong to free variables, shape (S, K)."""
        return self.noise.lambda_(self.times(free))

    def free(self, knots: Array) -> Array:
        """Free variables whose knots are near these, shape (S, K). Knots outside their windows are moved inside."""
        times, found, high = self.noise.time(knots), np.empty(knots.shape), np.full(len(knots), np.inf)
        for k, low in enumerate(self.lows):
            top = np.minimum(self.highs[k], high)
            width = np.maximum(top - low, np.finfo(float).tiny)
            share = np.clip((times[:, k] - low) / width, *_sigmoid(np.array([-FARTHEST, FARTHEST])))
            found[:, k] = np.log(share / (1 - share))
            high = low + width * share - self.distance
        return found

    def pull(self, free: Array, slope: Array) -> Array:
        """The derivative with respect to the free variables, from the derivative with respect to the knots' lambdas."""
        times, widths, follows = self._walk(free)
        # First factor of the chain rule: d lambda / d t. A difference is accurate enough for a descent, and it works
        # for every noise schedule. It is one-sided at the ends of the range of t.
        step = DIFFERENCE * np.minimum(times, 1 - times + 1e-3)
        low, high = self.noise.t_range
        ahead, behind = np.minimum(times + step, high), np.maximum(times - step, low)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = (self.noise.lambda_(ahead) - self.noise.lambda_(behind)) / (ahead - behind)
        by_time, share = slope * np.where(ahead > behind, rate, 0.0), _sigmoid(free)
        found, later = np.empty(free.shape), np.zeros(len(free))
        # Second factor: t_k = low + width s(v_k). If the range of knot k + 1 ends at t_k - d, then a move of knot k
        # also moves knot k + 1 by the share s(v_{k+1}) of this move. Going backwards, each knot collects these effects.
        for k in reversed(range(free.shape[1])):
            total = by_time[:, k] + later
            found[:, k] = total * widths[:, k] * share[:, k] * (1 - share[:, k])
            later = np.where(follows[:, k], total * share[:, k], 0.0)
        return found

    def _walk(self, free: Array) -> tuple[Array, Array, Array]:
        """Times, widths of the ranges, and whether the knot before limits a range (instead of the knot's window)."""
        times, widths = np.empty(free.shape), np.empty(free.shape)
        follows = np.zeros(free.shape, dtype=bool)
        share, high = _sigmoid(free), np.full(len(free), np.inf)
        for k, low in enumerate(self.lows):
            follows[:, k] = high < self.highs[k]
            widths[:, k] = np.maximum(np.minimum(high, self.highs[k]) - low, 0.0)
            times[:, k] = low + widths[:, k] * share[:, k]
            high = times[:, k] - self.distance
        return times, widths, follows


class Descended(NamedTuple):
    """The ends of the descents from S starts: free variables, shape (S, K), values, shape (S,), and all evaluations."""

    free: Array
    values: Array
    evaluations: int


def descend(function: SmoothFunction, sticks: Sticks, free: Array, iterations: int) -> Descended:
    """BFGS from S starts, shape (S, K), at once. A start that has ended costs no more evaluations."""
    count = free.shape[1]
    free = free.copy()
    values, slopes = _ask(function, sticks, free)
    inverse, lengths = np.tile(np.eye(count), (len(free), 1, 1)), np.ones(len(free))
    evaluations, going = len(free), np.arange(len(free))
    for _ in range(iterations):
        direction = -np.einsum("sij,sj->si", inverse[going], slopes[going])
        falls = (direction * slopes[going]).sum(axis=1)
        wrong = falls >= 0
        # Rounding can make the direction lead uphill. The negative gradient always leads downhill, so the start uses
        # it.
        inverse[going[wrong]], direction[wrong] = np.eye(count), -slopes[going[wrong]]
        falls = (direction * slopes[going]).sum(axis=1)
        size = np.minimum(lengths[going], LONGEST / np.maximum(np.abs(direction).max(axis=1), 1e-300))
        moved = np.clip(free[going] + size[:, None] * direction, -FARTHEST, FARTHEST)
        found, steep = _ask(function, sticks, moved)
        evaluations += len(going)
        kept = found <= values[going] + FALL * size * falls
        _update(inverse, going[kept], moved[kept] - free[going[kept]], steep[kept] - slopes[going[kept]])
        gain = np.where(kept, values[going] - found, np.inf)
        lengths[going] = np.where(kept, 1.0, size / 3)
        free[going[kept]], values[going[kept]], slopes[going[kept]] = moved[kept], found[kept], steep[kept]
        done = (gain < ENOUGH * np.abs(values[going])) | (lengths[going] < SHORTEST)
        going = going[~done]
        if len(going) == 0:
            break
    return Descended(free, values, evaluations)


def _ask(function: SmoothFunction, sticks: Sticks, free: Array) -> tuple[Array, Array]:
    values, slopes = function.value_and_gradient(sticks.knots(free))
    return values, sticks.pull(free, slopes)


def _update(inverse: Array, rows: Array, moved: Array, bent: Array) -> None:
    """The BFGS update of the inverse Hessians of these starts, where the curvature is positive."""
    along = (moved * bent).sum(axis=1)
    usable = along > 1e-12 * np.linalg.norm(moved, axis=1) * np.linalg.norm(bent, axis=1)
    rows, moved, bent, along = rows[usable], moved[usable], bent[usable], along[usable]
    pushed = np.einsum("sij,sj->si", inverse[rows], bent)
    scale = (1 + (bent * pushed).sum(axis=1) / along) / along
    cross = np.einsum("si,sj->sij", pushed, moved) / along[:, None, None]
    outer = np.einsum("si,sj->sij", moved, moved) * scale[:, None, None]
    inverse[rows] += outer - cross - cross.swapaxes(1, 2)


def _sigmoid(v: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-v)))
