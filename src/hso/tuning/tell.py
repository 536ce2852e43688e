r"""What the network is told, found by real runs.

Each round runs the student once for each node, with another shift of that node (:mod:`hso.tuning.tangent`), and minimizes

.. math::
    J(x(\delta)) + c \, J_0 \sum_i \delta_i^2

within a trust region. The method is that of Gauss and Newton: the ends are linear in the shifts, and the loss is taken
whole. The shifts are run for real, and kept only if the true loss falls; otherwise the region shrinks.

The linear model of a calibration (:mod:`hso.search.told`) cannot say what the network does at states that are far from the
teacher's, and those of a student with few calls are. Here its own states count.

References:
    | Towards More Accurate Diffusion Model Acceleration with A Timestep Aligner (Xia et al., 2023)
    | https://arxiv.org/abs/2310.09469
    | Numerical Optimization (Nocedal and Wright, 2006), Section 10.3
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hso.models.recording import Trial
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.schedule import SamplingSchedule
from hso.search.told import ranges
from hso.tuning.tangent import Tangent
from hso.tuning.tell_settings import TellSettings
from hso.tuning.walk import Course, Tried

# A smaller change of a shift changes the ends by little more than rounding errors do.
LEAST = 1e-3


def tell(course: Course, at: Tried, settings: TellSettings, affords: Callable[[int], bool]) -> Tried:
    """The same student, told other levels if real runs on all images say that this is better.

    Args:
        course: What was run.
        at: The student.
        settings: How shifts are found.
        affords: Whether so many network calls may still be made.
    """
    noise, best, radius = course.panel.setting.plan.noise, at, settings.radius
    run = course.panel.images.count * course.panel.setting.calls(at.trial)
    for _ in range(settings.rounds):
        if radius < settings.narrowest or not affords(run * (at.trial.schedule.nfe + 2)):
            break
        before = best
        tangent = _tangent(course, best, settings)
        while best is before and radius >= settings.narrowest and affords(run):
            course.steps += 1
            shifts = _least(course, before, at.loss, tangent, radius, settings)
            found = course.run(_told(noise, at.trial, shifts), "what the network is told")
            if found.loss < best.loss:
                best = found
            else:
                radius *= settings.shrink
        if best.loss > (1 - settings.enough) * before.loss:
            break
    return best


def shifts_of(noise: NoiseSchedule, schedule: SamplingSchedule) -> Array:
    """The shifts: lambda that the network is told at each node, minus lambda of the node, shape (N,)."""
    return np.asarray(noise.lambda_(schedule.network_times) - schedule.lambdas)


def _told(noise: NoiseSchedule, trial: Trial, shifts: Array) -> Trial:
    return Trial(trial.solver, trial.schedule.telling(noise, noise.time(trial.schedule.lambdas + shifts)))


def _tangent(course: Course, at: Tried, settings: TellSettings) -> Tangent:
    """What the ends do if shifts change, one at a time: upwards or downwards, where there is more room."""
    noise, schedule = course.panel.setting.plan.noise, at.trial.schedule
    shifts, (low, high) = shifts_of(noise, schedule), ranges(noise, schedule.lambdas)
    up, down = np.minimum(settings.step, high - shifts), np.minimum(settings.step, shifts - low)
    steps = np.where(up >= down, up, -down)
    # A shift without room stays, so that its derivative is 0.
    free = np.abs(steps) >= LEAST
    moved = [_told(noise, at.trial, shifts + one) for one in np.diag(np.where(free, steps, 0.0))]
    steps = np.where(free, steps, 1.0)
    return course.panel.tangent(at.trial, moved, steps, "what the network is told")


def _least(course: Course, at: Tried, scale: float, tangent: Tangent, radius: float, settings: TellSettings) -> Array:
    """The best shifts in the trust region, by the linear model of the ends."""
    from scipy.optimize import minimize

    noise, schedule = course.panel.setting.plan.noise, at.trial.schedule
    shifts, (low, high) = shifts_of(noise, schedule), ranges(noise, schedule.lambdas)
    weight = settings.caution * scale

    def judged(moved: Array) -> float:
        total = shifts + moved
        return course.loss.of(tangent.ends(moved), course.teacher) + weight * float(total @ total)

    bounds = np.stack((np.maximum(low - shifts, -radius), np.minimum(high - shifts, radius)), axis=1)
    # The features' distance has no derivative that is at hand, and each value costs no network call.
    found = minimize(judged, np.zeros(len(shifts)), method="L-BFGS-B", bounds=bounds, options={"maxiter": 60})
    return np.asarray(np.clip(shifts + found.x, low, high))
