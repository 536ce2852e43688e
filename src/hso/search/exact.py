r"""The optimum by shortest path, with spacing as a hard constraint.

An additive objective over a grid of times is a shortest-path problem with K edges; an edge shorter than d_min is
forbidden, and knot k may be at every point of its window (:mod:`hso.search.windows`). Dynamic programming solves it
globally.

- ``grid="training"``: the grid is the training timesteps, and the result is proved optimal among all distinct integer
  timesteps in the windows.
- ``grid="continuous"``: the grid's step divides d_min, so that the tightest feasible schedules lie on it. A Newton run
  from its best path ends the search where spacing holds no knot and the windows hold those that would improve outside.
  Elsewhere each knot gets a few candidates around it, the best path through them is found, and their step shrinks, until
  it is below 1e-10 in t: this is feasible throughout and needs no derivative, so the kinks of a discrete noise schedule
  do no harm.

Where K d_min exceeds the widest range R, no schedule is feasible. Equal distances R / K over the widest range then have
the least penalty, and only they (the penalty is a sum of squares of shortfalls with a given sum). Where it is a boundary
that leaves no room, the penalty is added to the edge costs in place of the constraint: the fitness of Eq. 9 is additive
too.

References:
    | On the Routing Problem (Bellman, 1958)
    | Optimal Control of Bang-Bang and Iterative Dynamic Programming (Luus, 1990), for the shrinking candidates
    | https://doi.org/10.1002/aic.690360706
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hso.errors import ArgumentError, check_choice
from hso.noise.base import Array
from hso.objectives import AdditiveObjective
from hso.search.newton import minimize_interior
from hso.search.problem import Found, Problem, Psi, Strategy
from hso.search.shortest_path import Indices, layered_path, shortest_path
from hso.search.windows import LEAST_GAP, ROUNDING

Mask = NDArray[np.bool_]
CONTINUOUS, TRAINING = "continuous", "training"
# Points of the grid that the refinement starts from; more do not change the result, only its cost.
GRID_POINTS = 400
REACH = 3
FINEST = 1e-10
MAX_ROUNDS = 200


@dataclass(frozen=True)
class Exact(Strategy):
    """Shortest path over times.

    Attributes:
        grid: "continuous", or "training" for the optimum among distinct integer timesteps.
    """

    name = "exact"
    keeps_boundary = True
    grid: str = CONTINUOUS

    def __post_init__(self) -> None:
        check_choice("grid", self.grid, (CONTINUOUS, TRAINING))

    def search(self, problem: Problem, seed: int) -> Found:
        search = _TrainingGrid(problem) if self.grid == TRAINING else _Continuous(problem)
        times = search.solve()
        knots = problem.noise.lambda_(times)
        return Found(knots, Psi(None, float(times[-1]), float(times[0])), search.evaluations, search.message)


class _Paths:
    """Shortest paths in a problem's windows; counts the edge costs it evaluates.

    Attributes:
        least_gap: Distance in t that every edge has.
        message: How the search ended.
    """

    message: str

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.objective: AdditiveObjective = problem.additive_objective(Exact.name)
        self.windows = problem.windows
        self.least_gap = problem.d_min
        self.evaluations = 0

    def give_up_spacing(self) -> None:
        """Cost shortfalls by Eq. 10 instead of forbidding them."""
        self.message = "no schedule with so many nodes on either side keeps d_min; the fitness of Eq. 9 is least"
        self.least_gap = 0.0

    def edge_costs(self, before: Array, after: Array, allowed: Mask) -> Array:
        """Costs of the allowed edges between broadcast times; the others are infinite."""
        noise = self.problem.noise
        a, b = np.broadcast_arrays(noise.lambda_(before), noise.lambda_(after))
        costs = np.full(a.shape, np.inf)
        costs[allowed] = self.objective.cost(a[allowed], b[allowed])
        if self.least_gap < self.problem.d_min:
            shortfall = np.maximum(self.problem.d_min - (before - after), 0.0)
            costs += self.problem.gamma * shortfall**2
        self.evaluations += int(allowed.sum())
        return costs

    def best_on(self, times: Array, allowed: Mask, stride: int) -> Array | None:
        """The best path on a grid of decreasing times with each knot in its window, or None if there is none.

        ``allowed[j, i]`` is the edge from i to j, which spans at least ``stride`` points.
        """
        starts, stops = self.windows.ranges(times)
        skipped = stride * np.arange(len(starts))
        starts, stops = np.maximum(starts, skipped), np.minimum(stops, len(times) - skipped[::-1])
        if np.any(starts >= stops):
            return None
        costs = self.edge_costs(times[None, :], times[:, None], allowed)
        path = shortest_path(costs, starts, stops)
        return times[path] if math.isfinite(costs[path[1:], path[:-1]].sum()) else None


class _Continuous(_Paths):
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
        stride = math.ceil(distance * points / (high - low)) if distance > 0 else 1
        self.step = distance / stride if distance > 0 else (high - low) / points
        lattice = low + self.step * np.arange(int((high - low) / self.step) + 1)
        times = np.unique(np.concatenate((lattice[lattice <= high], self.windows.low, self.windows.high)))[::-1]
        gaps = times[None, :] - times[:, None]
        # Points that the windows add stand closer than the step, so an allowed edge spans one point at least.
        best = self.best_on(times, (gaps >= distance - ROUNDING) & (gaps > 0), 1)
        if best is None:
            # Too tight for the grid. Any knots that keep the distance will do to start from.
            distance = max(distance, LEAST_GAP)
            best = (self.windows.earliest(distance) + self.windows.latest(distance)) / 2
        return best

    def _newton(self, times: Array) -> Array:
        noise = self.problem.noise
        knots, evaluations = minimize_interior(self.objective, noise.lambda_(times)[None])
        self.evaluations += evaluations * self.problem.intervals
        free = times.copy()
        free[1:-1] = noise.time(knots[0, 1:-1])
        spaced = np.all(-np.diff(free) >= max(self.least_gap, ROUNDING))
        return free if spaced and self.windows.hold(free) else times

    def _is_stationary(self, times: Array) -> bool:
        """Whether no knot can improve J within its window."""
        gradient = self.objective.gradient(self.problem.noise.lambda_(times))
        held = times == np.where(gradient < 0, self.windows.low, self.windows.high)
        return bool(np.all(held | (np.abs(gradient) < FINEST)))

    def _refine(self, times: Array) -> Array:
        offsets = np.arange(-REACH, REACH + 1)
        step = self.step / REACH
        for _ in range(MAX_ROUNDS):
            candidates = self.windows.clip(times[:, None] + step * offsets)
            moved = candidates[np.arange(len(times)), self._best_of(candidates)]
            furthest = np.abs(moved - times).max()
            times = moved
            # A knot that moved to the edge of its candidates may want to go on: keep the step.
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


class _TrainingGrid(_Paths):
    def solve(self) -> Array:
        noise, intervals = self.problem.noise, self.problem.intervals
        low, high = self.problem.widest
        steps = noise.require_train_steps()
        indices = np.arange(steps)[::-1]
        times = noise.time_of_index(indices)
        inside = (times >= low - ROUNDING) & (times <= high + ROUNDING)
        indices, times = indices[inside], times[inside]
        span = len(indices) - 1
        if span < intervals:
            expected = f"at most {span + 1} knots, the training timesteps in the box, for grid=training"
            raise ArgumentError("nfe", expected, intervals + 1)
        stride = max(1, math.ceil(self.problem.d_min * steps - 1e-9))
        gaps = indices[None, :] - indices[:, None]
        self.message = "optimal among all distinct training timesteps in the box"
        if stride * intervals > span and self.problem.boundary is None:
            # From end to end in gaps that differ by one at most: the least sum of squared shortfalls.
            stride = span // intervals
            gaps = np.where(gaps > stride + 1, 0, gaps)
            self.windows = self.windows.pinned(times[0], times[-1])
            self.message = "no distinct training timesteps in the box keep d_min; these have the least penalty"
        best = self.best_on(times, gaps >= stride, stride)
        if best is None and self.problem.boundary is not None:
            self.give_up_spacing()
            best = self.best_on(times, gaps >= 1, 1)
        if best is None:
            raise self._off_the_grid(times)
        return best

    def _off_the_grid(self, times: Array) -> ArgumentError:
        start = self.problem.start_time
        if start is not None and abs(times[0] - start) > ROUNDING:
            return ArgumentError("start", f"a training timestep, such as {times[0]:.6g}, for grid=training", start)
        expected = "training timesteps in the ranges of both ends, for grid=training"
        return ArgumentError("box", expected, self.problem.box)
