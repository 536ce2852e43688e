"""What a host would do with these values: the silent traps, said aloud before the first sample.

Hosts accept values that they then truncate, shift, drop or turn into NaN. Each check below is one such trap; the record of
a host says which apply. Nothing is imported from the host, and no network is run.

The facts are those of diffusers 0.35 to 0.42 and k-diffusion; see docs/hosts.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hso.errors import ArgumentError, check_choice
from hso.noise import NoiseSchedule

TIMESTEPS, SIGMAS = "timesteps", "sigmas"
KINDS = (TIMESTEPS, SIGMAS)
ERROR, WARNING = "error", "warning"
# Flags that make a diffusers scheduler refuse or overwrite custom values.
SPACING_FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas")
MULTISTEP = ("diffusers:UniPCMultistep", "diffusers:DPMSolverMultistep", "diffusers:DEISMultistep")


@dataclass(frozen=True)
class Host:
    """What a program takes.

    Attributes:
        timesteps: "integer", "float", or None if it takes no timesteps.
        sigmas: "with zero" (N + 1 values), "without zero" (N values), "ramp" (not sigmas at all), or None.
    """

    timesteps: str | None = None
    sigmas: str | None = None


NOTHING = Host()
# A new host is one line here.
HOSTS: Mapping[str, Host] = {
    "diffusers:DDIM": NOTHING,
    "diffusers:DDPM": Host(timesteps="integer"),
    "diffusers:LCM": Host(timesteps="integer"),
    "diffusers:TCD": Host(timesteps="integer"),
    "diffusers:DPMSolverMultistep": Host(timesteps="integer"),
    "diffusers:DPMSolverSinglestep": Host(timesteps="integer"),
    "diffusers:UniPCMultistep": NOTHING,
    "diffusers:DEISMultistep": NOTHING,
    "diffusers:LMSDiscrete": NOTHING,
    "diffusers:PNDM": NOTHING,
    "diffusers:EulerAncestralDiscrete": NOTHING,
    "diffusers:EulerDiscrete": Host(timesteps="float", sigmas="with zero"),
    "diffusers:HeunDiscrete": Host(timesteps="float"),
    "diffusers:FlowMatchEulerDiscrete": Host(timesteps="float", sigmas="without zero"),
    "diffusers:EDMEuler": Host(sigmas="ramp"),
    "k-diffusion": Host(sigmas="with zero"),
    "comfyui": Host(sigmas="with zero"),
    "a1111": Host(sigmas="with zero"),
}


class Finding(NamedTuple):
    """One trap: "error" where the host would fail or sample something else, "warning" where it might."""

    level: str
    check: str
    text: str


@dataclass(frozen=True)
class Case:
    """What is to be judged.

    Attributes:
        name: Name of the host.
        host: Its record.
        kind: "timesteps" or "sigmas".
        values: The values as they would be passed.
        noise: The model's noise schedule, where known.
        config: The scheduler's configuration, where known.
        nfe: Intended number of network calls, where known.
    """

    name: str
    host: Host
    kind: str
    values: Sequence[float]
    noise: NoiseSchedule | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    nfe: int | None = None


Check = Callable[[Case], Iterator[Finding]]


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
        host: One of ``HOSTS``; a diffusers class may be written with its "Scheduler".
        kind: "timesteps" or "sigmas".
        noise: The model's noise schedule, to check the range.
        config: The scheduler's configuration, to check its settings.
        nfe: Intended number of network calls.

    Returns:
        The findings, errors first; none if all is well.

    Raises:
        ArgumentError: If the host or the kind is unknown.

    Example:
        >>> for finding in lint([999, 749.5, 749.2, 3], "diffusers:DPMSolverMultistep", "timesteps"):
        ...     print(finding.level, finding.check)
        error duplicates
        error truncation
    """
    name = check_choice("host", host.removesuffix("Scheduler"), HOSTS)
    check_choice("kind", kind, KINDS)
    case = Case(name, HOSTS[name], kind, list(values), noise, config or {}, nfe)
    findings = list(_unusable(case)) or [found for check in CHECKS for found in check(case)]
    return sorted(findings, key=lambda finding: finding.level != ERROR)


def _unusable(case: Case) -> Iterator[Finding]:
    """What makes every other check pointless."""
    if not case.values:
        yield Finding(ERROR, "empty", "there are no values")
    elif not all(math.isfinite(value) for value in case.values):
        yield Finding(ERROR, "finite", "there are values that are not finite; they reach the sample as NaN")


def _accepted(case: Case) -> Iterator[Finding]:
    takes = getattr(case.host, case.kind)
    other = SIGMAS if case.kind == TIMESTEPS else TIMESTEPS
    if takes is None:
        instead = f"it takes {other}=" if getattr(case.host, other) else "attach the schedule: hso.hosts.diffusers"
        yield Finding(ERROR, "accepted", f"{case.name} takes no {case.kind}=; {instead}")
    if takes == "ramp":
        yield Finding(ERROR, "accepted", f"sigmas= of {case.name} is a ramp in [0, 1]; real sigmas give NaN")


def _order(case: Case) -> Iterator[Finding]:
    values = case.values
    if any(after > before for before, after in itertools.pairwise(values)):
        yield Finding(ERROR, "order", f"{case.kind} must descend; some hosts take others without a word")


def _duplicates(case: Case) -> Iterator[Finding]:
    seen: list[float] = [int(value) for value in case.values] if _truncates(case) else list(case.values)
    repeated = sorted({value for value in seen if seen.count(value) > 1})
    if repeated:
        how = "after truncation " if _truncates(case) else ""
        yield Finding(ERROR, "duplicates", f"{how}{repeated} repeats; a step of length 0 is NaN in multistep solvers")


def _truncation(case: Case) -> Iterator[Finding]:
    broken = [value for value in case.values if value != int(value)]
    if _truncates(case) and broken:
        yield Finding(ERROR, "truncation", f"{broken[0]} becomes {int(broken[0])}: {case.name} truncates to integers")


def _range(case: Case) -> Iterator[Finding]:
    if case.kind == TIMESTEPS:
        steps = case.noise.train_steps if case.noise and case.noise.train_steps else 1000
        if max(case.values) > steps - 1 or min(case.values) < 0:
            yield Finding(ERROR, "range", f"timesteps go from {steps - 1} to 0")
        elif max(case.values) <= 1:
            yield Finding(WARNING, "range", "timesteps of at most 1: are these times or sigmas?")
        return
    if min(case.values) < 0:
        yield Finding(ERROR, "range", "sigmas are not negative")
    if case.noise is not None:
        yield from _sigma_range(case, case.noise)


def _sigma_range(case: Case, noise: NoiseSchedule) -> Iterator[Finding]:
    low, high = (float(sigma) for sigma in noise.sigmas(noise.t_range))
    inside = [value for value in case.values if value != 0]
    if inside and (max(inside) > high * 1.01 or min(inside) < low * 0.99):
        text = f"{noise.name} was trained on sigmas in [{low:.4g}, {high:.4g}]; hosts clip what lies outside"
        yield Finding(ERROR, "range", text)


def _length(case: Case) -> Iterator[Finding]:
    ends_in_zero = case.values[-1] == 0
    form = case.host.sigmas if case.kind == SIGMAS else None
    if form == "with zero" and not ends_in_zero:
        text = f"{case.name} takes N + 1 sigmas, the last being where the sample lands; without a 0 noise remains"
        yield Finding(WARNING, "trailing zero", text)
    if form == "without zero" and ends_in_zero:
        yield Finding(ERROR, "trailing zero", f"{case.name} appends the 0 itself; yours makes a step of length 0")
    expected = None if case.nfe is None else case.nfe + (form == "with zero")
    if expected is not None and len(case.values) != expected:
        yield Finding(ERROR, "length", f"{case.nfe} network calls take {expected} values, there are {len(case.values)}")


def _settings(case: Case) -> Iterator[Finding]:
    config = case.config
    for flag in SPACING_FLAGS:
        if config.get(flag):
            yield Finding(ERROR, "settings", f"{flag} is set: it raises with timesteps=, or replaces your values")
    if case.name == "diffusers:UniPCMultistep" and config.get("solver_type") == "bh1" and _lands_on_zero(config):
        yield Finding(ERROR, "settings", "solver_type bh1 with a final zero gives NaN; use bh2")
    unlowered = config.get("lower_order_final") is False and config.get("solver_order", 2) >= 2
    if case.name in MULTISTEP and unlowered and _lands_on_zero(config):
        yield Finding(ERROR, "settings", "lower_order_final=False with order 2 or more and a final zero gives NaN")
    if config.get("final_sigmas_type") == "sigma_min":
        yield Finding(WARNING, "settings", "final_sigmas_type sigma_min lands on the smallest training sigma")


def _double_shift(case: Case) -> Iterator[Finding]:
    shifts = case.config.get("use_dynamic_shifting") or case.config.get("shift", 1.0) != 1.0
    if case.name == "diffusers:FlowMatchEulerDiscrete" and shifts:
        text = "the scheduler shifts what it is given; values that are shifted already are shifted twice"
        yield Finding(ERROR, "double shift", text)


def _truncates(case: Case) -> bool:
    return case.kind == TIMESTEPS and case.host.timesteps == "integer"


def _lands_on_zero(config: Mapping[str, Any]) -> bool:
    return config.get("final_sigmas_type", "zero") == "zero"


# A new check is one function and one line here.
CHECKS: Sequence[Check] = (_accepted, _order, _duplicates, _truncation, _range, _length, _settings, _double_shift)


def guess_kind(values: Sequence[float], host: str) -> str:
    """Timesteps or sigmas: what the host takes if that is one thing, else whole numbers are timesteps.

    Raises:
        ArgumentError: If the host is unknown, or there are no values.
    """
    record = HOSTS[check_choice("host", host.removesuffix("Scheduler"), HOSTS)]
    if not values:
        raise ArgumentError("values", "at least one number", values)
    if record.timesteps is None and record.sigmas is not None:
        return SIGMAS
    if record.sigmas is None and record.timesteps is not None:
        return TIMESTEPS
    whole = all(value == int(value) for value in values if math.isfinite(value))
    return TIMESTEPS if whole and max(values) > 1 else SIGMAS
