r"""The mean of the optimum and of the spacing that hosts use, in :math:`\lambda`.

With the optimum :math:`\lambda^*` of the objective and N equal steps in t (the rule "trailing"),

.. math::
    \lambda_i = (1 - s) \lambda^*_i + s \, \lambda(t_0 (1 - i / N)), \qquad s = \tfrac12, \quad 0 \le i < N,

where :math:`t_0` is the noisiest time, or the start of a run that begins part-way. The first node is that of the optimum if
the noisiest level of the model has no signal, as in a flow: there :math:`\lambda` is large and says nothing. The optimum is
that of a run to the clean sample. A run to "t_min" lands on the cleanest level of the model, as hosts do. The published
range of t_min would leave noise in the images.

An objective that does not know the model is wrong about it, and the host's spacing is wrong in another way. Trained
models, guided or not, are nearer to their reference with the mean than with either
(``docs/figures.md``, "Without a calibration"). If the mean breaks a constraint, s is halved until it does not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hso.errors import check_real
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
# The share is halved so often before the optimum itself is returned.
HALVINGS = 6


@dataclass(frozen=True)
class Halfway(Strategy):
    """Half way from the optimum to the host's spacing.

    Attributes:
        share: Which part of the way; 0 is the optimum and 1 the host's spacing.

    Raises:
        ArgumentError: If the share is not in [0, 1].

    Example:
        >>> import hso
        >>> noise = hso.NoiseSchedule.preset("sd2.1")
        >>> hso.optimize(noise, 5, solver="ddim", strategy="halfway").schedule.timesteps.tolist()
        [979, 790, 578, 344, 84]
    """

    share: float = 0.5

    name = "halfway"
    uses_box = False
    keeps_boundary = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", check_real("share", self.share, 0.0, 1.0))

    def distance(self, objective: Objective, nodes: int) -> float:
        """None: the rule for d_min is for the optimum, and the mean may break it."""
        return 0.0

    def search(self, problem: Problem, seed: int) -> Found:
        """See :class:`hso.search.problem.Strategy`.

        Raises:
            ArgumentError: If the model has no training timesteps, so that no host spaces them.
        """
        found = _optimum(problem, seed)
        host = _host_lambdas(problem)
        moving = slice(int(np.exp(-host[0]) > NO_SIGNAL), problem.nodes)
        for share in (self.share * 0.5**k for k in range(HALVINGS)):
            knots = found.knots.copy()
            knots[moving] += share * (host - knots[: problem.nodes])[moving]
            if (kept := _kept(problem, knots)) is not None:
                ends = problem.noise.time(kept[[-1, 0]]).tolist()
                message = f"the optimum, moved {share:.3g} of the way to equal steps in t; {found.message}"
                return found._replace(knots=kept, psi=Psi(None, *ends), message=message)
        found = Exact().search(_spaced(problem), seed)
        return found._replace(message=f"the optimum, because equal steps in t break a constraint; {found.message}")


def _optimum(problem: Problem, seed: int) -> Found:
    """The optimum of a run to the clean sample."""
    if problem.nodes > 1:
        return Exact().search(_spaced(replace(problem, terminal=CLEAN)), seed)
    t_max = problem.box.t_max[1]
    return Found(problem.noise.lambda_(np.array([t_max])), Psi(None, t_max, t_max), 0, "one node: the noisiest end")


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
    """Add the terminal, and move knots to their side of the boundary. None if they then do not keep the distance."""
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
