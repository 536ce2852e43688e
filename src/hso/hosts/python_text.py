"""Python: a script that uses this library, with every digit and every field of the schedule.

It runs for every noise schedule, whether there is a preset for it or not. A name from a file is written as a string
literal, so it cannot become code.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import numpy as np

from hso.errors import ArgumentError
from hso.hosts.base import Host, Takes
from hso.hosts.pasted import numbers
from hso.noise import NoiseSchedule
from hso.noise.path import Path
from hso.schedule import CLEAN, T_MIN, SamplingSchedule

IMPORTS = "import hso\nfrom hso.noise.path import path_from_record\n"
# Says how it was found, not what it is.
LEFT_OUT = ("provenance",)
# The numbers that follow from the noise schedule are not read, but made anew.
TERMINAL = re.compile(r"\bterminal=([-+.\deE]+)")
START = re.compile(r"\bstart=([-+.\deE]+)")
FINGERPRINT = re.compile(r"\bnoise_fingerprint='(\w*)'")


class Python(Host):
    """The constructor of :class:`hso.SamplingSchedule`, with lambda of the nodes."""

    name = "python"
    lands = "exactly"
    version_read = "this version"
    version_run = "this version"
    advice = "lint judges timesteps and sigmas only"

    def takes(self, flow: bool) -> Takes:
        return Takes()

    def write(self, schedule: SamplingSchedule) -> str:
        names = [field.name for field in fields(schedule) if field.name not in LEFT_OUT]
        lines = [f"    {name}={_literal(getattr(schedule, name))},\n" for name in names]
        return f"{IMPORTS}\nschedule = hso.SamplingSchedule(\n{''.join(lines)})"

    def read(self, text: str, noise: NoiseSchedule) -> SamplingSchedule:
        fingerprint, terminal = FINGERPRINT.search(text), TERMINAL.search(text)
        if fingerprint and fingerprint[1] != noise.fingerprint:
            expected = "the noise schedule that the text was written for"
            raise ArgumentError("noise", expected, noise.name, "fingerprints differ")
        lambdas = numbers(text)
        knots = [*lambdas, *numbers(terminal[1])] if terminal else lambdas
        start = START.search(text)
        return SamplingSchedule.from_knots(
            noise, knots, T_MIN if terminal else CLEAN, start=numbers(start[1])[0] if start else None
        )


def _literal(value: Any) -> str:
    """Python source of a field."""
    if isinstance(value, np.ndarray):
        return repr(value.tolist())
    if isinstance(value, Path):
        return f"path_from_record({value.to_record()!r})"
    return "float('inf')" if value == np.inf else repr(value)
