r"""The optimum among distinct training timesteps. One shortest path finds the global optimum, so it needs no proof."""

from __future__ import annotations

import math

import numpy as np

from hso.errors import ArgumentError
from hso.noise.base import Array
from hso.search.paths import FunctionPaths, Mask
from hso.search.windows import ROUNDING

# The search compares all pairs of timesteps. Of so many, the pairs take about 1 GB.
MOST_STEPS = 5000


class TrainingGrid(FunctionPaths):
    """The optimum among distinct training timesteps."""

    def solve(self) -> Array:
        noise, intervals = self.problem.noise, self.problem.intervals
        low, high = self.problem.widest
        steps = noise.require_train_steps()
        indices = np.arange(steps)[::-1]
        times = noise.time_of_index(indices)
        inside = (times >= low - ROUNDING) & (times <= high + ROUNDING)
        indices, times = indices[inside], times[inside]
        span = len(indices) - 1
        if span > MOST_STEPS:
            expected = f"a model of at most {MOST_STEPS} training timesteps in the box, for grid=training"
            raise ArgumentError("strategy", expected, steps, "grid=continuous takes any model")
        if span < intervals:
            expected = f"at most {span + 1} knots, the training timesteps in the box, for grid=training"
            raise ArgumentError("nfe", expected, intervals + 1)
        stride = max(1, math.ceil(self.problem.d_min * steps - 1e-9))
        gaps = indices[None, :] - indices[:, None]
        self.message = "optimal among all distinct training timesteps in the box"
        if stride * intervals > span and self.problem.boundary is None:
            # No path keeps d_min. Gaps that differ by at most one, from end to end, have the least sum of squared
            # shortfalls, so only such paths are allowed.
            stride = span // intervals
            gaps = np.where(gaps > stride + 1, 0, gaps)
            self.windows = self.windows.pinned(times[0], times[-1])
            self.message = "no distinct training timesteps in the box keep d_min; these have the least penalty"
        best = self._best(times, gaps >= stride, stride)
        if best is None and self.problem.boundary is not None:
            self.give_up_spacing()
            best = self._best(times, gaps >= 1, 1)
        if best is None:
            raise self._off_the_grid(times)
        return best

    def _best(self, times: Array, allowed: Mask, stride: int) -> Array | None:
        return self.best_on(times, self.edge_costs(times[None, :], times[:, None], allowed), stride)

    def _off_the_grid(self, times: Array) -> ArgumentError:
        start = self.problem.constraints.start
        if start is not None and abs(times[0] - start) > ROUNDING:
            return ArgumentError("start", f"a training timestep, such as {times[0]:.6g}, for grid=training", start)
        expected = "training timesteps in the ranges of both ends, for grid=training"
        return ArgumentError("box", expected, self.problem.box)
