"""The sigmas of a run in ComfyUI: for a model, a number of steps, a sampler and a denoise.

ComfyUI's own schedulers answer a denoise below 1 with the last part of a longer schedule. Here the part that is run is
optimized for itself, and it begins at that time of the noise schedule. If the network is told whole timesteps, the
nodes are moved to the nearest of them, so that ComfyUI's rounding changes nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hso.errors import ArgumentError, check_integer, check_real
from hso.hosts.comfyui.samplers import AUTO, simulated_solvers, solver_of_sampler
from hso.hosts.comfyui.sampling import NEAR, Sampling
from hso.hosts.special import special
from hso.models.calibration import Calibration
from hso.noise import NoiseSchedule
from hso.noise.traits import Traits
from hso.objectives import Replay
from hso.objectives.base import Ends
from hso.optimize import Result, objective_for, optimize
from hso.schedule import CLEAN, SamplingSchedule
from hso.search import Boundary, Constraints, Problem
from hso.search.whole_timesteps import descend_on_timesteps
from hso.solvers import Solver

MOST_STEPS = 10_000
# ComfyUI takes a denoise above this for 1.
WHOLE_RUN = 0.9999
# How far the noisiest lambda of a calibration may lie from the model's: the tables of ComfyUI are float32.
SAME_LEVEL = 1e-3
# In timesteps.
SAME_TIMESTEP = 0.05


@dataclass(frozen=True)
class Run:
    """What is asked of a schedule.

    Attributes:
        steps: Number of steps, that is of nodes.
        sampler: ComfyUI's name of the sampler that will run. With a calibration "auto" takes the best one for so many
            network calls as there are steps.
        denoise: Share of the noise schedule that is run, in (0, 1]: the run begins at time t = denoise.
        start_sigma: The sigma at which the run begins, in place of ``denoise``; None if that says it.
        guidance: Scale of classifier-free guidance ("cfg"); None if unknown, which counts as guided, or as that of the
            calibration.
        calibration: A calibration of the model; None for the analytic objective.

    Raises:
        ArgumentError: If a value is unusable, or ``denoise`` and ``start_sigma`` both say where the run begins.

    Example:
        >>> Run(steps=8, sampler="heun").solver, Run(steps=8, sampler="res_multistep").solver
        (Heun(), DPMSolverPP(order=2, lower_order_final=True))
    """

    steps: int
    sampler: str = "uni_pc"
    denoise: float = 1.0
    start_sigma: float | None = None
    guidance: float | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        check_integer("steps", self.steps, 1, MOST_STEPS)
        if check_real("denoise", self.denoise, 0.0, 1.0) == 0:
            raise ArgumentError("denoise", "a number above 0, up to 1", self.denoise, "0 runs no step at all")
        if self.start_sigma is not None and self.denoise < WHOLE_RUN:
            cause = "both say where the run begins"
            raise ArgumentError("start_sigma", "none with a denoise below 1", self.start_sigma, cause)
        if self.sampler == AUTO and self.calibration is None:
            raise ArgumentError("solver", "the sampler that will run", AUTO, "only a calibration compares samplers")
        self._check_guidance()

    def _check_guidance(self) -> None:
        made_with = None if self.calibration is None else self.calibration.guidance
        if made_with is not None and self.guidance is not None and not math.isclose(made_with, self.guidance):
            cause = "a schedule is best for one guidance; 0 takes the calibration's"
            raise ArgumentError("cfg", f"{made_with:g}, with which the calibration was made", self.guidance, cause)

    @property
    def solver(self) -> Solver:
        """The solver of this library that the sampler is, or the one that stands for it."""
        return solver_of_sampler(self.sampler)

    def start(self, sampling: Sampling) -> float | None:
        """The time at which the run begins; None if it is a whole run."""
        if self.start_sigma is None:
            noisiest = sampling.noise.t_range[1]
            return None if self.denoise > WHOLE_RUN else sampling.on_grid(min(self.denoise, noisiest))
        most = sampling.sigma_max
        sigma = check_real("start_sigma", self.start_sigma, 0.0, most * (1 + NEAR), "the model's noisiest sigma")
        return None if sigma >= most * (1 - NEAR) else sampling.time_of_sigma(sigma)


def sigmas_of(sampling: Sampling, run: Run) -> list[float]:
    """The sigmas of a run and a last 0, shape (N + 1,).

    Raises:
        ArgumentError: If the model cannot be run like that.
    """
    return sampling.sigmas(schedule_of(sampling, run))


def schedule_of(sampling: Sampling, run: Run, boundary: Boundary | None = None) -> SamplingSchedule:
    """The schedule of a run; with a boundary, so many nodes lie on each side of it.

    Raises:
        ArgumentError: If the model cannot be run like that.
    """
    if run.calibration is not None:
        return calibrated(sampling, run, boundary)[1]
    result = _optimized(sampling, run, run.solver.nfe(run.steps), boundary, {"solver": run.solver})
    return sampling.landed(result.schedule)


def calibrated(sampling: Sampling, run: Run, boundary: Boundary | None = None) -> tuple[str, SamplingSchedule]:
    """The sampler and the schedule of a run with a calibration.

    Raises:
        ArgumentError: If the model cannot be run like that.
    """
    assert run.calibration is not None
    solvers = simulated_solvers(sampling, run.sampler)
    calls = run.steps if run.sampler == AUTO else run.solver.nfe(run.steps)
    calibration = _fitted(run.calibration, sampling.noise)
    asked = {"solver": list(solvers.values()), "calibration": calibration}
    result = _optimized(sampling, run, calls, boundary, asked)
    sampler = next(name for name, solver in solvers.items() if solver == result.solver)
    schedule = sampling.landed(result.schedule)
    if sampling.table is None:
        return sampler, schedule
    function = Replay(calibration).on(sampling.noise, result.solver, CLEAN, schedule.start)
    problem = Problem(function, schedule.nfe, CLEAN, result.constraints)
    best = descend_on_timesteps(problem, schedule.timesteps)
    return sampler, SamplingSchedule.from_timesteps(sampling.noise, best.astype(float), start=schedule.start)


def _optimized(sampling: Sampling, run: Run, calls: int, boundary: Boundary | None, asked: Mapping[str, Any]) -> Result:
    noise = sampling.noise.with_traits(Traits(space="latent", guidance=run.guidance))
    constraints = Constraints(start=run.start(sampling), boundary=boundary)
    try:
        return optimize(noise, calls, constraints=constraints, **asked)
    except ArgumentError as error:
        ends = objective_for(None, asked.get("calibration"), calls).ends(noise, constraints.start)
        raise _in_words_of_the_host(error, sampling, run, ends) from error


def expert_sigmas(sampling: Sampling, run: Run, boundary: float, least: int = 1) -> tuple[list[float], list[float]]:
    """The sigmas of two networks, of which the first runs at sigmas from ``boundary`` upwards, and the second below.

    The first list ends at the sigma with which the second begins, so noise is left. The second list ends in 0.

    Args:
        sampling: The model's; both networks must have the same.
        run: The whole run.
        boundary: The sigma at which the networks change.
        least: Least number of steps for each network.

    Raises:
        ArgumentError: If the run has too few steps, or lies on one side of the boundary.
    """
    check_integer("steps", run.steps, 2, MOST_STEPS, "each of the two networks gets at least one")
    check_integer("least", least, 1, run.steps // 2, "each of the two networks gets that many of the steps")
    sigma = check_real("boundary", boundary, 0.0, sampling.sigma_max)
    time = sampling.time_of_sigma(sigma)
    try:
        values = sampling.sigmas(schedule_of(sampling, run, Boundary(time, least)))
    except ArgumentError as error:
        if error.argument != "boundary":
            raise
        begins = run.start(sampling)
        most = sampling.sigma_max if begins is None else sampling.sigma_of_time(begins)
        expected = f"a sigma below {most:.4g} with room for {least} of the steps on each side"
        raise ArgumentError("boundary", expected, boundary) from error
    first = int(np.sum(np.array(values[:-1]) >= sigma))
    return values[: first + 1], values[first:]


def sigmas_of_file(sampling: Sampling, schedule: SamplingSchedule) -> list[float]:
    """The sigmas of a schedule that was made elsewhere, and a last 0, shape (N + 1,).

    Raises:
        ArgumentError: If it was made for another model, does not end at the clean sample, or asks for more than nodes
            (:mod:`hso.hosts.special`).
    """
    if not schedule.ends_clean:
        cause = "ComfyUI would leave noise in the image; optimize with terminal clean"
        raise ArgumentError("schedule", "one that ends at the clean sample", repr(schedule), cause)
    if asked := special(schedule):
        cause = "no sampler of ComfyUI runs it"
        raise ArgumentError("schedule", "nodes for a published solver", f"a schedule for {asked}", cause)
    noise = sampling.noise
    low, high = noise.t_range
    noisiest, cleanest = noise.lambda_([high, low])
    inside = (schedule.lambdas >= noisiest - SAME_LEVEL) & (schedule.lambdas <= cleanest + SAME_LEVEL)
    if schedule.path != noise.path or not inside.all() or not _told_alike(sampling, schedule):
        made = f"one made for {schedule.noise_name!r}"
        raise ArgumentError("schedule", "one for this model's noise schedule", made, "it was made for another model")
    lambdas = np.clip(schedule.lambdas, noisiest, cleanest)
    return sampling.sigmas(sampling.landed(SamplingSchedule.from_knots(noise, lambdas, "clean")))


def _told_alike(sampling: Sampling, schedule: SamplingSchedule) -> bool:
    """Whether both tell a network that counts training timesteps the same at the schedule's noise levels."""
    if sampling.table is None:
        return True
    told = sampling.noise.timestep_of_time(sampling.noise.time(schedule.lambdas))
    return bool(np.all(np.abs(told - schedule.network_timesteps) < SAME_TIMESTEP))


def _fitted(calibration: Calibration, noise: NoiseSchedule) -> Calibration:
    """The calibration, for a noise schedule that was read of ComfyUI's float32 table.

    Raises:
        ArgumentError: If its noisiest level is another one.
    """
    noisiest = float(noise.lambda_(noise.t_range[1]))
    if abs(float(calibration.start_lambdas[0]) - noisiest) > SAME_LEVEL:
        expected = f"one of a model whose noisiest lambda is {noisiest:.4g}"
        received = f"{calibration.start_lambdas[0]:.4g}, of {calibration.noise_name}"
        raise ArgumentError("calibration", expected, received, "it was made for another model")
    return dataclasses.replace(calibration, noise_fingerprint=noise.fingerprint)


def _in_words_of_the_host(error: ArgumentError, sampling: Sampling, run: Run, ends: Ends) -> ArgumentError:
    """The same error in the user's terms: with the name and the unit of the input that the user sees."""
    cause = "nearly no noise is left there"
    if error.argument == "nfe":
        return ArgumentError("steps", "a number of steps that this model has room for", run.steps, str(error))
    if error.argument == "start" and run.start_sigma is None:
        return ArgumentError("denoise", f"more than {ends.t_min[1]:.3g}", run.denoise, cause)
    if error.argument == "start":
        least = sampling.sigma_of_time(ends.t_min[1])
        return ArgumentError("start_sigma", f"more than {least:.3g}", run.start_sigma, cause)
    return error
