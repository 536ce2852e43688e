r"""Replay: schedules are judged by the linearized student of :mod:`hso.objectives.student`, without the network.

The student's end and the teacher's are combinations of recorded vectors, so that their difference and their variances over
images follow from the Gram matrices of a calibration. With :math:`v_b` for the variance and :math:`\mu_b` for the mean over
images, summed over the coefficients of a band, the objective is the squared Frechet distance of Gaussians plus the error of
paired images, relative to the variance of the teacher's ends:

.. math::
    J = \frac{1}{\sum_b v^*_b} \sum_b \left[ (\sqrt{v_b} - \sqrt{v^*_b})^2 + |\mu_b - \mu^*_b|^2
    + \kappa \, E|x_{end} - x^*_{end}|^2_b \right]

For Gaussian data the student is exact, and so is J.

References:
    | The Frechet distance between multivariate normal distributions (Dowson and Landau, 1982)
    | https://doi.org/10.1016/0047-259X(82)90077-X
    | GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017)
    | https://arxiv.org/abs/1706.08500
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hso.errors import check_choice, check_real
from hso.models.calibration import Calibration
from hso.models.gains import EXCESS, Gains
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives.base import Ends, Objective, SmoothFunction
from hso.objectives.student import NOISE, STATE, Student
from hso.schedule import check_terminal
from hso.solvers import Solver


@dataclass(frozen=True)
class Replay(Objective):
    """Settings of the objective.

    Attributes:
        calibration: What was recorded of the model.
        kappa: Weight of the error of paired images.
        gains: How the network's answer is modelled: "prior", "measured" or "larger"; see :mod:`hso.models.gains`.
        begins: What a student starts from: "noise", or the teacher's "state" as in image-to-image. None is "noise" for
            whole runs, and "state" for runs that begin part-way.

    Raises:
        ArgumentError: If a setting is unusable.
    """

    calibration: Calibration
    kappa: float = 0.3
    gains: str = "larger"
    begins: str | None = None

    name = "replay"
    strategy = "free"

    def __post_init__(self) -> None:
        check_real("kappa", self.kappa, 0.0, 1e6)
        check_choice("gains", self.gains, EXCESS)
        if self.begins is not None:
            check_choice("begins", self.begins, (NOISE, STATE))

    def ends(self, noise: NoiseSchedule, start: float | None = None) -> Ends:
        """Anywhere: the objective itself knows what the ends are worth."""
        low, high = noise.t_range
        top = high if start is None else start
        middle = low + FIRST_PART * (top - low)
        return Ends((low, middle), (middle + (top - middle) / 1000, top))

    def on(self, noise: NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> ReplayFunction:
        """The function of the knots.

        Raises:
            ArgumentError: If the calibration is that of another noise schedule.
        """
        gains = Gains(self.calibration, self.gains)
        begins = self.begins or (NOISE if start is None else STATE)
        student = Student(self.calibration, noise, solver, check_terminal(terminal), gains, begins)
        return ReplayFunction(self, student)


# The first node lies in the noisiest part of the range, the last knot in the rest.
FIRST_PART = 0.6


class Prediction(NamedTuple):
    """What is expected of schedules of shape (...,).

    Attributes:
        loss: J, shape (...,).
        error: Root mean square error of paired images, for one coefficient, shape (...,).
        errors: Mean square error in each band, summed over its coefficients, shape (..., bands).
        powers: Variance over images in each band, summed over its coefficients, shape (..., bands).
        shifts: Square of the error of the mean in each band, likewise.
    """

    loss: Array
    error: Array
    errors: Array
    powers: Array
    shifts: Array


class Grams(NamedTuple):
    """Gram matrices of u around its mean over images, and of that mean; with what concerns the teacher's end alone."""

    centred: Array
    means: Array
    end: Array
    targets: Array

    @classmethod
    def of(cls, grams: Array, means: Array, end: Array) -> Grams:
        """From mean Gram matrices and those of the means, shape (bands, V, V), and the teacher's end, shape (V,)."""
        centred = np.asarray(grams, dtype=np.float64) - means
        # Rounding can make the variance of a band without variance negative.
        targets = np.maximum(centred @ end @ end, np.finfo(float).tiny)
        return cls(centred, np.asarray(means, dtype=np.float64), centred @ end, targets)


class ReplayFunction(SmoothFunction):
    """The objective for a solver and a terminal. Knots have shape (..., K).

    Attributes:
        settings: The objective's settings.
        student: The linearized student.
        noise: The noise schedule.
    """

    def __init__(self, settings: Replay, student: Student) -> None:
        self.settings, self.student, self.noise = settings, student, student.noise
        found = settings.calibration
        self._grams = Grams.of(found.grams, found.mean_grams, found.end)

    def value(self, knots: Array) -> Array:
        """J, shape (...,)."""
        return self.predict(knots).loss

    def predict(self, knots: Array) -> Prediction:
        """J and what it consists of."""
        found = self._judged(self.student.run(_flat(knots)).difference, self._grams)[0]
        return Prediction(*(part.reshape((*knots.shape[:-1], *part.shape[1:])) for part in found))

    def gradient(self, knots: Array) -> Array:
        """dJ / d lambda, shape (..., K)."""
        return self.value_and_gradient(knots)[1]

    def value_and_gradient(self, knots: Array) -> tuple[Array, Array]:
        """J, shape (...,), and its gradient, shape (..., K)."""
        run = self.student.run(_flat(knots))
        found, slope = self._judged(run.difference, self._grams)
        return found.loss.reshape(knots.shape[:-1]), self.student.gradient(run, slope).reshape(knots.shape)

    def left_out(self, knots: Array) -> Array:
        """J without each group of images, shape (groups, ...); its spread says how much other images would change it."""
        difference = self.student.run(_flat(knots)).difference
        known = self.settings.calibration
        grams = [Grams.of(*pair, known.end) for pair in zip(known.left_out, known.left_out_means, strict=True)]
        return np.stack([self._judged(difference, one)[0].loss.reshape(knots.shape[:-1]) for one in grams])

    def _judged(self, difference: Array, grams: Grams) -> tuple[Prediction, Array]:
        """What is expected of ends that differ from the teacher's by this, shape (S, bands, V), and dJ / d difference."""
        kappa, whole = self.settings.kappa, grams.targets.sum()
        turned = difference.swapaxes(0, 1)
        centred, means = ((turned @ matrices).swapaxes(0, 1) for matrices in (grams.centred, grams.means))
        spread, shifts = (centred * difference).sum(axis=-1), (means * difference).sum(axis=-1)
        powers = grams.targets + 2 * (difference * grams.end).sum(axis=-1) + spread
        powers = np.maximum(powers, np.finfo(float).tiny)
        ratio = np.sqrt(grams.targets / powers)
        losses = powers * (1 - ratio) ** 2 + (1 + kappa) * shifts + kappa * spread
        slope = 2 * (1 - ratio)[..., None] * (centred + grams.end) + 2 * (1 + kappa) * means + 2 * kappa * centred
        errors = spread + shifts
        error = np.sqrt(np.maximum(errors.sum(axis=1), 0.0) / self.settings.calibration.bands.sizes.sum())
        return Prediction(losses.sum(axis=1) / whole, error, errors, powers, shifts), slope / whole


def _flat(knots: Array) -> Array:
    return np.asarray(knots, dtype=np.float64).reshape(-1, np.shape(knots)[-1])
