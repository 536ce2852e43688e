r"""A question with its answer, and what any other nodes are worth for the same question.

The objective judges knots. If it gives the jump to the clean sample a cost, the last knot stands for the clean sample, and
the network is not called there. Nodes alone do not say where it is, so it is put where the objective is least:

.. math::
    J(\lambda_0, \dots, \lambda_{N-1}) = \min_{t_N \in [t_{min}]} J(\lambda_0, \dots, \lambda_{N-1}, \lambda(t_N)),

among times that keep the least distance to the last node, if there are any. The spacing is that of the nodes alone.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from hso.errors import ArgumentError, HSOError
from hso.models.calibration import Calibration
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives import spacing_penalty
from hso.objectives.replay import ReplayFunction
from hso.optimize import Request, Result, objective_for, optimize
from hso.schedule import SamplingSchedule
from hso.search import Constraints
from hso.search.windows import CLOSEST, ROUNDING
from hso.solvers import make_solver
from hso.version import VERSION

# Number of times that are tried for the knot that stands for the clean sample; both ends of its range are among them.
TRIED = 65


class Scene:
    """A question and its best schedule.

    Args:
        noise: The noise schedule.
        nfe: Number of network calls.
        solver: A name; with a calibration also "auto".
        constraints: Where the nodes may lie.
        calibration: The calibration that decides, if one does.

    Attributes:
        result: What :func:`hso.optimize` found.
        problem: The problem that it solved.

    Raises:
        ArgumentError: If the question is unusable.
    """

    def __init__(
        self, noise: NoiseSchedule, nfe: int, solver: str, constraints: Constraints, calibration: Calibration | None
    ) -> None:
        self.noise, self.calibration = noise, calibration
        self.result: Result = optimize(noise, nfe, solver=solver, calibration=calibration, constraints=constraints)
        self.goal = objective_for(None, calibration, nfe)
        method, way = self.result.solver, self.result.strategy
        self.problem = Request(noise, nfe, method, way, self.goal, constraints, way.terminal(method)).problem()

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest t that a node may be moved to."""
        low, high = self.noise.t_range
        if self.calibration is not None:
            high, low = self.noise.time(self.calibration.lambdas[[0, -1]]).tolist()
        return low, high

    def moved(self, times: tuple[float, ...]) -> SamplingSchedule:
        """The schedule of these nodes.

        Raises:
            ArgumentError: If they are not in order, or are not as many as the solver needs.
        """
        nodes = self.problem.nodes
        if len(times) != nodes:
            raise ArgumentError("times", f"{nodes} of them, one for each node", list(times))
        schedule = SamplingSchedule.from_times(self.noise, times, start=self.problem.constraints.start)
        made = {"strategy": "moved by hand", "solver": self.result.solver.name, "hso": VERSION}
        return dataclasses.replace(schedule, provenance=made)

    def judged(self, schedule: SamplingSchedule) -> dict[str, Any]:
        """What the objective, the spacing rule and the calibration say of a schedule."""
        value, note, bands = None, "", None
        try:
            value = _finite(self.problem.function.value(self._completed(schedule.knots)))
            bands = self._bands(schedule.knots)
        except HSOError as error:
            note = str(error)
        times, distance = schedule.knot_times, self.problem.d_min
        gaps = -np.diff(times)
        return {
            "objective": value,
            "note": note,
            "gaps": gaps.tolist(),
            "d_min": distance,
            "kept": bool(np.all(gaps >= distance - 2 * ROUNDING)),
            "penalty": float(spacing_penalty(times, distance)),
            "bands": bands,
        }

    def _completed(self, knots: Array) -> Array:
        """The knots of nodes, with the one that stands for the clean sample if the objective has one."""
        if not self.problem.function.costs_jump or len(knots) > self.problem.nodes:
            return knots
        last, (low, high) = float(self.noise.time(knots[-1])), self.problem.box.t_min
        for distance in (self.problem.d_min, CLOSEST):
            top = min(high, last - distance)
            if top >= low:
                tried = self.noise.lambda_(np.linspace(low, top, TRIED))
                many = np.concatenate((np.broadcast_to(knots, (TRIED, len(knots))), tried[:, None]), axis=1)
                return np.asarray(many[np.argmin(self.problem.function.value(many))])
        # The last node is as clean as the objective looks, so nothing is left to cost something.
        return knots

    def _bands(self, knots: Array) -> dict[str, Any] | None:
        """The predicted error, relative to the spread of the images; None without a calibration."""
        function, known = self.problem.function, self.calibration
        if known is None or not isinstance(function, ReplayFunction):
            return None
        found = function.predict(knots)
        whole = float(known.powers.sum())
        spread = np.maximum(known.powers, np.finfo(float).tiny)
        return {
            "sizes": known.bands.sizes.tolist(),
            "errors": np.sqrt(np.maximum(found.errors, 0.0) / spread).tolist(),
            "with_doubt": np.sqrt(np.maximum(found.errors + found.doubts, 0.0) / spread).tolist(),
            "total": math.sqrt(max(float((found.errors + found.doubts).sum()), 0.0) / whole),
        }


def solver_name(solver: str, own: str) -> str:
    """The solver that is asked for, or the model's own if none is.

    Raises:
        ArgumentError: If there is no such solver.
    """
    if not solver:
        return own
    if solver != "auto":
        make_solver(solver)
    return solver


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
