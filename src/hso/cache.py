"""Schedules for services that need one for each request: what was found once is found again without a search."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from hso.errors import ArgumentError, check_integer
from hso.noise import NoiseSchedule
from hso.optimize import Result, optimize


@dataclass(frozen=True)
class _Asked:
    """The arguments of a search. Two noise schedules with one fingerprint and one set of traits ask for the same."""

    fingerprint: str
    name: str
    traits: Any
    nfe: int
    kind: type
    options: tuple[tuple[str, type, Any], ...]
    noise: NoiseSchedule = field(compare=False)


class ScheduleCache:
    """:func:`hso.optimize` with a memory. Threads may share one.

    Args:
        size: Number of results that are kept. The one that was not asked for the longest is forgotten first.

    Raises:
        ArgumentError: If the size is unusable.

    Example:
        >>> cache = ScheduleCache()
        >>> first = cache.optimize(NoiseSchedule.preset("sd2.1"), 5, solver="ddim")
        >>> cache.optimize(NoiseSchedule.preset("sd2.1"), 5, solver="ddim") is first
        True
    """

    def __init__(self, size: int = 4096) -> None:
        self._found = functools.lru_cache(check_integer("size", size, 1, 10**7))(_search)

    def optimize(self, noise: NoiseSchedule, nfe: int, **options: Any) -> Result:
        """What :func:`hso.optimize` returns for these arguments, which it describes.

        Raises:
            ArgumentError: If an argument is unusable, or cannot be a key, such as an objective that holds arrays.
        """
        if not isinstance(noise, NoiseSchedule):
            raise ArgumentError("noise", "a NoiseSchedule", noise)
        # An integer, a number and a truth value may be equal, and not all of them are usable.
        kept = tuple((name, type(value), _as_key(value)) for name, value in sorted(options.items()))
        asked = _Asked(noise.fingerprint, noise.name, noise.traits, nfe, type(nfe), kept, noise)
        try:
            hash(asked)
        except TypeError:
            raise ArgumentError("options", "names, or objects without arrays", sorted(options)) from None
        return self._found(asked)


def _as_key(value: Any) -> Any:
    """A list, such as that of several solvers, as a tuple, which can be a key."""
    return tuple(value) if isinstance(value, list) else value


def _search(asked: _Asked) -> Result:
    return optimize(asked.noise, asked.nfe, **{name: value for name, _, value in asked.options})
