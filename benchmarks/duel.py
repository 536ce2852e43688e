r"""What in a model decides between DM-NonUniform and HSO: where along the path its answer moves.

    python -m benchmarks.duel                       # gaussian, mixture, digits at guidance 1, 3 and 7.5
    python -m benchmarks.duel --subjects gaussian

In :math:`z = x / \alpha` the ODE is :math:`dz / d\lambda = D - z` with the network's data D. A DDIM step from a to b holds
D at a; along the exact path its error, in units of x, is

.. math::
    e(a, b) = \alpha_b \int_a^b e^{-(b - s)} (D(s) - D(a)) ds, \qquad e(a, \infty) = x_0 - D(a).

So a schedule pays where D moves inside its steps, and nothing else about the model enters. Both are read off a trajectory
of many steps. The first table says how much of D's movement has happened by the noise level where HSO's first step ends and
DM-NonUniform's first step ends; the second the root mean square of e for each step of both schedules. Transport of errors
from step to step is left out: the sum predicts a direction, and docs/compare.md has what was measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

import numpy as np

from hso.comparison.contestants import ScheduleTask, enter
from hso.comparison.runs.threads import one_thread
from hso.comparison.subjects import SubjectSettings, load_subject
from hso.models.teacher import Teacher, Trajectory
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.schedule import SamplingSchedule

SUBJECTS = ("gaussian", "mixture", "digits@1", "digits@3", "digits@7.5")
NAMES, NFE, POINTS = ("hso_exact", "dm_nonuniform_t"), 4, 121


def trajectory_of(subject: str, points: int) -> tuple[NoiseSchedule, Trajectory]:
    """The path of many steps, uniform in lambda."""
    teacher = load_subject(SubjectSettings(subject)).teacher()
    if teacher is None:
        raise SystemExit(f"{subject}: its network cannot be called by itself")
    fine: Teacher = dataclasses.replace(teacher, rule="uniform_lambda", points=points)
    return fine.noise, fine.trajectory


def moved_above(path: Trajectory, lambda_: float) -> float:
    """The share of D's root mean square movement, up to the clean sample, that happens before ``lambda_``."""
    places = np.concatenate((path.data, path.end[None]))
    lengths = np.sqrt(np.square(np.diff(places, axis=0)).mean(axis=(1, 2)))
    return float(lengths[: np.searchsorted(path.lambdas, lambda_)].sum() / lengths.sum())


def step_errors(noise: NoiseSchedule, path: Trajectory, schedule: SamplingSchedule) -> Array:
    """Root mean square of e for each step, the jump to the clean sample last, shape (N,)."""
    steps = zip(schedule.lambdas[:-1], schedule.lambdas[1:], strict=True)
    found = [_step(path, a, b) * np.exp(noise.log_alpha(b)) for a, b in steps]
    found.append(path.end - _data(path, schedule.lambdas[-1:])[0])
    return np.array([np.sqrt(np.square(error).mean()) for error in found])


def _step(path: Trajectory, a: float, b: float) -> Array:
    at = np.linspace(a, b, POINTS)
    data = _data(path, at)
    weights = np.exp(at - b)[:, None, None]
    return np.asarray(np.trapezoid(weights * (data - data[0]), at, axis=0))


def _data(path: Trajectory, at: Array) -> Array:
    """D at some lambda, linear between the points of the path."""
    place = np.clip(np.interp(at, path.lambdas, np.arange(len(path.lambdas))), 0, len(path.lambdas) - 1.000001)
    low = place.astype(int)
    share = (place - low)[:, None, None]
    return np.asarray((1 - share) * path.data[low] + share * path.data[low + 1])


def report(subject: str, points: int) -> tuple[str, list[str]]:
    """The lines of one subject in both tables."""
    with one_thread():
        noise, path = trajectory_of(subject, points)
    groups, _ = enter(NAMES, ScheduleTask(noise, NFE))
    schedules = {group.names[0]: group.schedule for group in groups}
    ends = {name: schedule.lambdas[1] for name, schedule in schedules.items()}
    shares = " | ".join(f"{100 * moved_above(path, end):.0f} %" for end in ends.values())
    errors = {name: step_errors(noise, path, schedule) for name, schedule in schedules.items()}
    ratio = errors["dm_nonuniform_t"].sum() / errors["hso_exact"].sum()
    lines = [
        f"| {subject} | {name} | {' | '.join(f'{error:.3f}' for error in found)} | {found.sum():.3f} |"
        for name, found in errors.items()
    ]
    return f"| {subject} | {shares} | {ratio:.2f} |", lines


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", default=",".join(SUBJECTS))
    parser.add_argument("--points", type=int, default=POINTS)
    given: Any = parser.parse_args()
    found = [report(subject, given.points) for subject in given.subjects.split(",")]
    print("| model | moved before HSO's second node | before DM-NonUniform's | errors of DM-NonUniform / HSO |")
    print("|---|---|---|---|")
    print("\n".join(line for line, _ in found))
    print(f"\n| model | schedule | {' | '.join(f'step {i + 1}' for i in range(NFE - 1))} | jump to clean | sum |")
    print("|---" * (NFE + 3) + "|")
    print("\n".join(line for _, lines in found for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
