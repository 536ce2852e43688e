"""Objectives that are measured on data. Noise is added to the data from level to level.

The data are the teacher's clean samples. The network is called once at each point of the teacher, so that one call for each
level and image is enough for all schedules.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hso.errors import check_integer
from hso.models.teacher import Teacher
from hso.noise.base import Array
from hso.objectives.measured import Measured


@dataclass(frozen=True, eq=False)
class AlongChain(Measured):
    """An objective that is measured on data to which noise is added step by step.

    Attributes:
        teacher: The model and its trajectories.
        seed: Seed of the noise that is added to the data.

    Raises:
        ArgumentError: If the seed is unusable.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        check_integer("seed", self.seed, 0, 2**63 - 1)


def outputs_along_a_chain(teacher: Teacher, seed: int) -> Array:
    """D at every point, shape (M, B D), for data to which noise is added from point to point."""
    rng, path = np.random.default_rng(seed), teacher.trajectory
    state, before, outputs = path.end, 0.0, []
    for point in reversed(range(len(path.lambdas))):
        variance = path.sigmas[point] ** 2
        state = state + np.sqrt(variance - before) * rng.standard_normal(state.shape)
        before = variance
        outputs.append(teacher.data(state, point).ravel())
    return np.array(outputs[::-1])
