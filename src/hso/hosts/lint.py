"""What a host would do wrong with these values, said before the first sample.

Hosts accept values that they then truncate, shift, drop or turn into NaN. Each check below looks for one such mistake.
A host describes what it takes, and this decides which checks apply to it. Nothing is imported from the host, and no
network is run.

The facts are those of the releases that docs/hosts.md names.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError, check_choice, check_integer
from hso.hosts import find_host
from hso.hosts.base import KINDS, RAMP, SIGMAS, TIMESTEPS, WHOLE, WITH_ZERO, WITHOUT_ZERO, Host, Takes
from hso.hosts.pasted import ROUNDED, is_flow, sigma_range
from hso.hosts.special import IN_DIFFUSERS, special
from hso.hosts.text import ended_clean
from hso.noise import NoiseSchedule
from hso.noise.base import MAX_TRAIN_STEPS
from hso.noise.flow import ShiftedClock
from hso.noise.levels import lambda_of_sigma
from hso.schedule import SamplingSchedule

ERROR, WARNING = "error", "warning"
# A sigma counts as that of a whole timestep if it is as near as this, in timesteps.
NEAR_WHOLE = 0.02
# Settings with which a diffusers scheduler refuses or overwrites custom values.
SPACING_FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas")
# A finding names at most so many values.
NAMED = 10


class Finding(NamedTuple):
    """One trap: "error" where the host would fail or sample something else, "warning" where it might."""

    level: str
    check: str
    text: str


@dataclass(frozen=True)
class Given:
    """What is to be judged.

    Attributes:
        host: The host that it would be passed to.
        kind: "timesteps" or "sigmas".
        values: The values as they would be passed.
        noise: The model's noise schedule, if known.
        config: The host's settings, if known.
        nfe: Intended number of network calls, if known.
    """

    host: Host
    kind: str
    values: Sequence[float]
    noise: NoiseSchedule | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    nfe: int | None = None

    @property
    def flow(self) -> bool:
        """Whether the values are for a flow model, as far as is known."""
        known = self.noise is not None and is_flow(self.noise)
        return known or self.host.for_flow_only or bool(self.config.get("use_flow_sigmas"))

    @property
    def takes(self) -> Takes:
        """What the host takes for this model."""
        return self.host.takes(self.flow)

    @property
    def truncated(self) -> bool:
        """Whether the host rounds the values down to whole numbers."""
        return self.kind == TIMESTEPS and self.takes.timesteps == WHOLE


Check = Callable[[Given], Iterator[Finding]]


def lint(
    values: Sequence[float],
    host: str,
    kind: str,
    *,
    noise: NoiseSchedule | None = None,
    config: Mapping[str, Any] | None = None,
    nfe: int | None = None,
) -> list[Finding]:
    """What a host would do wrong with these values.

    Args:
        values: Timesteps or sigmas, as they would be passed.
        host: One of ``hso.hosts.HOSTS``; a diffusers class may be written with its "Scheduler".
        kind: "timesteps" or "sigmas".
        noise: The model's noise schedule, to check the range and the kind of sigma.
        config: The scheduler's configuration, to check its settings.
        nfe: Intended number of network calls.

    Returns:
        The findings, errors first; none if all is well.

    Raises:
        ArgumentError: If the host or the kind is unknown, ``nfe`` is below 1, or the host cannot make so many network
            calls.

    Example:
        >>> for finding in lint([999, 749.5, 749.2, 3], "diffusers:DPMSolverMultistep", "timesteps"):
        ...     print(finding.level, finding.check)
        error duplicates
        error truncation
    """
    if nfe is not None:
        check_integer("nfe", nfe, 1, MAX_TRAIN_STEPS)
    given = Given(find_host("host", host), check_choice("kind", kind, KINDS), list(values), noise, config or {}, nfe)
    findings = list(_unusable(given)) or [found for check in CHECKS for found in check(given)]
    return sorted(findings, key=lambda finding: finding.level != ERROR)


def lint_schedule(
    schedule: SamplingSchedule,
    host: str,
    kind: str,
    *,
    noise: NoiseSchedule | None = None,
    config: Mapping[str, Any] | None = None,
    nfe: int | None = None,
) -> list[Finding]:
    """What a host would do wrong with this schedule; the arguments are those of :func:`lint`.

    Raises:
        ArgumentError: If the host or the kind is unknown, or the host cannot make ``nfe`` network calls.
    """
    target = find_host("host", host)
    check_choice("kind", kind, KINDS)
    problem = target.objection(schedule, kind)
    values = target.values(ended_clean(schedule) if problem else schedule, kind)
    found = [Finding(ERROR, "terminal", problem)] if problem else []
    if asked := special(schedule):
        found.append(Finding(ERROR, asked.removeprefix("a "), f"the schedule is for {asked}; {IN_DIFFUSERS}"))
    return [*found, *lint(values, host, kind, noise=noise, config=config, nfe=nfe)]


def guess_kind(values: Sequence[float], host: str) -> str:
    """Timesteps or sigmas: what the host takes if that is one thing; otherwise whole numbers are timesteps.

    Raises:
        ArgumentError: If the host is unknown, or there are no values.
    """
    if not values:
        raise ArgumentError("values", "at least one number", values)
    return find_host("host", host).guess_kind(values)


def _unusable(given: Given) -> Iterator[Finding]:
    """What makes every other check pointless."""
    if not given.values:
        yield Finding(ERROR, "empty", "there are no values")
    elif not all(math.isfinite(value) for value in given.values):
        yield Finding(ERROR, "finite", "there are values that are not finite; they reach the sample as NaN")


def _accepted(given: Given) -> Iterator[Finding]:
    name, takes = given.host.name, given.takes
    other = SIGMAS if given.kind == TIMESTEPS else TIMESTEPS
    if getattr(takes, given.kind) is None:
        instead = f"it takes {other}=" if getattr(takes, other) else given.host.advice
        yield Finding(ERROR, "accepted", f"{name} takes no {given.kind}=; {instead}")
    if given.kind == SIGMAS and takes.sigmas == RAMP:
        yield Finding(ERROR, "accepted", f"sigmas= of {name} is a ramp in [0, 1]; real sigmas give NaN")


def _order(given: Given) -> Iterator[Finding]:
    if any(after > before for before, after in itertools.pairwise(given.values)):
        yield Finding(ERROR, "order", f"{given.kind} must descend; some hosts take others without a word")


def _duplicates(given: Given) -> Iterator[Finding]:
    seen: list[float] = [int(value) for value in given.values] if given.truncated else list(given.values)
    repeated = sorted(value for value, times in Counter(seen).items() if times > 1)
    if repeated:
        how = "after truncation " if given.truncated else ""
        which = f"[{', '.join(map(str, repeated[:NAMED]))}{', ...' if len(repeated) > NAMED else ''}]"
        yield Finding(ERROR, "duplicates", f"{how}{which} repeats; a step of length 0 is NaN in multistep solvers")


def _truncation(given: Given) -> Iterator[Finding]:
    broken = [value for value in given.values if value != int(value)]
    if given.truncated and broken:
        text = f"{broken[0]} becomes {int(broken[0])}: {given.host.name} truncates to integers"
        yield Finding(ERROR, "truncation", text)


def _range(given: Given) -> Iterator[Finding]:
    if given.kind == TIMESTEPS:
        yield from _timestep_range(given)
    elif min(given.values) < 0:
        yield Finding(ERROR, "range", "sigmas are not negative")
    elif given.flow and max(given.values) > 1:
        text = "sigmas of a flow model lie in [0, 1]; values above 1 are sigma / alpha, which other models' hosts take"
        yield Finding(ERROR, "convention", f"{text}; hso convert writes the right ones")
    elif given.noise is not None and not given.takes.before_shift:
        yield from _sigma_range(given, given.noise)


def _timestep_range(given: Given) -> Iterator[Finding]:
    steps = given.noise.train_steps if given.noise and given.noise.train_steps else 1000
    # Flow models are told sigma times the number of training timesteps, others a training index.
    most = steps if given.flow else steps - 1
    if max(given.values) > most or min(given.values) < 0:
        yield Finding(ERROR, "range", f"timesteps go from {most} to 0")
    elif max(given.values) <= 1:
        yield Finding(WARNING, "range", "timesteps of at most 1: are these times or sigmas?")


def _sigma_range(given: Given, noise: NoiseSchedule) -> Iterator[Finding]:
    low, high = sigma_range(noise)
    inside = [value for value in given.values if value != 0]
    if inside and (max(inside) > high * (1 + ROUNDED) or min(inside) < low * (1 - ROUNDED)):
        text = f"{noise.name} was trained on sigmas in [{low:.4g}, {high:.4g}]; hosts clip what lies outside"
        yield Finding(ERROR, "range", text)


def _length(given: Given) -> Iterator[Finding]:
    ends_in_zero = given.values[-1] == 0
    form, name = given.takes.sigmas if given.kind == SIGMAS else None, given.host.name
    if form == WITH_ZERO and not ends_in_zero:
        text = f"{name} takes N + 1 sigmas, the last being where the sample lands; without a 0 noise remains"
        yield Finding(WARNING, "trailing zero", text)
    if form == WITHOUT_ZERO and ends_in_zero:
        yield Finding(ERROR, "trailing zero", f"{name} appends the 0 itself; yours makes a step of length 0")
    # One sigma with a zero is a step, and a zero alone is none.
    least = max(given.takes.least, 2 if form == WITH_ZERO else 1)
    if len(given.values) < least:
        yield Finding(ERROR, "length", f"{name} takes at least {least} values, there are {len(given.values)}")
    if given.nfe is None:
        return
    solver = given.host.solver(given.config)
    expected = (solver.nodes(given.nfe) if solver else given.nfe) + (form == WITH_ZERO)
    if len(given.values) != expected:
        text = f"{given.nfe} network calls take {expected} values, there are {len(given.values)}"
        yield Finding(ERROR, "length", text)


def _settings(given: Given) -> Iterator[Finding]:
    config, solver = given.config, given.host.solver(given.config)
    lands_on_zero = config.get("final_sigmas_type", "zero") == "zero"
    for flag in SPACING_FLAGS:
        if config.get(flag):
            yield Finding(ERROR, "settings", f"{flag} is set: it raises with timesteps=, or replaces your values")
    if config.get("solver_type") == "bh1" and lands_on_zero:
        yield Finding(ERROR, "settings", "solver_type bh1 with a final zero gives NaN; use bh2")
    unlowered = config.get("lower_order_final") is False and config.get("solver_order", 2) >= 2
    if solver and solver.carries_outputs and unlowered and lands_on_zero:
        yield Finding(ERROR, "settings", "lower_order_final=False with order 2 or more and a final zero gives NaN")
    if config.get("final_sigmas_type") == "sigma_min":
        yield Finding(WARNING, "settings", "final_sigmas_type sigma_min lands on the smallest training sigma")


def _double_shift(given: Given) -> Iterator[Finding]:
    setting, config = given.takes.shift, given.config
    if not setting:
        return
    asked = config.get("use_dynamic_shifting") or config.get("shift_terminal") or config.get(setting, 1.0) != 1.0
    # Without settings, the host is taken for the model's own, which shifts if the model's noise schedule is shifted.
    if asked or (not config and given.noise is not None and _is_shifted(given.noise)):
        text = f"{given.host.name} shifts what it is given; values that are shifted already are shifted twice"
        yield Finding(ERROR, "double shift", f"{text}; set {setting}=1, or {given.host.advice}")


def _snapping(given: Given) -> Iterator[Finding]:
    noise = given.noise
    if not given.takes.snaps or noise is None or noise.train_steps is None or given.kind != SIGMAS:
        return
    low, high = sigma_range(noise)
    levels = np.array([value for value in given.values if low * (1 - ROUNDED) <= value <= high * (1 + ROUNDED)])
    if len(levels) == 0:
        return
    told = noise.timestep_of_time(noise.time(lambda_of_sigma(levels)))
    beside = np.abs(told - np.round(told))
    if beside.max() > NEAR_WHOLE:
        worst = int(np.argmax(beside))
        text = f"at sigma {levels[worst]:.4g} the network is told {told[worst]:.0f} instead of {told[worst]:.2f}"
        remedy = "optimize with strategy exact:grid=training"
        yield Finding(WARNING, "snapping", f"{text}: {given.host.name} takes the nearest whole timestep; {remedy}")


def _is_shifted(noise: NoiseSchedule) -> bool:
    return isinstance(noise.clock, ShiftedClock) and noise.clock.shift != 1


# A new check is one function and one line here.
CHECKS: Sequence[Check] = (
    _accepted,
    _order,
    _duplicates,
    _truncation,
    _range,
    _length,
    _settings,
    _double_shift,
    _snapping,
)
