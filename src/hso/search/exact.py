r"""The optimum by shortest path, with spacing as a hard constraint.

An additive objective over a grid of times is a shortest-path problem with K edges; an edge shorter than d_min is
forbidden, and every point of the box may be an end. Dynamic programming solves it globally.

- ``grid="training"``: the grid is the training timesteps, and the result is proved optimal among all distinct integer
  timesteps in the box.
- ``grid="continuous"``: the grid's step divides d_min, so that the tightest feasible schedules lie on it. A Newton run
  from its best path ends the search where spacing holds no knot and the box holds both ends. Elsewhere each knot gets a
  few candidates around it, the best path through them is found, and their step shrinks, until it is below 1e-10 in t:
  this is feasible throughout and needs no derivative, so the kinks of a discrete noise schedule do no harm.

Where K d_min exceeds the widest range R, no schedule is feasible. Equal distances R / K over the widest range then have
the least penalty, and only they (the penalty is a sum of squares of shortfalls with a given sum).

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
from hso.search.problem import ROUNDING, Box, Found, Problem, Psi, Strategy
from hso.search.shortest_path import Indices, layered_path, shortest_path

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
    grid: str = CONTINUOUS

    def __post_init__(self) -> None:
        check_choice("grid", self.grid, (CONTINUOUS, TRAINING))

    def search(self, problem: Problem, seed: int) -> Found:
        search = _TrainingGrid(problem) if self.grid == TRAINING else _Continuous(problem)
        times = search.solve()
        knots = problem.noise.lambda_(times)
        return Found(knots, Psi(None, float(times[-1]), float(times[0])), search.evaluations, search.message)


class _Paths:
    """Shortest paths in a problem's box; counts the edge costs it evaluates."""

    message: str

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.objective: AdditiveObjective = problem.additive_objective(Exact.name)
        self.evaluations = 0

    def edge_costs(self, before: Array, after: Array, allowed: Mask) -> Array:
        """Costs of the allowed edges between broadcast times; the others are infinite."""
        noise = self.problem.noise
        a, b = np.broadcast_arrays(noise.lambda_(before), noise.lambda_(after))
        costs = np.full(a.shape, np.inf)
        costs[allowed] = self.objective.cost(a[allowed], b[allowed])
        self.evaluations += int(allowed.sum())
        return costs

    def best_on(self, times: Array, box: Box, allowed: Mask, stride: int) -> Array | None:
        """The best path on a grid of decreasing times with its ends in the box, or None if there is none.

        ``allowed[j, i]`` is the edge from i to j, which spans at least ``stride`` points.
        """
        first = np.where(times >= box.t_max[0] - ROUNDING, 0.0, np.inf)
        last = np.where(times <= box.t_min[1] + ROUNDING, 0.0, np.inf)
        costs = self.edge_costs(times[None, :], times[:, None], allowed)
        path = shortest_path(costs, first, last, self.problem.intervals, stride)
        total = first[path[0]] + costs[path[1:], path[:-1]].sum() + last[path[-1]]
        return times[path] if math.isfinite(total) else None


class _Continuous(_Paths):
    def solve(self) -> Array:
        low, high = self.problem.widest
        intervals = self.problem.intervals
        if not self.problem.is_feasible:
            least = (high - low) / intervals
            self.message = (
                f"no schedule in the box keeps d_min: {intervals} intervals of {self.problem.d_min:.4g} exceed the range "
                f"{high - low:.4g}; equal distances of {least:.4g} have the least penalty"
            )
            return np.linspace(high, low, intervals + 1)
        coarse = self._coarse()
        times = self._newton(np.linspace(high, low, intervals + 1) if coarse is None else coarse)
        if self._is_stationary(times):
            self.message = "optimal: shortest path on a grid, then Newton"
            return times
        self.message = f"optimal: shortest path on a grid, refined to {FINEST:g} in t"
        return self._refine(times)

    def _coarse(self) -> Array | None:
        box, distance = self.problem.box, self.problem.d_min
        low, high = self.problem.widest
        points = max(GRID_POINTS, self.problem.intervals * 5 // 4)
        stride = math.ceil(distance * points / (high - low)) if distance > 0 else 1
        self.step = distance / stride if distance > 0 else (high - low) / points
        lattice = low + self.step * np.arange(int((high - low) / self.step) + 1)
        edges_of_box = [box.t_min[1], box.t_max[0], box.t_max[1]]
        times = np.unique(np.concatenate((lattice[lattice <= high], edges_of_box)))[::-1]
        gaps = times[None, :] - times[:, None]
        # Points that the box adds stand closer than the step, so an allowed edge spans one point at least.
        return self.best_on(times, box, (gaps >= distance - ROUNDING) & (gaps > 0), 1)

    def _newton(self, times: Array) -> Array:
        noise = self.problem.noise
        knots, evaluations = minimize_interior(self.objective, noise.lambda_(times)[None])
        self.evaluations += evaluations * self.problem.intervals
        free = times.copy()
        free[1:-1] = noise.time(knots[0, 1:-1])
        return free if np.all(-np.diff(free) >= max(self.problem.d_min, ROUNDING)) else times

    def _is_stationary(self, times: Array) -> bool:
        """Whether no knot inside can improve J, and each end is held by the box against the way it would improve."""
        noise, box = self.problem.noise, self.problem.box
        gradient = self.objective.gradient(noise.lambda_(times))
        first = box.t_max[0] if gradient[0] < 0 else box.t_max[1]
        last = box.t_min[0] if gradient[-1] < 0 else box.t_min[1]
        inside = np.abs(gradient[1:-1]).max(initial=0.0) < FINEST
        return bool(inside and times[0] == first and times[-1] == last)

    def _refine(self, times: Array) -> Array:
        box = self.problem.box
        offsets = np.arange(-REACH, REACH + 1)
        step = self.step / REACH
        for _ in range(MAX_ROUNDS):
            candidates = times[:, None] + step * offsets
            candidates[0] = np.clip(candidates[0], *box.t_max)
            candidates[-1] = np.clip(candidates[-1], *box.t_min)
            candidates = np.clip(candidates, *self.problem.widest)
            moved = candidates[np.arange(len(times)), self._best_of(candidates)]
            furthest = np.abs(moved - times).max()
            times = moved
            # A knot that moved to the edge of its candidates may want to go on: keep the step.
            if furthest < (REACH - 0.5) * step:
                step /= REACH
            if step < FINEST:
                return times
        self.message = f"feasible; the refinement stopped after {MAX_ROUNDS} rounds with a step of {step:.1g} in t"
        return times

    def _best_of(self, candidates: Array) -> Indices:
        before, after = candidates[:-1, None, :], candidates[1:, :, None]
        gaps = before - after
        allowed = (gaps >= self.problem.d_min - ROUNDING) & (gaps > 0)
        return layered_path(self.edge_costs(before, after, allowed))


class _TrainingGrid(_Paths):
    def solve(self) -> Array:
        noise, box, intervals = self.problem.noise, self.problem.box, self.problem.intervals
        steps = noise.require_train_steps()
        indices = np.arange(steps)[::-1]
        times = noise.time_of_index(indices)
        inside = (times >= box.t_min[0] - ROUNDING) & (times <= box.t_max[1] + ROUNDING)
        indices, times = indices[inside], times[inside]
        span = len(indices) - 1
        if span < intervals:
            expected = f"at most {span + 1} knots, the training timesteps in the box, for grid=training"
            raise ArgumentError("nfe", expected, intervals + 1)
        stride = max(1, math.ceil(self.problem.d_min * steps - 1e-9))
        gaps = indices[None, :] - indices[:, None]
        self.message = "optimal among all distinct training timesteps in the box"
        if stride * intervals > span:
            # From end to end in gaps that differ by one at most: the least sum of squared shortfalls.
            stride = span // intervals
            gaps = np.where(gaps > stride + 1, 0, gaps)
            box = Box(box.rho, (times[-1], times[-1]), (times[0], times[0]))
            self.message = "no distinct training timesteps in the box keep d_min; these have the least penalty"
        best = self.best_on(times, box, gaps >= stride, stride)
        if best is None:
            raise ArgumentError("box", "training timesteps in the ranges of both ends, for grid=training", box)
        return best
