r"""Closed-form sampling schedules.

A *range rule* spreads any number of knots over [t_max, t_min]; a *grid rule* picks training indices the way diffusers'
``timestep_spacing`` does, and always ends in the clean sample unless a terminal is asked for.

With u = 0, 1/(K), ..., 1 over the knots:

- ``uniform_t``: t = t_max + u (t_min - t_max)
- ``uniform_lambda``: the same for lambda (DPM-Solver's "logSNR")
- ``quadratic``: the same for sqrt(t)
- ``edm``: the same for sigma~^(1/rho), Eq. 2
- ``leading``, ``trailing``, ``linspace``: diffusers' integer grids; ``linspace_open`` is the one of its multistep
  solvers, N + 1 points without the last

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Eq. 5
    | https://arxiv.org/abs/2206.00364
    | Common Diffusion Noise Schedules and Sample Steps are Flawed (Lin et al., 2024), Table 2
    | https://arxiv.org/abs/2305.08891
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hso.errors import ArgumentError, check_choice, check_integer, check_real
from hso.noise.base import Array, NoiseSchedule
from hso.schedule import CLEAN, SamplingSchedule, check_terminal


@dataclass(frozen=True)
class Span:
    """Where a range rule begins and ends, and its shape.

    Attributes:
        t_max: Time of the first node; None is the noisiest the schedule allows.
        t_min: Time of the last knot; None is the cleanest the schedule allows.
        rho: Exponent of the ``edm`` rule.
    """

    t_max: float | None = None
    t_min: float | None = None
    rho: float = 7.0

    def ends(self, noise: NoiseSchedule) -> tuple[float, float]:
        """(t_max, t_min) within the range of the noise schedule."""
        low, high = noise.t_range
        t_max = high if self.t_max is None else check_real("t_max", self.t_max, low, high)
        t_min = low if self.t_min is None else check_real("t_min", self.t_min, low, high)
        if t_min >= t_max:
            raise ArgumentError("t_min", f"a time below t_max = {t_max:g}", t_min)
        return t_max, t_min


def edm_lambdas(first: Any, last: Any, rho: Any, count: int) -> Array:
    r"""Eq. 2 in :math:`\lambda`: ``count`` knots from ``first`` to ``last``, shape (..., count); the ends are exact.

    In the paper's print the index runs from the smallest to the largest noise level; here, as in Karras et al. (2022),
    it runs in the order of sampling. The arguments broadcast.
    """
    first, last, rho = (np.asarray(x, dtype=np.float64)[..., None] for x in (first, last, rho))
    u = np.linspace(0.0, 1.0, count)
    knots = -rho * np.log(np.exp(-first / rho) * (1 - u) + np.exp(-last / rho) * u)
    knots[..., :1], knots[..., -1:] = first, last
    return np.asarray(knots)


def _uniform_t(noise: NoiseSchedule, count: int, span: Span) -> Array:
    return noise.lambda_(np.linspace(*span.ends(noise), count))


def _uniform_lambda(noise: NoiseSchedule, count: int, span: Span) -> Array:
    first, last = map(float, noise.lambda_(span.ends(noise)))
    return np.linspace(first, last, count)


def _quadratic(noise: NoiseSchedule, count: int, span: Span) -> Array:
    t_max, t_min = span.ends(noise)
    times = np.linspace(t_max**0.5, t_min**0.5, count) ** 2
    return noise.lambda_(np.clip(times, t_min, t_max))


def _edm(noise: NoiseSchedule, count: int, span: Span) -> Array:
    first, last = noise.lambda_(span.ends(noise))
    return edm_lambdas(first, last, check_real("rho", span.rho, 0.1), count)


def _trailing(noise: NoiseSchedule, nfe: int) -> Array:
    steps = noise.require_train_steps()
    return np.round(steps - np.arange(nfe) * (steps / nfe)) - 1


def _leading(noise: NoiseSchedule, nfe: int) -> Array:
    # The offset of 1 is what Stable Diffusion's configurations carry.
    return np.arange(nfe)[::-1] * (noise.require_train_steps() // nfe) + 1.0


def _linspace(noise: NoiseSchedule, nfe: int) -> Array:
    return np.round(np.linspace(noise.require_train_steps() - 1, 0, nfe))


def _linspace_open(noise: NoiseSchedule, nfe: int) -> Array:
    return np.round(np.linspace(noise.require_train_steps() - 1, 0, nfe + 1))[:-1]


# A new rule is one function and one line here.
RANGE_RULES: Mapping[str, Callable[[NoiseSchedule, int, Span], Array]] = {
    "uniform_t": _uniform_t,
    "uniform_lambda": _uniform_lambda,
    "quadratic": _quadratic,
    "edm": _edm,
}
GRID_RULES: Mapping[str, Callable[[NoiseSchedule, int], Array]] = {
    "trailing": _trailing,
    "leading": _leading,
    "linspace": _linspace,
    "linspace_open": _linspace_open,
}
RULES = (*RANGE_RULES, *GRID_RULES)


def rule_schedule(
    rule: str, noise: NoiseSchedule, nfe: int, terminal: str = CLEAN, span: Span | None = None
) -> SamplingSchedule:
    """The sampling schedule of a rule.

    Args:
        rule: One of ``RULES``.
        noise: The noise schedule.
        nfe: Number of nodes.
        terminal: "clean", or "t_min" to land the last step on ``span.t_min``.
        span: Where range rules begin and end; the whole range of the noise schedule by default.

    Raises:
        ArgumentError: If the rule is unknown, or its nodes do not fit the noise schedule.

    Example:
        >>> rule_schedule("trailing", NoiseSchedule.preset("sd2.1"), 4).timesteps.tolist()
        [999, 749, 499, 249]
    """
    check_choice("rule", rule, RULES)
    nfe = check_integer("nfe", nfe, 1, noise.max_nfe)
    ends_clean = check_terminal(terminal) == CLEAN
    span = span or Span()
    provenance = {"strategy": "rule", "rule": rule}
    if rule in RANGE_RULES:
        knots = RANGE_RULES[rule](noise, nfe if ends_clean else nfe + 1, span)
    else:
        knots = noise.lambda_(noise.time_of_index(GRID_RULES[rule](noise, nfe)))
        if not ends_clean:
            knots = np.append(knots, noise.lambda_(span.ends(noise)[1]))
    return SamplingSchedule.from_knots(noise, knots, terminal, provenance)
