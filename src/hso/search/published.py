r"""Algorithm 1 of the paper, to the letter.

The upper level is SciPy's differential evolution over :math:`\psi = (\rho, t_{min}, t_{max})` with the fitness of Eq.
9. The lower level runs SciPy's trust-constr for each candidate. It starts from :math:`\Lambda(\psi)` and minimizes the
objective without constraints and without a penalty. The knots are sorted before the objective sees them, and
derivatives are finite differences. If a run does not report success, the candidate keeps its start. The settings are
those of the authors' program.

References:
    | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026), Algorithm 1
    | https://arxiv.org/abs/2511.11688
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from hso.errors import ArgumentError, HSOError
from hso.noise.base import Array
from hso.objectives import KnotFunction
from hso.schedule import T_MIN
from hso.search.problem import Found, Problem, Psi, Strategy
from hso.solvers import Solver, UniPC

CONVERGED = (1, 2)


@dataclass(frozen=True)
class Published(Strategy):
    """The paper's search as published. It is the reference, and it is slow.

    Attributes:
        population: Members of the population for each of the three variables.
        generations: Limit of differential evolution.
        tolerance: Relative tolerance of differential evolution.
        lower_iterations: Limit of trust-constr.
        lower_tolerance: ``xtol`` and ``gtol`` of trust-constr.
        difference: Relative step of the finite differences.
    """

    name = "published"
    uses_rho = True
    population: int = 20
    generations: int = 60
    tolerance: float = 0.01
    lower_iterations: int = 80
    lower_tolerance: float = 1e-6
    difference: float = 1e-7

    def terminal(self, solver: Solver) -> str:
        """As in the paper's experiments: UniPC lands on t_min, and every other solver on its own terminal."""
        return T_MIN if isinstance(solver, UniPC) else solver.terminal

    def search(self, problem: Problem, seed: int) -> Found:
        from scipy.optimize import differential_evolution

        function = problem.function_everywhere(self.name)
        evaluations = 0

        def fitness(psi: Array) -> float:
            nonlocal evaluations
            try:
                knots, calls = self._lower(function, problem.start(*psi))
            except ArgumentError as error:
                # SciPy would take this error for one of its own.
                raise HSOError(
                    f"strategy: expected none but {self.name}, whose search tries any knots; {error}"
                ) from None
            evaluations += calls
            return float(problem.fitness(knots))

        found = differential_evolution(
            fitness,
            [problem.box.rho, problem.box.t_min, problem.box.t_max],
            popsize=self.population,
            maxiter=self.generations,
            tol=self.tolerance,
            updating="deferred",
            rng=seed,
        )
        knots, _ = self._lower(function, problem.start(*found.x))
        return Found(knots, Psi(*map(float, found.x)), evaluations, str(found.message))

    def _lower(self, function: KnotFunction, start: Array) -> tuple[Array, int]:
        from scipy.optimize import minimize

        if len(start) < 3:
            return start, 1

        def whole(interior: Array) -> Array:
            return np.concatenate((start[:1], np.sort(interior), start[-1:]))

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "delta_grad == 0.0", UserWarning)
            found = minimize(
                lambda interior: float(function.value(whole(interior))),
                start[1:-1],
                method="trust-constr",
                options={
                    "maxiter": self.lower_iterations,
                    "xtol": self.lower_tolerance,
                    "gtol": self.lower_tolerance,
                    "finite_diff_rel_step": self.difference,
                },
            )
        knots = whole(found.x)
        accepted = found.status in CONVERGED and bool(np.all(np.diff(knots) > 0))
        return (knots if accepted else start), int(found.nfev)
