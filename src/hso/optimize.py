"""From a noise schedule, a budget and a solver to the best sampling schedule."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np

from hso.errors import ArgumentError, check_integer
from hso.models.calibration import Calibration
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives import MEP, Objective, Replay, make_objective
from hso.objectives.error_proxy import FREE
from hso.registry import settings_of
from hso.schedule import CLEAN, T_MIN, TERMINALS, SamplingSchedule, check_terminal
from hso.search import Boundary, Constraints, Exact, Found, Halfway, Problem, Psi, Strategy, make_strategy
from hso.search.windows import ROUNDING
from hso.solvers import AUTO, Solver, label_of, make_solver
from hso.version import VERSION

# From so many network calls on the jump to the clean sample is free by default.
MANY = 8
# The name of all solvers that are worth a comparison, and of all terminals.
EVERY = "auto"


@dataclass(frozen=True)
class Request:
    """The arguments of :func:`optimize`, with objects in place of names.

    Attributes:
        noise: The model's noise schedule.
        nfe: Number of network calls.
        solver: The solver.
        strategy: The strategy.
        objective: The objective to minimize.
        constraints: The constraints on the knots.
        terminal: Where the last step lands: "clean" or "t_min".
        seed: Seed of the random searches.
    """

    noise: NoiseSchedule
    nfe: int
    solver: Solver
    strategy: Strategy
    objective: Objective
    constraints: Constraints = field(default_factory=Constraints)
    terminal: str = CLEAN
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.noise, NoiseSchedule):
            cause = "NoiseSchedule.preset(name) or .from_config(path)"
            raise ArgumentError("noise", "a NoiseSchedule", self.noise, cause)
        most, cause = self.noise.max_nfe, "the most network calls that this noise schedule has nodes for"
        if self.objective.most_nodes is not None and self.objective.most_nodes < most:
            most, cause = self.objective.most_nodes, "a calibration judges no more nodes than its teacher has points"
        check_integer("nfe", self.nfe, 1, self.solver.nfe(most), cause)
        check_terminal(self.terminal)
        check_integer("seed", self.seed, 0, 2**63 - 1)
        if not isinstance(self.constraints, Constraints):
            raise ArgumentError("constraints", "Constraints, such as hso.Constraints(d_min=0.02)", self.constraints)
        self._check_strategy()

    def _check_strategy(self) -> None:
        name = self.strategy.name
        if self.constraints.box is not None and not self.strategy.uses_box:
            expected = f"none with strategy {name}, which keeps the ends of its start"
            raise ArgumentError("box", expected, self.constraints.box)
        if self.constraints.boundary is not None and not self.strategy.keeps_boundary:
            raise ArgumentError("boundary", f"none with strategy {name}", self.constraints.boundary, "exact keeps one")

    def problem(self) -> Problem:
        """The problem to solve, with all choices filled in.

        Raises:
            ArgumentError: If no schedule can meet the constraints.
        """
        nodes = self.solver.nodes(self.nfe)
        function = self.objective.on(self.noise, self.solver, self.terminal, self.constraints.start)
        distance = self.strategy.distance(self.objective, nodes)
        constraints = self.constraints.filled_in(self.noise, self.objective, distance)
        problem = Problem(function, nodes, self.terminal, constraints, self.solver)
        if problem.boundary is not None:
            if objection := problem.objection():
                raise ArgumentError("boundary", objection, problem.boundary)
            return problem
        own = self.noise.boundary_time
        if own is None or not self.strategy.keeps_boundary:
            return problem
        constraints = dataclasses.replace(problem.constraints, boundary=Boundary(own))
        bounded = dataclasses.replace(problem, constraints=constraints)
        return problem if bounded.objection() else bounded

    def provenance(self, problem: Problem) -> dict[str, Any]:
        """How a schedule was made, in types that JSON can hold."""
        made = {"strategy": self.strategy, "objective": self.objective, "solver": self.solver}
        return {
            "strategy": self.strategy.name,
            "objective": self.objective.name,
            "solver": self.solver.name,
            "settings": {name: settings_of(thing) for name, thing in made.items()},
            "constraints": settings_of(problem.constraints),
            "seed": self.seed,
            "hso": VERSION,
        }


@dataclass(frozen=True)
class Result:
    """A schedule and what the search knows about it.

    Attributes:
        schedule: The sampling schedule.
        objective: J of its knots. For the default objective this is Eq. 8.
        penalty: L_penalty, Eq. 10.
        fitness: J + gamma L_penalty, Eq. 9.
        feasible: Whether all knots keep the distance d_min.
        psi: The ends, and the exponent if the strategy has one.
        evaluations: Number of evaluations of the objective. Strategy "exact" counts evaluations of the edge cost.
        seconds: Wall time of the search.
        message: How the search ended.
        solver: The solver of the schedule. Strategy "learned" makes one.
        strategy: The strategy that found the schedule.
        constraints: The constraints on the knots, with all choices filled in.
    """

    schedule: SamplingSchedule
    objective: float
    penalty: float
    fitness: float
    feasible: bool
    psi: Psi
    evaluations: int
    seconds: float
    message: str
    solver: Solver
    strategy: Strategy
    constraints: Constraints

    @property
    def nfe(self) -> int:
        """Number of network calls that the solver makes with the schedule."""
        return self.solver.nfe(self.schedule.nfe)


def optimize(
    noise: NoiseSchedule,
    nfe: int,
    *,
    solver: str | Solver | Sequence[str | Solver] = "unipc",
    strategy: str | Strategy | None = None,
    objective: str | Objective | None = None,
    calibration: Calibration | None = None,
    constraints: Constraints | None = None,
    terminal: str | None = None,
    seed: int = 0,
) -> Result:
    r"""The best sampling schedule of ``nfe`` network calls for this noise schedule.

    A search minimizes :math:`F = J + \gamma L_{penalty}` (Eq. 9) over the knots; strategy "exact" minimizes J with
    :math:`L_{penalty} = 0` as a constraint. With nothing but the model, the number of calls and the solver, the result is
    a mean of the optimum of Eq. 8 and of the spacing of hosts (:mod:`hso.search.halfway`).

    Args:
        noise: The model's noise schedule.
        nfe: Number of network calls. Most solvers make one call for each node. Heun makes 2 N - 1 calls with N nodes,
            so an even number is refused. With one node and the clean terminal there is no choice: the node is the
            noisiest end of the box.
        solver: A name in ``hso.solvers.SOLVERS`` or a solver such as ``UniPC(order=2)``. With a calibration also a list of
            them, or "auto" for all of ``hso.solvers.AUTO``: the best of all is returned, and ``result.solver`` says which
            solver it is for.
        strategy: A name in ``hso.search.STRATEGIES`` or a strategy such as ``Exact(grid="training")``. By default that of
            the given objective or calibration; without both what :func:`strategy_for` says.
        objective: A name in ``hso.objectives.OBJECTIVES`` or an objective such as ``MEP(p=1)`` or ``GITS(teacher)``; by
            default ``Replay(calibration)`` with a calibration, and what :func:`default_objective` says without one.
        calibration: The result of :func:`hso.calibrate` for the model. The schedule is then made for exactly this
            model, its guidance and the solver. The network is not called.
        constraints: Where the knots may lie: ``Constraints(box=, d_min=, start=, boundary=)``.
        terminal: Where the last step lands: "clean" or "t_min". By default it is the solver's own terminal, which is
            clean for all solvers here. Strategy "published" lands UniPC on t_min, as the paper does. With a calibration
            also "auto", the better of both.
        seed: Seed of the random searches.

    Settings may follow the name of a solver, a strategy or an objective: ``"unipc:order=2"`` is ``UniPC(order=2)``.

    Returns:
        The result. Check ``feasible`` and ``message``.

    Raises:
        ArgumentError: If an argument is unusable.

    References:
        | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026)
        | https://arxiv.org/abs/2511.11688

    Example:
        >>> result = optimize(NoiseSchedule.preset("sd2.1"), nfe=5, solver="ddim")
        >>> result.schedule
        SamplingSchedule(nfe=5, timesteps=[986, 799, 601, 390, 159], terminal=clean)
        >>> round(result.objective, 4), result.feasible
        (2.9349, True)
    """
    goal = objective_for(objective, calibration, nfe)
    asked = Constraints() if constraints is None else constraints
    way = strategy_for(strategy, objective, calibration, noise, asked)
    methods = solvers_for(solver, nfe)
    if not isinstance(goal, Replay):
        _refuse_several(goal, solver if len(methods) > 1 else None, terminal)
    requests = [
        Request(noise, nfe, method, way, goal, asked, end, seed)
        for method in methods
        for end in (TERMINALS if _is_every(terminal) else (way.terminal(method) if terminal is None else terminal,))
    ]
    results = sorted((_solved(request) for request in requests), key=lambda result: result.objective)
    return results[0] if len(results) == 1 else dataclasses.replace(results[0], message=_compared(results))


def solvers_for(solver: str | Solver | Sequence[str | Solver], nfe: int) -> list[Solver]:
    """The solvers that are asked for. Of several, those are left out that cannot make exactly so many calls.

    Raises:
        ArgumentError: If one is unusable, or none is left.
    """
    names = AUTO if _is_every(solver) else solver
    if isinstance(names, str | Solver) or not isinstance(names, Iterable):
        return [make_solver(names)]
    asked = [make_solver(one) for one in names]
    if repeated := [label_of(one) for one in asked if asked.count(one) > 1]:
        raise ArgumentError("solver", "each solver once", f"{repeated[0]} more than once")
    check_integer("nfe", nfe, 1, 2**31, "network calls of the solvers")
    able = [one for one in asked if _can_make(one, nfe)]
    if not able:
        raise ArgumentError("solver", f"one at least that makes exactly {nfe} network calls", solver)
    return able


def _refuse_several(goal: Objective, solvers: object, terminal: str | None) -> None:
    """Raise ArgumentError if an objective is to compare what only a calibration compares."""
    if solvers is not None:
        raise ArgumentError(
            "solver", f"one solver for objective {goal.name}", solvers, "a calibration compares solvers"
        )
    if _is_every(terminal):
        expected = f"{' or '.join(TERMINALS)} for objective {goal.name}"
        raise ArgumentError("terminal", expected, terminal, "a calibration compares terminals")


def _is_every(asked: object) -> bool:
    return isinstance(asked, str) and asked == EVERY


def _can_make(solver: Solver, nfe: int) -> bool:
    try:
        return solver.nodes(nfe) > 0
    except ArgumentError:
        return False


def _solved(request: Request) -> Result:
    problem = request.problem()
    begin = time.perf_counter()
    found = _only_node(problem) or request.strategy.search(problem, request.seed)
    seconds = time.perf_counter() - begin
    if found.solver is not None:
        request = dataclasses.replace(request, solver=found.solver)
        problem = request.problem()
    return _result(request, problem, found, seconds)


def _compared(results: Sequence[Result]) -> str:
    """The message for several solvers and terminals: it names the best, and how many times its J the second has."""
    best, second = results[:2]
    ratio = second.objective / max(best.objective, np.finfo(float).tiny)
    one, other = (
        f"{label_of(each.solver)} to {CLEAN if each.schedule.ends_clean else T_MIN}" for each in (best, second)
    )
    return f"{one} is the best of {len(results)}; {other} has {ratio:.3g} times its J; {best.message}"


def default_objective(nfe: int) -> Objective:
    """The objective for so many network calls if nobody asks for one.

    It is Eq. 8. With few calls the objective itself decides whether the jump to the clean sample costs something. With
    8 and more it is free, as in the paper: the costed jump keeps the last node far from the clean sample, and with many
    nodes that costs more than it saves (docs/families.md, "The jump").
    """
    # What is no number of calls is refused with the request, which knows how many the model can have.
    return MEP(jump=FREE) if isinstance(nfe, Integral) and nfe >= MANY else MEP()


def objective_for(objective: str | Objective | None, calibration: Calibration | None, nfe: int) -> Objective:
    """The given objective, or the default one for so many network calls with or without a calibration.

    Raises:
        ArgumentError: If both are given, or one is unusable.
    """
    if calibration is None:
        return default_objective(nfe) if objective is None else make_objective(objective)
    if not isinstance(calibration, Calibration):
        raise ArgumentError("calibration", "a Calibration", calibration, "hso.Calibration.load(path) reads one")
    if objective is not None:
        cause = "pass Replay(calibration, ...) as the objective to change its settings"
        raise ArgumentError("objective", "none with a calibration, which brings its own", objective, cause)
    return Replay(calibration)


def strategy_for(
    strategy: str | Strategy | None,
    objective: str | Objective | None,
    calibration: Calibration | None,
    noise: NoiseSchedule,
    constraints: Constraints,
) -> Strategy:
    """The given strategy, or that of the given objective or calibration, or else the default.

    The default is "halfway". It is "exact" if ranges of the ends are given, which the mean would leave, and for models
    without training timesteps, in which no host takes equal steps.
    """
    if strategy is not None:
        return make_strategy(strategy)
    if calibration is not None:
        return make_strategy(Replay.strategy)
    if objective is not None:
        return make_strategy(make_objective(objective).strategy)
    # What is neither a noise schedule nor constraints is refused with the request.
    has_steps = isinstance(noise, NoiseSchedule) and noise.train_steps is not None
    return Halfway() if has_steps and getattr(constraints, "box", None) is None else Exact()


def _only_node(problem: Problem) -> Found | None:
    """The result for one node and the clean terminal, where there is nothing to search; None for other problems."""
    if problem.nodes > 1 or problem.terminal != CLEAN:
        return None
    t_max = problem.box.t_max[1]
    knots = problem.noise.lambda_(np.array([t_max]))
    return Found(knots, Psi(None, t_max, t_max), 0, "one node: it is the noisiest end of the box")


def _result(request: Request, problem: Problem, found: Found, seconds: float) -> Result:
    value, penalty = _value(problem, found), float(problem.penalty(found.knots))
    # A last knot that only stands for the clean sample is not a node of the schedule.
    knots = found.knots[: problem.nodes] if problem.terminal == CLEAN else found.knots
    schedule = SamplingSchedule.from_knots(
        request.noise, knots, request.terminal, request.provenance(problem), start=request.constraints.start
    )
    return Result(
        schedule=schedule if found.told is None else schedule.telling(request.noise, request.noise.time(found.told)),
        objective=value,
        penalty=penalty,
        fitness=value + problem.gamma * penalty,
        feasible=_keeps(request.noise.time(found.knots), problem.d_min),
        psi=found.psi,
        evaluations=found.evaluations,
        seconds=seconds,
        message=found.message,
        solver=request.solver,
        strategy=request.strategy,
        constraints=problem.constraints,
    )


def _value(problem: Problem, found: Found) -> float:
    """J of what was found."""
    function: Any = problem.function
    if found.told is not None:
        rest = found.knots[problem.nodes :]
        function = function.telling(np.append(found.told, rest) - found.knots)
    return float(function.value(found.knots))


def _keeps(times: Array, distance: float) -> bool:
    # The search rounds t once, and the way from t to lambda and back rounds it again.
    return bool(np.all(-np.diff(times) >= distance - 2 * ROUNDING))
