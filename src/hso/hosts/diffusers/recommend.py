"""From a pipeline and a budget to a pipeline that runs the schedule with its solver, in one call."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from hso.errors import HostError
from hso.hosts.diffusers.attachment import attach, scheduler_of
from hso.hosts.diffusers.own import detach
from hso.hosts.diffusers.registry import family_of
from hso.hosts.special import special
from hso.noise import NoiseSchedule
from hso.optimize import Result, optimize
from hso.schedule import SamplingSchedule
from hso.solvers import Solver, coefficients, label_of

log = logging.getLogger(__name__)


def recommend(target: Any, nfe: int, **options: Any) -> SamplingSchedule:
    """Optimize for a pipeline's noise schedule, make the pipeline run the schedule, and return it.

    **The rule.** The pipeline runs the solver that the schedule was made for. By default that is the solver of the
    pipeline's own scheduler, and the schedule is attached to it. If another solver comes of ``solver=`` (a name, a list,
    "auto") or of strategy "learned", or if strategy "told" tells the network other times, ``pipe.scheduler`` becomes a
    :class:`PlannedScheduler`. It runs exactly that solver with the model's own configuration. ``detach(pipe)`` gives the
    pipeline its own scheduler back. What was done is logged at level INFO, and ``schedule.provenance`` names the solver.

    By default the last step lands where the scheduler's own would: on the clean sample, or at t_min for DEIS and for
    ``final_sigmas_type="sigma_min"``. With ``solver=`` it lands where :func:`hso.optimize` says. A pipeline with two
    networks (``boundary_ratio``) gets a node for each at least.

    Call the pipeline with what :func:`call_arguments` returns. For image-to-image make a schedule that begins part-way, at
    the strength::

        schedule = recommend(pipe, 8, constraints=hso.Constraints(start=0.6))
        pipe(prompt, image=image, **call_arguments(pipe, schedule))

    Args:
        target: A pipeline, or a diffusers scheduler. A schedule attached before is replaced.
        nfe: Number of network calls. That is the number of nodes, except for Heun, which makes 2 N - 1 calls with N nodes
            (so 5 calls are 3 nodes, and an even number is refused).
        options: Further arguments of :func:`hso.optimize`.

    Raises:
        ArgumentError: If an argument is unusable, or the model's noise schedule cannot be read.
        HostError: If the scheduler cannot take a schedule, with the reason; or the target is a scheduler by itself, and the
            schedule is for another solver.

    Example:
        >>> from diffusers import UniPCMultistepScheduler
        >>> scheduler = UniPCMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        >>> recommend(scheduler, 5)
        SamplingSchedule(nfe=5, timesteps=[979, 790, 578, 344, 84], terminal=clean)
    """
    # What a schedule attached before has changed in the configuration says nothing of the model.
    detach(target)
    scheduler = scheduler_of(target)
    family, noise = family_of(scheduler), NoiseSchedule.from_config(target)
    own = family.solver(scheduler.config)
    usual: dict[str, Any] = {"solver": own, "terminal": family.terminal(scheduler.config)}
    by_default = "solver" not in options
    result = optimize(noise, nfe, **{**(usual if by_default else {}), **options})
    same = family.exact(scheduler.config) and _same_steps(result, own, noise)
    if not special(result.schedule) and (same or (by_default and result.solver == own)):
        attach(target, result.schedule)
    else:
        _replace(target, result)
    log.info("%s runs %s: %r", type(scheduler_of(target)).__name__, label_of(result.solver), result.schedule)
    return result.schedule


def _same_steps(result: Result, own: Solver, noise: NoiseSchedule) -> bool:
    """Whether a scheduler's own solver takes the same steps at the schedule's nodes as the one that was found."""
    if own.nfe(result.schedule.nfe) != result.nfe:
        return False
    ours, theirs = (coefficients(solver, noise, result.schedule) for solver in (result.solver, own))
    return all(np.allclose(one, other, rtol=1e-9, atol=1e-12) for one, other in zip(ours, theirs, strict=True))


def _replace(target: Any, result: Result) -> None:
    """Set the scheduler that runs the solver of a result."""
    from hso.hosts.diffusers.planned import PlannedScheduler

    scheduler = scheduler_of(target)
    if scheduler is target:
        asked = special(result.schedule) or label_of(result.solver)
        problem = f"the schedule is for {asked}, and a scheduler cannot be replaced in place"
        raise HostError(type(scheduler).__name__, f"{problem}; pass the pipeline instead of its scheduler")
    target.scheduler = PlannedScheduler.from_scheduler(target, result.schedule, result.solver)
