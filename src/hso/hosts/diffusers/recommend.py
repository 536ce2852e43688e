"""From a pipeline and a budget to an attached schedule, in one call."""

from __future__ import annotations

from typing import Any

from hso.hosts.diffusers.attachment import attach, detach, scheduler_of
from hso.hosts.diffusers.registry import family_of
from hso.noise import NoiseSchedule
from hso.optimize import optimize
from hso.schedule import SamplingSchedule


def recommend(target: Any, nfe: int, **options: Any) -> SamplingSchedule:
    """Optimize for a pipeline's noise schedule and solver, attach the schedule and return it.

    The last step lands where the scheduler's own would: on the clean sample, or at t_min for DEIS and for
    ``final_sigmas_type="sigma_min"``. A pipeline with two networks (``boundary_ratio``) gets a node for each at least.

    Call the pipeline with what :func:`call_arguments` returns. For image-to-image make a schedule that begins part-way, at
    the strength::

        schedule = recommend(pipe, 8, constraints=hso.Constraints(start=0.6))
        pipe(prompt, image=image, **call_arguments(pipe, schedule))

    Args:
        target: A diffusers scheduler, or a pipeline with one. A schedule attached before is replaced.
        nfe: Number of network calls. That is the number of nodes, except for Heun, which makes 2 N - 1 calls with N nodes
            (so 5 calls are 3 nodes, and an even number is refused).
        options: Further arguments of :func:`hso.optimize`.

    Raises:
        ArgumentError: If an argument is unusable, or the model's noise schedule cannot be read.
        HostError: If the scheduler cannot take a schedule, with the reason.

    Example:
        >>> from diffusers import UniPCMultistepScheduler
        >>> scheduler = UniPCMultistepScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        >>> recommend(scheduler, 5)
        SamplingSchedule(nfe=5, timesteps=[959, 782, 557, 291, 29], terminal=clean)
    """
    scheduler = scheduler_of(target)
    family = family_of(scheduler)
    # What a schedule attached before has changed in the configuration says nothing of the model.
    detach(scheduler)
    own = {"solver": family.solver(scheduler.config), "terminal": family.terminal(scheduler.config)}
    schedule = optimize(NoiseSchedule.from_config(target), nfe, **{**own, **options}).schedule
    attach(target, schedule)
    return schedule
