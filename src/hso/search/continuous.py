r"""The optimum over continuous times: a shortest path on a grid, then Newton, then a refinement with candidates.

The step of the grid divides d_min, so the grid contains the schedules whose distances are all exactly d_min. A Newton
run starts from the best path on the grid. Newton's answer is final if no spacing constraint is active and no knot at
the edge of its window wants to leave it. Otherwise each knot gets a few candidates around it, and the best path through
the candidates gives the new knots. The step between candidates shrinks until it is below 1e-10 in t. Every round keeps
all constraints and needs no derivative, so the kinks of a discrete noise schedule do no harm.

If K d_min is larger than the widest range R, no schedule is feasible. Equal distances R / K over the widest range are
then the only ones with the least penalty, because the penalty is a sum of squares and the sum of the shortfalls is
fixed. If there is a boundary, equal distances may not respect it. The penalty is then added to the edge costs instead
of the constraint; the fitness of Eq. 9 is a sum of edge costs too.

References:
    | Optimal Control of Bang-Bang and Iterative Dynamic Programming (Luus, 1990), for the shrinking candidates
    | https://doi.org/10.1002/aic.690360706
"""

from __future__ import annotations

import math

import numpy as np

from hso.noise.base import Array
from hso.objectives import SmoothEdgeSum
from hso.search.newton import minimize_interior
from hso.search.paths import FunctionPaths
from hso.search.shortest_path import Indices, layered_path
from hso.search.windows import CLOSEST, ROUNDING

# Points of the first grid. More points cost more and do not change the result.
GRID_POINTS = 400
REACH = 3
FINEST = 1e-10
MAX_ROUNDS = 200


class Continuous(FunctionPaths):
    """The optimum over all times in the windows."""

    def solve(self) -> Array:
        if self.problem.is_feasible:
            return self._feasible()
        if self.problem.boundary is None:
            return self._equal_distances()
        self.give_up_spacing()
        return self._refine(self._coarse())

    def _feasible(self) -> Array:
        times = self._newton(self._coarse())
        if self._is_stationary(times):
            self.message = "optimal: shortest path on a grid, then Newton"
            return times
        self.message = f"optimal: shortest path on a grid, refined to {FINEST:g} in t"
        return self._refine(times)

    def _equal_distances(self) -> Array:
        (low, high), intervals = self.problem.widest, self.problem.intervals
        least = (high - low) / intervals
        self.message = (
            f"no schedule in the box keeps d_min: {intervals} intervals of {self.problem.d_min:.4g} exceed the range "
            f"{high - low:.4g}; equal distances of {least:.4g} have the least penalty"
        )
        return np.linspace(high, low, intervals + 1)

    def _coarse(self) -> Array:
        distance = self.least_gap
        low, high = self.problem.widest
        points = max(GRID_POINTS, self.problem.intervals * 5 // 4)
        finest = (high - low) / points
        # A step that divides a very small d_min would need a huge grid. A small d_min hardly restricts the knots, so
        # the grid then uses its own step.
        self.step = distance / math.ceil(distance * points / (high - low)) if distance > finest else finest
        lattice = low + self.step * np.arange(int((high - low) / self.step) + 1)
        times = np.unique(np.concatenate((lattice[lattice <= high], self.windows.low, self.windows.high)))[::-1]
        gaps = times[None, :] - times[:, None]
        # The edges of the windows are extra points that are closer than the step. So the stride stays 1: an allowed
        # edge may connect neighbouring points.
        allowed = (gaps >= distance - ROUNDING) & (gaps > 0)
        best = self.best_on(times, self.edge_costs(times[None, :], times[:, None], allowed))
        if best is None:
            # No path on the grid keeps the distance. Any knots that keep it are good enough to start the refinement.
            # These are the mean of the earliest and the latest allowed knots, so each knot can move in both directions.
            distance = max(distance, CLOSEST)
            best = (self.windows.earliest(distance) + self.windows.latest(distance)) / 2
        return best

    def _newton(self, times: Array) -> Array:
        if not isinstance(self.function, SmoothEdgeSum):
            return times
        noise = self.problem.noise
        knots, evaluations = minimize_interior(self.function, noise.lambda_(times)[None])
        self.evaluations += evaluations * self.problem.intervals
        free = times.copy()
        free[1:-1] = noise.time(knots[0, 1:-1])
        spaced = np.all(-np.diff(free) >= max(self.least_gap, ROUNDING))
        return free if spaced and self.windows.hold(free) else times

    def _is_stationary(self, times: Array) -> bool:
        """Whether no knot can lower J by a move inside its window."""
        if not isinstance(self.function, SmoothEdgeSum):
            return False
        gradient = self.function.gradient(self.problem.noise.lambda_(times))
        # A negative gradient in lambda pulls a knot towards the clean end, that is to the low edge of its window in t.
        held = times == np.where(gradient < 0, self.windows.low, self.windows.high)
        return bool(np.all(held | (np.abs(gradient) < FINEST)))

    def _refine(self, times: Array) -> Array:
        """Move the knots to the best path through a few candidates around each knot; repeat this with smaller steps.

        Newton fails if a constraint holds a knot or the edge cost has kinks. A path through candidates keeps every
        constraint and needs no derivative.
        """
        offsets = np.arange(-REACH, REACH + 1)
        step = self.step / REACH
        for _ in range(MAX_ROUNDS):
            candidates = self.windows.clip(times[:, None] + step * offsets)
            moved = candidates[np.arange(len(times)), self._best_of(candidates)]
            furthest = np.abs(moved - times).max()
            times = moved
            # A knot at its outermost candidate may want to move farther, so the step shrinks only if there is none.
            if furthest < (REACH - 0.5) * step:
                step /= REACH
            if step < FINEST:
                return times
        found = "feasible" if self.problem.is_feasible else self.message
        self.message = f"{found}; the refinement stopped after {MAX_ROUNDS} rounds with a step of {step:.1g} in t"
        return times

    def _best_of(self, candidates: Array) -> Indices:
        before, after = candidates[:-1, None, :], candidates[1:, :, None]
        gaps = before - after
        allowed = (gaps >= self.least_gap - ROUNDING) & (gaps > 0)
        return layered_path(self.edge_costs(before, after, allowed))
