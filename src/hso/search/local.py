r"""The lower level alone: SciPy's trust-region method with both ends fixed. A rule gives the start.

DM-NonUniform searches in this way (configurations A and C of the paper's Table 7). The first node is at t = 1 and the
last knot at t = 0.001. The start is uniform in t for latent models and uniform in lambda for pixel models. Linear
constraints keep the knots in order.

References:
    | Accelerating Diffusion Sampling with Optimized Time Steps (Xue et al., 2024), Section 4
    | https://arxiv.org/abs/2402.17376
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np

from hso.errors import ArgumentError, check_choice
from hso.noise.base import Array
from hso.objectives import KnotFunction, SmoothFunction
from hso.rules import RANGE_RULES, Span
from hso.search.problem import Found, Problem, Psi, Strategy

# Least distance of knots in lambda. The objectives are still defined at this distance.
CLOSEST_KNOTS = 1e-4


@dataclass(frozen=True)
class Local(Strategy):
    """Local search from a rule.

    Attributes:
        rule: The range rule of ``hso.rules`` that gives the start.
        span: The ends of the start, which stay fixed.
        max_iterations: Limit of the trust-region method.
    """

    name = "local"
    uses_box = False
    rule: str = "uniform_t"
    span: Span = field(default_factory=Span)
    max_iterations: int = 1000

    def search(self, problem: Problem, seed: int) -> Found:
        count = problem.intervals + 1
        span = self._span(problem.constraints.start)
        start = RANGE_RULES[check_choice("rule", self.rule, RANGE_RULES)](problem.noise, count, span)
        function = problem.function_everywhere(self.name)
        knots, evaluations, message = ordered_minimum(function, start, self.max_iterations)
        t_max, t_min = span.ends(problem.noise)
        return Found(knots, Psi(None, t_min, t_max), evaluations, message)

    def _span(self, start_time: float | None) -> Span:
        """The span of the run, which may begin part-way."""
        if start_time is None:
            return self.span
        if self.span.t_max is not None:
            raise ArgumentError("start", "none with a span that has a t_max", start_time)
        return replace(self.span, t_max=start_time)


def ordered_minimum(function: KnotFunction, start: Array, max_iterations: int) -> tuple[Array, int, str]:
    """Find a local minimum over the interior knots, which stay in order.

    If the method finds nothing better, the result is the start. A function without a gradient is differentiated by
    differences.

    Returns:
        The knots, the number of evaluations, and how the search ended.
    """
    from scipy.optimize import LinearConstraint, minimize

    if len(start) < 3:
        return start, 1, "no knots between the ends"

    def whole(interior: Array) -> Array:
        return np.concatenate((start[:1], interior, start[-1:]))

    def value(interior: Array) -> float:
        return float(function.value(whole(interior)))

    def gradient(interior: Array) -> Array:
        assert isinstance(function, SmoothFunction)
        return function.gradient(whole(interior))[1:-1]

    order = np.diff(np.eye(len(start)), axis=0)[:, 1:-1]
    floor = CLOSEST_KNOTS - np.concatenate(([-start[0]], np.zeros(len(start) - 3), [start[-1]]))
    with warnings.catch_warnings():
        # Between two kinks the objective can be linear. The update of the Hessian would then give a warning.
        warnings.filterwarnings("ignore", "delta_grad == 0.0", UserWarning)
        found = minimize(
            value,
            start[1:-1],
            jac=gradient if isinstance(function, SmoothFunction) else "2-point",
            method="trust-constr",
            constraints=[LinearConstraint(order, floor, np.inf, keep_feasible=True)],
            options={"maxiter": max_iterations},
        )
    knots = whole(found.x)
    if not function.value(knots) < function.value(start):
        return start, int(found.nfev), "the start is a local minimum"
    message = "local minimum" if found.status in (1, 2) else "best found before the iteration limit"
    return knots, int(found.nfev), message
