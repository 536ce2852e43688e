r"""Strategy "told": the nodes, and then the noise levels that the network is told there.

It begins with what another strategy finds. Node i then stays at :math:`\lambda_i`, and the network is told
:math:`\lambda_i + \delta_i`. The shifts minimize

.. math::
    J(\delta) + c \, J_0 \sum_i \delta_i^2,

where :math:`J_0` is J without shifts. The second term keeps the shifts small, because the student is linear and the images
of a calibration are few. A told level stays within the reach of what was measured (:mod:`hso.models.told`), within the
noise schedule, and on its side of the middle between two nodes, so that told levels stay in order.

References:
    | Towards More Accurate Diffusion Model Acceleration with A Timestep Aligner (Xia et al., 2023)
    | https://arxiv.org/abs/2310.09469
    | Learning to Discretize Denoising Diffusion ODEs (Tong et al., 2024)
    | https://arxiv.org/abs/2405.15506
    | A Limited Memory Algorithm for Bound Constrained Optimization (Byrd et al., 1995)
    | https://doi.org/10.1137/0916069
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from hso.errors import ArgumentError, check_choice, check_real
from hso.models.told import REACH
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives import SmoothFunction
from hso.search.free import Free
from hso.search.learned import Learn
from hso.search.problem import Found, Problem, Strategy

# What finds the nodes.
FIRST: Mapping[str, type[Strategy]] = {Free.name: Free, Learn.name: Learn}
# A told level keeps this share of the distance to the middle between two nodes, so that no two are the same.
APART = 0.02


@runtime_checkable
class Tellable(Protocol):
    """A function of knots that knows how it changes with what the network is told."""

    def telling(self, shifts: Array) -> SmoothFunction:
        """The same function for a network that is told the levels of the nodes plus shifts."""

    def by_shifts(self, knots: Array, shifts: Array) -> tuple[float, Array]:
        """J of one schedule, and its derivatives with respect to the shifts."""


@dataclass(frozen=True)
class Tell(Strategy):
    """Nodes, and then what the network is told.

    Attributes:
        first: What finds the nodes: "free", or "learned" for the solver's coefficients too.
        caution: c, the weight of the shifts.

    Raises:
        ArgumentError: If a setting is unusable.
    """

    first: str = Free.name
    caution: float = 0.1

    name = "told"
    keeps_boundary = True

    def __post_init__(self) -> None:
        check_choice("first", self.first, FIRST)
        check_real("caution", self.caution, 0.0, 1e6)

    def search(self, problem: Problem, seed: int) -> Found:
        """See :class:`hso.search.problem.Strategy`.

        Raises:
            ArgumentError: If the objective does not know what the network does if it is told other levels.
        """
        function: Any = problem.function
        if not isinstance(problem.function, Tellable):
            cause = "pass calibration= (--calibration FILE)"
            raise ArgumentError("objective", "replay for strategy told", type(function).__name__, cause)
        function.telling(np.zeros(1))  # refuses a calibration without told levels before the search for nodes
        found = FIRST[self.first]().search(problem, seed)
        known: Any = function if found.solver is None else function.with_solver(found.solver)
        shifts, before, after, evaluations = self._shifts(known, problem, found.knots)
        told = found.knots[: problem.nodes] + shifts[: problem.nodes]
        message = f"{found.message}; the network is told other levels: J is {after / before:.3g} times that of its own"
        return found._replace(told=told, evaluations=found.evaluations + evaluations, message=message)

    def _shifts(self, function: Tellable, problem: Problem, knots: Array) -> tuple[Array, float, float, int]:
        """The best shifts of all knots (0 for a terminal), J before and after, and the number of evaluations."""
        from scipy.optimize import minimize

        count, before = problem.nodes, function.by_shifts(knots, np.zeros(len(knots)))[0]
        low, high = ranges(problem.noise, knots[:count])
        weight = self.caution * before

        def judged(some: Array) -> tuple[float, Array]:
            shifts = np.append(some, np.zeros(len(knots) - count))
            value, slopes = function.by_shifts(knots, shifts)
            return value + weight * float(some @ some), np.asarray(slopes[:count] + 2 * weight * some)

        bounds = list(zip(low, high, strict=True))
        found = minimize(judged, np.zeros(count), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
        shifts = np.append(np.clip(found.x, low, high), np.zeros(len(knots) - count))
        return shifts, before, function.by_shifts(knots, shifts)[0], int(found.nfev) + 2


def ranges(noise: NoiseSchedule, nodes: Array) -> tuple[Array, Array]:
    """The least and the largest shift of each node, shape (N,) each. They are never above and never below 0."""
    noisiest, cleanest = noise.lambda_(noise.t_range)[::-1].tolist()
    halves = (0.5 - APART / 2) * np.diff(nodes)
    low = np.maximum(-REACH, noisiest - nodes)
    high = np.minimum(REACH, cleanest - nodes)
    low[1:], high[:-1] = np.maximum(low[1:], -halves), np.minimum(high[:-1], halves)
    return np.minimum(low, 0.0), np.maximum(high, 0.0)
