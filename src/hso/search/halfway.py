r"""A mean of the optimum and of the spacing that hosts use, in :math:`\lambda`.

With the optimum :math:`\lambda^*` of the objective and N equal steps in t (the rule "trailing"),

.. math::
    \lambda_i = (1 - s) \lambda^*_i + s \, \lambda(t_0 (1 - i / N)), \qquad 0 \le i < N,

where :math:`t_0` is the noisiest time, or the start of a run that begins part-way. By default :math:`s = 1/2`. With fewer
than 8 calls the default objective leaves the jump to the clean sample open (:func:`hso.optimize.default_objective`). Then
the mean depends on the model and the solver:

==================================  =====  ========================================  ==========
solver and model                    s      :math:`\lambda^*`: the jump is            first node
==================================  =====  ========================================  ==========
carries no outputs                  2 / 3  the mean of free and costed               the mean
carries outputs, no guidance        1 / 2  free                                      the mean
carries outputs, guidance           2 / 3  the mean of free and costed               the host's
carries outputs, guidance above 5   5 / 6  costed                                    the host's
==================================  =====  ========================================  ==========

If the noisiest level of the model has no signal, as in a flow, the first node is that of the optimum, because
:math:`\lambda` is large there and says nothing; s is 1/2, and the jump is that of the objective. No trained model of this
kind was at hand to find more. The optimum is that of a run to the clean sample. A run to "t_min" lands on the
cleanest level of the model, as hosts do. The published range of t_min would leave noise in the images.

An objective that does not know the model is wrong about it, and the host's spacing is wrong in another way. Trained
models are nearer to their reference with the mean than with either. With strong guidance and few calls, outputs that a
solver carries over long steps mislead it, and little can be gained (``docs/figures.md``, "Without a calibration"). If the
mean breaks a constraint, s is halved until it does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from hso.errors import check_real
from hso.noise import Traits
from hso.noise.base import Array
from hso.objectives import Objective
from hso.objectives.error_proxy import ProxyFunction
from hso.objectives.spacing import d_min
from hso.schedule import CLEAN, T_MIN
from hso.search.constraints import Box
from hso.search.exact import Exact
from hso.search.problem import Found, Problem, Psi, Strategy
from hso.search.windows import ROUNDING

# Above this sigma / alpha a state has almost no signal. The noisiest level of Stable Diffusion is 14.6.
NO_SIGNAL = 20.0
# Above this guidance counts as strong. Stable Diffusion's is 7.5, and that of SDXL is 5.
STRONG = 5.0
# The share is halved so often before the optimum itself is returned.
HALVINGS = 6


class Mix(NamedTuple):
    """What the mean is made of.

    Attributes:
        share: s.
        costed: Share of the optimum whose jump is costed in :math:`\\lambda^*`.
        begins_as_host: Whether the first node is the host's.
    """

    share: float
    costed: float
    begins_as_host: bool


@dataclass(frozen=True)
class Halfway(Strategy):
    """Part of the way from the optimum to the host's spacing.

    Attributes:
        share: s, which part of the way: 0 is the optimum and 1 the host's spacing. None is the default of this module;
            with a number, the optimum is that of the objective as it is.

    Raises:
        ArgumentError: If the share is not in [0, 1].

    Example:
        >>> import hso
        >>> noise = hso.NoiseSchedule.preset("sd2.1")
        >>> hso.optimize(noise, 5, solver="ddim", strategy="halfway").schedule.timesteps.tolist()
        [986, 799, 601, 390, 159]
    """

    share: float | None = None

    name = "halfway"
    uses_box = False
    keeps_boundary = True

    def __post_init__(self) -> None:
        if self.share is not None:
            object.__setattr__(self, "share", check_real("share", self.share, 0.0, 1.0))

    def distance(self, objective: Objective, nodes: int) -> float:
        """None: the rule for d_min is for the optimum, and the mean may break it."""
        return 0.0

    def search(self, problem: Problem, seed: int) -> Found:
        """See :class:`hso.search.problem.Strategy`.

        Raises:
            ArgumentError: If the model has no training timesteps, so that no host spaces them.
        """
        mix = mix_for(problem) if self.share is None else _as_asked(problem, self.share)
        found = _optimum(problem, mix.costed, seed)
        host = _host_lambdas(problem)
        moving = slice(int(not _has_signal(problem)), problem.nodes)
        for share in (mix.share * 0.5**k for k in range(HALVINGS)):
            knots = found.knots.copy()
            knots[moving] += share * (host - knots[: problem.nodes])[moving]
            if mix.begins_as_host:
                knots[0] = host[0]
            if (kept := _kept(problem, knots)) is not None:
                ends = problem.noise.time(kept[[-1, 0]]).tolist()
                message = f"the optimum, moved {share:.3g} of the way to equal steps in t; {found.message}"
                return found._replace(knots=kept, psi=Psi(None, *ends), message=message)
        found = Exact().search(_spaced(problem), seed)
        return found._replace(message=f"the optimum, because equal steps in t break a constraint; {found.message}")


def mix_for(problem: Problem) -> Mix:
    """What the mean is made of if nobody asks for a share: the table of this module."""
    function, solver, traits = problem.function, problem.solver, problem.noise.traits
    if not isinstance(function, ProxyFunction) or function.jump is not None or not _has_signal(problem):
        return _as_asked(problem, 0.5)
    if not solver.carries_outputs:
        return Mix(2 / 3, 0.5, False)
    if not traits.is_guided:
        return Mix(0.5, 0.0, False)
    return Mix(5 / 6, 1.0, True) if is_strong(traits) else Mix(2 / 3, 0.5, True)


def is_strong(traits: Traits) -> bool:
    """Whether the usual guidance of a model is known and strong."""
    return traits.guidance is not None and traits.guidance > STRONG


def _has_signal(problem: Problem) -> bool:
    """Whether the noisiest level still has some signal."""
    return bool(np.exp(-_host_lambdas(problem)[0]) <= NO_SIGNAL)


def _as_asked(problem: Problem, share: float) -> Mix:
    return Mix(share, float(problem.function.costs_jump), False)


def _optimum(problem: Problem, costed: float, seed: int) -> Found:
    """The optimum of a run to the clean sample. ``costed`` is the weight of the optimum with a costed jump in a mean with
    the optimum with a free jump.
    """
    if problem.nodes > 1:
        parts = {True: costed, False: 1 - costed}
        found = {costs: _with_jump(problem, costs, seed) for costs, part in parts.items() if part > 0}
        knots = sum(parts[costs] * one.knots[: problem.nodes] for costs, one in found.items())
        # The last knot of a costed jump stands for the clean sample, and no mean moves it.
        rest = found[True].knots[problem.nodes :] if problem.function.costs_jump else np.empty(0)
        evaluations = sum(one.evaluations for one in found.values())
        message = "; ".join(dict.fromkeys(one.message for one in found.values()))
        return found[costed > 0]._replace(
            knots=np.append(np.asarray(knots), rest), evaluations=evaluations, message=message
        )
    t_max = problem.box.t_max[1]
    return Found(problem.noise.lambda_(np.array([t_max])), Psi(None, t_max, t_max), 0, "one node: the noisiest end")


def _with_jump(problem: Problem, costs: bool, seed: int) -> Found:
    """The optimum of a run to the clean sample with a jump that costs something, or with a free one."""
    function = problem.function
    if isinstance(function, ProxyFunction):
        function = function.with_jump(costs)
    return Exact().search(_spaced(replace(problem, function=function, terminal=CLEAN)), seed)


def _spaced(problem: Problem) -> Problem:
    """The problem of the optimum, which keeps the published distance if nobody asks for another."""
    if problem.d_min > 0 or not isinstance(problem.function, ProxyFunction):
        return problem
    distance = d_min(problem.nodes) * problem.box.share_of(Box(), problem.noise)
    return replace(problem, constraints=replace(problem.constraints, d_min=distance))


def _host_lambdas(problem: Problem) -> Array:
    """The nodes in equal steps in t."""
    problem.noise.require_train_steps()
    start = problem.constraints.start
    top = problem.noise.t_range[1] if start is None else start
    return problem.noise.lambda_(top * (1 - np.arange(problem.nodes) / problem.nodes))


def _kept(problem: Problem, knots: Array) -> Array | None:
    """The knots with the terminal, each on its side of the boundary; None if two of them are then too close."""
    noise, cleanest = problem.noise, problem.noise.t_range[0]
    if problem.terminal == T_MIN:
        knots = np.append(knots, noise.lambda_(cleanest))
    times = noise.time(knots)
    sides = problem.sides(np.zeros_like(times), np.ones_like(times))
    if not sides.hold(times):
        times = np.clip(times, sides.low, sides.high)
        knots = noise.lambda_(times)
    spaced = np.all(-np.diff(times) >= max(problem.d_min - ROUNDING, ROUNDING))
    return knots if spaced else None
