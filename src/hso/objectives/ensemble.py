r"""Replay on several models at once: a schedule for a model that was never measured.

Networks that remove noise from images have much in common. So a schedule that is good for several models is often good
for another one too. The objective is a mean over calibrations c of reference models,

.. math::
    J = \frac{1}{C} \sum_c \log (J_c + \epsilon)

with the loss :math:`J_c` of :mod:`hso.objectives.replay` for the solver that is asked for. The logarithm compares ratios,
so no model decides only because its errors are large. Because of the floor :math:`\epsilon`, errors that nobody sees count
little.

In z and lambda a recording does not depend on the path. So it can be read on every noise schedule whose noise levels it
covers. The reference models of this library are its digits and its colour patches, each without guidance and with guidance
3, and a mixture of Gaussians that was fitted to photographs. ``scripts/reference_calibrations.py`` measures them.

References:
    | ParamILS: An Automatic Algorithm Configuration Framework (Hutter et al., 2009): settings for a family of problems
    | https://doi.org/10.1613/jair.2861
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from hso.errors import ArgumentError, check_real
from hso.models.calibration import Calibration
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives.base import Ends, Objective, SmoothFunction
from hso.objectives.replay import Replay
from hso.objectives.student import SLACK
from hso.solvers import Solver

FOLDER = Path(__file__).parent / "references"
# Names of files in the folder, for models without guidance and with it. A new reference is one file and one name here.
UNGUIDED = ("digits", "patches", "mixture")
GUIDED = ("digits_guided", "patches_guided", "mixture")


@dataclass(frozen=True)
class Ensemble(Objective):
    r"""Settings of the objective.

    Attributes:
        calibrations: Calibrations of the reference models. None means this library's own: those with guidance if the model
            is usually guided or nothing is known of that, and those without guidance if it is not.
        floor: :math:`\epsilon`.

    Raises:
        ArgumentError: If a setting is unusable.

    Example:
        >>> import hso
        >>> noise = hso.NoiseSchedule.preset("sd1.5")
        >>> hso.optimize(noise, 6, solver="unipc", objective="ensemble").schedule.nfe
        6
    """

    calibrations: tuple[Calibration, ...] | None = None
    floor: float = 1e-3

    name = "ensemble"
    strategy = "free"

    def __post_init__(self) -> None:
        check_real("floor", self.floor, 1e-12, 1.0)
        given = self.calibrations
        if given is not None and not (given and all(isinstance(one, Calibration) for one in given)):
            raise ArgumentError("calibrations", "a tuple of calibrations, or None", given)

    def ends(self, noise: NoiseSchedule, start: float | None = None) -> Ends:
        """Wide ranges, as those of replay."""
        return Replay(self.models(noise)[0]).ends(noise, start)

    def on(self, noise: NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> EnsembleFunction:
        """The function of the knots.

        Raises:
            ArgumentError: If the noise schedule has noise levels at which a reference model was not measured.
        """
        lent = [_lent(one, noise) for one in self.models(noise)]
        return EnsembleFunction(noise, [Replay(one).on(noise, solver, terminal, start) for one in lent], self.floor)

    def models(self, noise: NoiseSchedule) -> tuple[Calibration, ...]:
        """The calibrations for a model with this noise schedule."""
        if self.calibrations is not None:
            return self.calibrations
        return tuple(map(reference, UNGUIDED if noise.traits.is_guided is False else GUIDED))


class EnsembleFunction(SmoothFunction):
    """The objective for a solver and a terminal. Knots have shape (..., K).

    Args:
        noise: The noise schedule.
        parts: Losses of the reference models.
        floor: The floor.
    """

    def __init__(self, noise: NoiseSchedule, parts: Sequence[SmoothFunction], floor: float) -> None:
        self.noise, self.parts, self.floor = noise, parts, floor

    def value(self, knots: Array) -> Array:
        """J, shape (...,)."""
        return np.asarray(np.mean([np.log(part.value(knots) + self.floor) for part in self.parts], axis=0))

    def gradient(self, knots: Array) -> Array:
        """dJ / d lambda, shape (..., K)."""
        return self.value_and_gradient(knots)[1]

    def value_and_gradient(self, knots: Array) -> tuple[Array, Array]:
        """J, shape (...,), and its gradient, shape (..., K)."""
        found = [part.value_and_gradient(knots) for part in self.parts]
        values = np.mean([np.log(value + self.floor) for value, _ in found], axis=0)
        return values, np.mean([slope / (value + self.floor)[..., None] for value, slope in found], axis=0)


@cache
def reference(name: str) -> Calibration:
    """The calibration of a reference model of this library, by the name of its file."""
    return Calibration.load(FOLDER / f"{name}.calibration")


def _lent(calibration: Calibration, noise: NoiseSchedule) -> Calibration:
    """A calibration, read on another noise schedule.

    Raises:
        ArgumentError: If it does not cover all noise levels.
    """
    low, high = noise.lambda_(np.array(noise.t_range))[::-1]
    first, last = calibration.lambdas[[0, -1]]
    if low < first - SLACK or high > last + SLACK:
        expected = (
            f"a noise schedule with lambda from {first:.4g} to {last:.4g}, where the reference models were measured"
        )
        raise ArgumentError(
            "noise", expected, f"{noise.name} with lambda from {low:.4g} to {high:.4g}", "objective mep"
        )
    return dataclasses.replace(calibration, noise_fingerprint=noise.fingerprint)
