"""A1111, Forge, reForge and Forge Neo in the running program: sigmas for what a pass will really run.

These programs hold a table of sigmas, one for each training timestep, and tell the network the timestep of a sigma: A1111
the interpolated one, Forge the nearest. Both tell it exactly n at entry n. So the schedule is made of entries of the table.
For flow models the network is told sigma itself.

A pass asks for the sigmas of all its steps. Image-to-image and the second pass of a high-resolution fix then run the last
part only; and some samplers ask for one step more and leave out the last sigma but one. :func:`sigmas_of_pass` answers so
that exactly the nodes of an optimized schedule remain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hso.errors import ArgumentError, HostError, check_integer
from hso.hosts.comfyui.runs import Run, sigmas_of
from hso.hosts.comfyui.sampling import Sampling
from hso.noise import NoiseSchedule
from hso.noise.base import Array, vector

NAME = "webui"
# Samplers of these programs under the names of :class:`hso.hosts.comfyui.Run`; others have no solver here.
SAMPLERS: Mapping[str, str] = {"DPM++ 2M": "dpmpp_2m", "Euler": "euler", "Heun": "heun"}
OTHER_SAMPLERS = "other"
# How far a table may lie from the formula of a shift: the tables are float32.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Pass:
    """One run of a sampler.

    Attributes:
        total: Steps that the program counts for the pass, those that are left out at its beginning included.
        run: Steps that are really run, the last ones.
        denoise: The denoising strength; 1 for a run from noise.
        sampler: The sampler's name.
    """

    total: int
    run: int
    denoise: float = 1.0
    sampler: str = ""


def read_table(sigmas: Any) -> Sampling:
    """What a table of sigmas says of its model.

    Args:
        sigmas: One for each training timestep, increasing, shape (N,): an array or a tensor.

    Raises:
        HostError: If it is the table of a model that a schedule cannot be made for.
    """
    try:
        table = vector("sigmas", sigmas.tolist())
        return _flow(table) if table[-1] <= 1 + ROUNDING else _discrete(table)
    except (ArgumentError, AttributeError) as error:
        raise HostError(NAME, f"the model's sigmas cannot be read: {error}") from error


def sigmas_of_pass(sampling: Sampling, asked: int, planned: Pass) -> list[float]:
    """The sigmas that a program asks for, shape (asked + 1,), the last of them 0.

    Args:
        sampling: The model's.
        asked: Number of steps that are asked for: those of the pass, or one more, which the program leaves out.
        planned: The pass.

    Raises:
        ArgumentError: If the model cannot be run like that.
    """
    check_integer("steps", asked, planned.total, planned.total + 1, "the steps of the pass, or one more")
    check_integer("steps", planned.run, 1, planned.total, "the steps that are run")
    sampler = SAMPLERS.get(planned.sampler, OTHER_SAMPLERS)
    values = sigmas_of(sampling, Run(planned.run, sampler, planned.denoise))
    if asked > planned.total:
        values = [*values[:-1], values[-2] / 2, 0.0]
    left_out = planned.total - planned.run
    before = np.geomspace(sampling.sigma_max, values[0], left_out + 1)[:-1] if left_out else np.zeros(0)
    return [*before.tolist(), *values]


def _discrete(table: Array) -> Sampling:
    steps = np.diff(np.log(table))
    if np.ptp(steps) < ROUNDING * abs(float(steps[0])):
        raise ArgumentError("sigmas", "those of a model with training timesteps", "log-uniform ones, as EDM's")
    return Sampling(NoiseSchedule.from_alphas_cumprod(1 / (1 + table**2), NAME), float(table[-1]), table=table)


def _flow(table: Array) -> Sampling:
    u = np.arange(1, len(table) + 1) / len(table)
    middle = len(table) // 2
    shift = float(table[middle] * (1 - u[middle]) / (u[middle] * (1 - table[middle])))
    if not np.allclose(table, shift * u / (1 + (shift - 1) * u), rtol=0, atol=ROUNDING):
        raise ArgumentError("sigmas", "those of rectified flow with a shift", f"{table[0]:.4g} to {table[-1]:.4g}")
    noise = NoiseSchedule.rectified_flow(shift)
    return Sampling(noise, float(table[-1]), 1 / noise.require_train_steps(), means_flow_sigma=True)
