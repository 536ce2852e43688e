"""The schedulers of diffusers as hosts: what ``set_timesteps`` of each takes, for ``hso lint`` and ``hso convert``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hso.hosts.base import Host, Takes
from hso.hosts.diffusers.family import SchedulerFamily
from hso.hosts.diffusers.registry import REFUSED, SCHEDULERS
from hso.solvers import Solver

# The release that the adapters were read against and that the tests run.
RELEASE = "0.42.1"


class DiffusersScheduler(Host):
    """A scheduler that a schedule can be landed on."""

    lands = "exactly, attached"
    version_read = version_run = RELEASE

    def __init__(self, class_name: str, family: SchedulerFamily) -> None:
        self.name = host_name(class_name)
        self._family = family
        self.for_flow_only = family.for_flow_only

    def takes(self, flow: bool) -> Takes:
        return self._family.takes(flow)

    def solver(self, config: Mapping[str, Any]) -> Solver:
        return self._family.solver(config)


class RefusedScheduler(Host):
    """A scheduler that no schedule can be landed on."""

    version_read = RELEASE

    def __init__(self, class_name: str, reason: str) -> None:
        self.name = host_name(class_name)
        self.advice = reason
        self.lands = f"refused: {reason}"

    def takes(self, flow: bool) -> Takes:
        return Takes()


def host_name(class_name: str) -> str:
    """The name of a scheduler among the hosts."""
    return f"diffusers:{class_name.removesuffix('Scheduler')}"


def scheduler_hosts() -> Iterator[Host]:
    """All schedulers that this library knows."""
    for name, family in SCHEDULERS.items():
        yield DiffusersScheduler(name, family)
    for name, reason in REFUSED.items():
        yield RefusedScheduler(name, reason)
