"""From a noise schedule, a budget and a solver to the best sampling schedule."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hso.defaults import default_box, default_jump, default_p
from hso.errors import ArgumentError, check_choice, check_integer, check_real
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives import OBJECTIVES
from hso.objectives import d_min as published_d_min
from hso.schedule import CLEAN, T_MIN, SamplingSchedule, check_terminal
from hso.search import STRATEGIES, Boundary, Box, Found, Problem, Psi, Strategy
from hso.search.problem import COSTED, JUMPS
from hso.search.windows import ROUNDING
from hso.version import VERSION

# Where the last step of each solver lands: DDIM and UniPC as in the paper's experiments, the others as in diffusers.
# A new solver is one line here.
DEFAULT_TERMINAL: Mapping[str, str] = {
    "unipc": T_MIN,
    "ddim": CLEAN,
    "euler": CLEAN,
    "heun": CLEAN,
    "dpmpp_2m": CLEAN,
    "dpmpp_3m": CLEAN,
    "dpmpp_2s": CLEAN,
    "deis": CLEAN,
}


@dataclass(frozen=True)
class Result:
    """A schedule and what is known of it.

    Attributes:
        schedule: The sampling schedule.
        objective: J of its knots, Eq. 8 for the default objective.
        penalty: L_penalty, Eq. 10.
        fitness: J + gamma L_penalty, Eq. 9.
        feasible: Whether all knots keep the distance d_min.
        psi: The ends, and the exponent where the strategy has one.
        evaluations: Evaluations of the objective; of an edge cost for strategy "exact".
        seconds: Wall time of the search.
        message: How the search ended.
        solver: Solver it was made for.
        strategy: Strategy that found it.
        d_min: Least distance in t that was asked for.
        start: Time of the first node, if the run was to begin part-way.
        boundary: Where the model changes networks, if each was to have nodes.
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
    solver: str
    strategy: str
    d_min: float
    start: float | None = None
    boundary: Boundary | None = None


def optimize(
    noise: NoiseSchedule,
    nfe: int,
    *,
    solver: str = "unipc",
    strategy: str | Strategy = "exact",
    objective: str = "mep",
    p: float | None = None,
    box: Box | None = None,
    d_min: float | None = None,
    terminal: str | None = None,
    jump: str | None = None,
    start: float | None = None,
    boundary: Boundary | None = None,
    seed: int = 0,
) -> Result:
    r"""The schedule of ``nfe`` nodes that is best for this noise schedule.

    It minimizes :math:`F = J + \gamma L_{penalty}` (Eq. 9) over the knots; strategy "exact" minimizes J with
    :math:`L_{penalty} = 0` as a constraint.

    Args:
        noise: The model's noise schedule.
        nfe: Number of network evaluations, from 1 to the number of training timesteps. With 1 and the clean terminal
            there is nothing to choose: the node is the noisiest end of the box.
        solver: One of ``DEFAULT_TERMINAL``; it decides the terminal. The objectives do not depend on it.
        strategy: "exact", "bilevel", "published", "local", or a strategy object with its own settings, such as
            ``hso.search.Exact(grid="training")``.
        objective: "mep" (Eq. 8) or "dm_nonuniform" (not additive: not for "exact").
        p: Exponent of the error proxy; if not given 1 for models of pixels or without guidance, and 2 for others
            (:mod:`hso.defaults`).
        box: Ranges of the ends, in t; ``Box()`` is the published one. By default that one on variance-preserving paths, and
            the same noise levels on others, within what the noise schedule allows.
        d_min: Least distance of knots in t, 0 for none. By default the published rule's, multiplied by the share of the
            published box that is run.
        terminal: "clean" or "t_min"; the solver's own by default.
        jump: Whether a jump to the clean sample is "free", as published, or "costed" as an interval that ends at t_min; by
            default costed for multistep solvers of guided models.
        start: Time of the first node, for a run that begins part-way: the strength of image-to-image. For a noise level
            pass ``noise.time_of_sigma(sigma)``.
        boundary: Where the model changes networks, and how many nodes each is to have; for strategy "exact". By default
            one each, where the noise schedule is that of such a model and the part that is run has both.
        seed: Seed of the random searches.

    Returns:
        The result; look at ``feasible`` and ``message``.

    Raises:
        ArgumentError: If an argument is unusable.

    References:
        | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026)
        | https://arxiv.org/abs/2511.11688

    Example:
        >>> result = optimize(NoiseSchedule.preset("sd2.1"), nfe=5, solver="ddim")
        >>> result.schedule
        SamplingSchedule(nfe=5, timesteps=[959, 782, 557, 291, 29], terminal=clean)
        >>> round(result.objective, 4), result.feasible
        (3.096, True)
    """
    if not isinstance(noise, NoiseSchedule):
        raise ArgumentError("noise", "a NoiseSchedule", noise, "NoiseSchedule.preset(name) or .from_config(path)")
    check_choice("solver", solver, DEFAULT_TERMINAL)
    check_choice("objective", objective, OBJECTIVES)
    nfe = check_integer("nfe", nfe, 1, noise.max_nfe, "the most nodes this noise schedule has")
    method = _strategy(strategy)
    if box is not None and not method.uses_box:
        raise ArgumentError("box", f"none with strategy {method.name}, which keeps the ends of its start", box)
    terminal = check_terminal(DEFAULT_TERMINAL[solver] if terminal is None else terminal)
    whole = (box or Box()).inside(noise)
    part = _part(box or default_box(noise, start), noise, start)
    problem = Problem(
        objective=OBJECTIVES[objective](noise, default_p(noise) if p is None else check_real("p", p, 0.0, 16.0)),
        nfe=nfe,
        terminal=terminal,
        box=part,
        d_min=_published_distance(nfe, whole, part) if d_min is None else check_real("d_min", d_min, 0.0, 1.0),
        jump=default_jump(noise, solver, terminal) if jump is None else _check_jump(jump, terminal),
        start_time=None if start is None else part.t_max[0],
    )
    problem = _with_boundary(problem, boundary, method)
    check_integer("seed", seed, 0, 2**63 - 1)
    begin = time.perf_counter()
    found = _only_node(problem) or method.search(problem, seed)
    seconds = time.perf_counter() - begin
    request = {"solver": solver, "objective": objective, "seed": seed}
    return _result(problem, method, found, seconds, request)


def _published_distance(nfe: int, whole: Box, part: Box) -> float:
    """d_min(N), in proportion where only a part of the box is run."""
    share = (part.t_max[1] - part.t_min[0]) / (whole.t_max[1] - whole.t_min[0])
    return published_d_min(nfe) * share


def _part(box: Box, noise: NoiseSchedule, start: float | None) -> Box:
    """The part of a box that is run."""
    return box.inside(noise) if start is None else box.beginning_at(start, noise)


def _check_jump(jump: str, terminal: str) -> str:
    if check_choice("jump", jump, JUMPS) == COSTED and terminal != CLEAN:
        raise ArgumentError("jump", "free with a terminal that is not clean: there is no jump", jump)
    return jump


def _with_boundary(problem: Problem, given: Boundary | None, strategy: Strategy) -> Problem:
    """The problem with the boundary that was asked for, or with the model's own if it can have it."""
    if given is not None:
        if not strategy.keeps_boundary:
            raise ArgumentError("boundary", f"none with strategy {strategy.name}", given, "exact keeps one")
        bounded = dataclasses.replace(problem, boundary=given)
        if objection := bounded.objection():
            raise ArgumentError("boundary", objection, given)
        return bounded
    own = problem.noise.boundary_time
    if own is None or not strategy.keeps_boundary:
        return problem
    bounded = dataclasses.replace(problem, boundary=Boundary(own))
    return problem if bounded.objection() else bounded


def _strategy(strategy: str | Strategy) -> Strategy:
    if isinstance(strategy, Strategy):
        return strategy
    return STRATEGIES[check_choice("strategy", strategy, STRATEGIES)]()


def _only_node(problem: Problem) -> Found | None:
    """With one clean-ending node there is nothing to search."""
    if problem.nfe > 1 or problem.terminal != CLEAN:
        return None
    t_max = problem.box.t_max[1]
    knots = problem.noise.lambda_(np.array([t_max]))
    return Found(knots, Psi(None, t_max, t_max), 0, "one evaluation: the node is the noisiest end of the box")


def _result(problem: Problem, strategy: Strategy, found: Found, seconds: float, request: dict[str, Any]) -> Result:
    value = float(problem.objective.value(found.knots))
    penalty = float(problem.penalty(found.knots))
    provenance = {
        **request,
        "strategy": strategy.name,
        "options": dataclasses.asdict(strategy) if dataclasses.is_dataclass(strategy) else {},
        "p": problem.objective.p,
        "box": dataclasses.asdict(problem.box),
        "d_min": problem.d_min,
        "jump": problem.jump,
        "start": problem.start_time,
        "boundary": None if problem.boundary is None else dataclasses.asdict(problem.boundary),
        "hso": VERSION,
    }
    return Result(
        schedule=SamplingSchedule.from_knots(
            problem.noise, _run(problem, found.knots), problem.terminal, provenance, start=problem.start_time
        ),
        objective=value,
        penalty=penalty,
        fitness=value + problem.gamma * penalty,
        feasible=_keeps(problem.noise.time(found.knots), problem.d_min),
        psi=found.psi,
        evaluations=found.evaluations,
        seconds=seconds,
        message=found.message,
        solver=request["solver"],
        strategy=strategy.name,
        d_min=problem.d_min,
        start=problem.start_time,
        boundary=problem.boundary,
    )


def _run(problem: Problem, knots: Array) -> Array:
    """The knots without one that only stands for the clean sample."""
    return knots[: problem.nfe] if problem.terminal == CLEAN else knots


def _keeps(times: Array, distance: float) -> bool:
    # Twice the rounding: the search rounds once, and t -> lambda -> t once more.
    return bool(np.all(-np.diff(times) >= distance - 2 * ROUNDING))
