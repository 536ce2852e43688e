"""The original scheduler of a pipeline: nothing is attached to it, and nothing stands in its place."""

from __future__ import annotations

import copy
from typing import Any

from hso.hosts.diffusers.attachment import attachment_of, scheduler_of, take_off
from hso.hosts.diffusers.registry import PLANNED


def detach(target: Any) -> None:
    """Give a pipeline its own scheduler back, and take a schedule off a scheduler.

    Nothing happens if there is nothing to undo. A :class:`PlannedScheduler` by itself stays as it is: it has a schedule
    always.

    Args:
        target: A diffusers scheduler, or a pipeline with one.

    Raises:
        ArgumentError: If the argument is neither.
    """
    scheduler = scheduler_of(target)
    take_off(scheduler)
    if scheduler is not target and is_planned(scheduler):
        target.scheduler = scheduler.own


def own_scheduler(target: Any) -> Any:
    """The own scheduler of a pipeline, or of a scheduler, without a schedule. Nothing is changed.

    Raises:
        ArgumentError: If the argument is neither.
    """
    scheduler = scheduler_of(target)
    if is_planned(scheduler):
        return scheduler.own
    if attachment_of(scheduler) is None:
        return scheduler
    plain = copy.copy(scheduler)
    take_off(plain)
    return plain


def is_planned(scheduler: Any) -> bool:
    """Whether a scheduler is this library's own."""
    return type(scheduler).__name__ == PLANNED
