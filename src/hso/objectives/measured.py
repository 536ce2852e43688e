"""Objectives that are measured on a teacher: a network and its trajectories of many steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hso.errors import ArgumentError
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.objectives.base import Ends, Objective


@dataclass(frozen=True, eq=False)
class Measured(Objective):
    """An objective that is measured on a teacher.

    Attributes:
        teacher: The network and its trajectories.
    """

    teacher: Teacher

    def ends(self, noise: NoiseSchedule, start: float | None = None) -> Ends:
        """The ends of the teacher's trajectory."""
        # Times computed from lambda are rounded, so they may lie just outside the range of the noise schedule.
        first, last = np.clip(self.teacher.schedule.times[[0, -1]], *noise.t_range).tolist()
        return Ends((last, last), (first, first))

    def check_noise(self, noise: NoiseSchedule) -> None:
        """Check that this is the teacher's noise schedule.

        Raises:
            ArgumentError: If it is another one.
        """
        own = self.teacher.noise
        if noise.fingerprint != own.fingerprint:
            expected = f"the teacher's noise schedule {own.name}, {own.fingerprint}"
            raise ArgumentError("noise", expected, f"{noise.name}, {noise.fingerprint}")
