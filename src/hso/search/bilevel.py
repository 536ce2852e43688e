r"""Algorithm 1 with the lower-level problems of a whole population solved together.

The search is that of ``published``: the same box, population, tolerance and fitness. It differs in two ways. One
batched Newton run with exact derivatives evaluates a whole generation, instead of one trust-constr run for each member.
The polish of the best member moves the two ends only, because the lower level reaches the same knots from every
:math:`\rho`.

A function that is not a sum of edge costs with derivatives has no tridiagonal Hessian. The constrained local search
then solves the members one by one.

References:
    | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026), Algorithm 1
    | https://arxiv.org/abs/2511.11688
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hso.noise.base import Array
from hso.objectives import SmoothEdgeSum
from hso.search.local import ordered_minimum
from hso.search.newton import minimize_interior
from hso.search.problem import Found, Problem, Psi, Strategy

# Step in t of the one-sided differences for the polish. It can be small, because the fitness is smooth and accurate to
# rounding.
DIFFERENCE = 1e-8
# The fitness has a kink where a distance is exactly d_min. More calls gain nothing at a kink, so their number is
# limited.
POLISH = {"ftol": 1e-13, "gtol": 1e-9, "maxfun": 60}


@dataclass(frozen=True)
class Bilevel(Strategy):
    """The paper's search, fast.

    Attributes:
        population: Members of the population for each of the three variables.
        generations: Limit of differential evolution.
        tolerance: Relative tolerance of differential evolution.
        lower_iterations: Limit of the local search, for functions without a tridiagonal Hessian.
    """

    name = "bilevel"
    uses_rho = True
    population: int = 20
    generations: int = 60
    tolerance: float = 0.01
    lower_iterations: int = 80

    def search(self, problem: Problem, seed: int) -> Found:
        from scipy.optimize import differential_evolution

        level = LowerLevel(problem, self.lower_iterations)
        box = problem.box
        found = differential_evolution(
            lambda psi: level.fitness(psi.T),
            [box.rho, box.t_min, box.t_max],
            popsize=self.population,
            maxiter=self.generations,
            tol=self.tolerance,
            updating="deferred",
            vectorized=True,
            polish=False,
            rng=seed,
        )
        psi = _polish(level, np.asarray(found.x), float(found.fun))
        knots = level.solve(psi[None])[0]
        return Found(knots, Psi(*map(float, psi)), level.evaluations, str(found.message))


class LowerLevel:
    """Solves Eq. 4 for many candidates and counts the evaluations of the objective."""

    def __init__(self, problem: Problem, iterations: int) -> None:
        self.problem = problem
        self.function = problem.function_everywhere(Bilevel.name)
        self.iterations = iterations
        self.evaluations = 0

    def solve(self, psi: Array) -> Array:
        """Knots, shape (S, K + 1), of candidates of shape (S, 3)."""
        starts = self.problem.start(*psi.T)
        if isinstance(self.function, SmoothEdgeSum):
            knots, evaluations = minimize_interior(self.function, starts)
            self.evaluations += evaluations
            return knots
        rows = [ordered_minimum(self.function, start, self.iterations) for start in starts]
        self.evaluations += sum(evaluations for _, evaluations, _ in rows)
        return np.stack([knots for knots, _, _ in rows])

    def fitness(self, psi: Array) -> Array:
        """Fitness, shape (S,), of candidates of shape (S, 3)."""
        return self.problem.fitness(self.solve(psi))


def _polish(level: LowerLevel, psi: Array, fitness: float) -> Array:
    """Move the ends to a local minimum of the fitness. The result is kept only if it is better."""
    from scipy.optimize import minimize

    box = level.problem.box
    bounds = np.array([box.t_min, box.t_max])
    probes = np.zeros((3, 3))
    scale = max(abs(fitness), 1.0)

    def value_and_gradient(ends: Array) -> tuple[float, Array]:
        # A step upwards from the upper end of a range would leave the box, so the step there goes downwards.
        steps = np.where(ends + DIFFERENCE <= bounds[:, 1], DIFFERENCE, -DIFFERENCE)
        probes[:] = [psi[0], *ends]
        probes[1:, 1:] += np.diag(steps)
        values = level.fitness(probes) / scale
        return float(values[0]), (values[1:] - values[0]) / steps

    found = minimize(value_and_gradient, psi[1:], jac=True, method="L-BFGS-B", bounds=bounds, options=POLISH)
    better = found.fun * scale < fitness
    return np.array([psi[0], *found.x]) if better else psi
