r"""Replay: it judges schedules by the linearized student of :mod:`hso.objectives.student`, without the network.

For each band, :math:`v_b` is the variance over images at the student's end, :math:`\mu_b` is their mean, and
:math:`E_b` is the mean square error of paired images. All are summed over the coefficients of the band; a star marks
the teacher. The objective is the squared Frechet distance of Gaussians plus the error, relative to the variance of the
teacher's ends:

.. math::
    J = \frac{1}{\sum_b v^*_b} \sum_b \left[ (\sqrt{v_b} - \sqrt{v^*_b})^2 + |\mu_b - \mu^*_b|^2
    + \kappa (E_b + U_b) \right], \qquad
    U_b = \sum_c W_{bc}^2 \, \rho_b(\lambda_c) \, E |z_c - z^*_c|^2

U estimates the error of the linearization. At call c the state differs from the teacher's by :math:`z_c - z^*_c`. The
gains do not explain the whole answer of the network to this difference (:mod:`hso.models.calibration`). U treats the
unexplained part as noise, which the solver carries to the end with the weight :math:`W_{bc}`. Without U the search
would prefer schedules whose errors cancel in the linearization but not with the real network. For Gaussian data U is 0,
and the student and J are exact.

References:
    | The Frechet distance between multivariate normal distributions (Dowson and Landau, 1982)
    | https://doi.org/10.1016/0047-259X(82)90077-X
    | GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017)
    | https://arxiv.org/abs/1706.08500
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hso.errors import check_choice, check_real
from hso.models.calibration import Calibration
from hso.models.gains import EXCESS, Gains
from hso.models.recording import LATEST
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives.base import Ends, Objective, SmoothFunction
from hso.objectives.student import NOISE, STATE, Run, Slopes, Student
from hso.schedule import check_terminal
from hso.solvers import Solver


@dataclass(frozen=True)
class Replay(Objective):
    """Settings of the objective.

    Attributes:
        calibration: The calibration of the model.
        kappa: Weight of the error of paired images.
        doubt: Weight of U.
        gains: Model of the network's answer: "prior", "measured" or "larger"; see :mod:`hso.models.gains`.
        begins: What a student starts from: "noise", or the teacher's "state" as in image-to-image. None means "noise"
            for whole runs, and "state" for runs that begin part-way.

    Raises:
        ArgumentError: If a setting is unusable.
    """

    calibration: Calibration
    kappa: float = 0.5
    doubt: float = 1.0
    gains: str = "larger"
    begins: str | None = None

    name = "replay"
    strategy = "free"

    def __post_init__(self) -> None:
        check_real("kappa", self.kappa, 0.0, 1e6)
        check_real("doubt", self.doubt, 0.0, 1e6)
        check_choice("gains", self.gains, EXCESS)
        if self.begins is not None:
            check_choice("begins", self.begins, (NOISE, STATE))

    @property
    def most_nodes(self) -> int:
        """As many as the teacher has points: what is finer than the teacher cannot be held against it."""
        return len(self.calibration.lambdas)

    def ends(self, noise: NoiseSchedule, start: float | None = None) -> Ends:
        """Wide ranges, because the objective itself finds the best ends."""
        low, high = noise.t_range
        top = high if start is None else start
        middle = low + LATEST * (top - low)
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


class Prediction(NamedTuple):
    """The predicted results of schedules of shape (...,).

    Attributes:
        loss: J, shape (...,).
        error: Root mean square error of paired images for one coefficient, from E and U together, shape (...,).
        errors: E of each band, shape (..., bands).
        doubts: U of each band, likewise.
        powers: Variance over images in each band, likewise.
        shifts: Square of the error of the mean in each band, likewise.
    """

    loss: Array
    error: Array
    errors: Array
    doubts: Array
    powers: Array
    shifts: Array


class Moments(NamedTuple):
    """Second moments of the images, as matrices that act on the coordinates of students.

    Attributes:
        centred: Moments around the mean over images, shape (bands, r, r).
        means: Moments of the mean itself, shape (bands, r, r).
        end: ``centred`` times the teacher's end, shape (bands, r).
        targets: Variance of the teacher's ends, shape (bands,).
    """

    centred: Array
    means: Array
    end: Array
    targets: Array

    @classmethod
    def of(cls, calibration: Calibration, grams: Array, means: Array) -> Moments:
        """The moments from mean Gram matrices of u and Gram matrices of the means of u, shape (bands, V, V)."""
        factors = calibration.factors
        squares = np.square(factors).sum(axis=1)[:, None]
        inverse = np.where(squares > 0, factors / np.where(squares > 0, squares, 1.0), 0.0)
        turned = [inverse.swapaxes(1, 2) @ np.asarray(one, dtype=np.float64) @ inverse for one in (grams, means)]
        centred, end = turned[0] - turned[1], (calibration.end @ factors)[..., None]
        half = centred @ end
        # Rounding can make the variance of a band without variance negative.
        targets = np.maximum((end * half).sum(axis=(1, 2)), np.finfo(float).tiny)
        return cls(centred, turned[1], half[..., 0], targets)


class ReplayFunction(SmoothFunction):
    """The objective for a solver and a terminal. Knots have shape (..., K).

    Attributes:
        settings: The objective's settings.
        student: The linearized student.
        noise: The noise schedule.
    """

    def __init__(self, settings: Replay, student: Student) -> None:
        self.settings, self.student, self.noise = settings, student, student.noise
        known = settings.calibration
        self._moments = Moments.of(known, known.grams, known.mean_grams)

    def value(self, knots: Array) -> Array:
        """J, shape (...,)."""
        return self.predict(knots).loss

    def predict(self, knots: Array) -> Prediction:
        """J and the parts of it."""
        found = self._judged(self.student.run(_flat(knots)), self._moments)[0]
        return Prediction(*(part.reshape((*knots.shape[:-1], *part.shape[1:])) for part in found))

    def gradient(self, knots: Array) -> Array:
        """dJ / d lambda, shape (..., K)."""
        return self.value_and_gradient(knots)[1]

    def value_and_gradient(self, knots: Array) -> tuple[Array, Array]:
        """J, shape (...,), and its gradient, shape (..., K)."""
        run = self.student.run(_flat(knots))
        found, slopes = self._judged(run, self._moments)
        return found.loss.reshape(knots.shape[:-1]), self.student.gradient(run, slopes).reshape(knots.shape)

    @property
    def solver(self) -> Solver:
        """The student's solver."""
        return self.student.solver

    def telling(self, shifts: Array) -> ReplayFunction:
        """The same function for students that tell the network other levels: those of the nodes plus shifts, shape (K,).

        Raises:
            ArgumentError: If the calibration does not say what the network does then.
        """
        other = copy.copy(self)
        other.student = self.student.telling(shifts)
        return other

    def by_shifts(self, knots: Array, shifts: Array) -> tuple[float, Array]:
        """J of one schedule with knots and shifts of shape (K,), and dJ / d delta, shape (K,)."""
        student = self.student.telling(shifts)
        run = student.run(knots[None])
        found, slopes = self._judged(run, self._moments)
        return float(found.loss[0]), student.by_shifts(run, slopes)[0]

    def with_solver(self, solver: Solver) -> ReplayFunction:
        """The same function for another solver."""
        # The moments of the images do not depend on the solver, and a search for coefficients asks very often.
        other = copy.copy(self)
        other.student = self.student.with_solver(solver)
        return other

    def by_coefficients(self, knots: Array, moved: Solver) -> tuple[float, Array]:
        """J of one schedule with knots of shape (K,), and its derivatives with respect to coefficients, shape (P,).

        Args:
            knots: The knots.
            moved: The solver, with a complex step in one coefficient for each of P copies.
        """
        run = self.student.run(knots[None])
        found, slopes = self._judged(run, self._moments)
        return float(found.loss[0]), self.student.by_coefficients(run, slopes, moved)[:, 0]

    def left_out(self, knots: Array) -> Array:
        """J without each group of images, shape (groups, ...). The spread shows how much J depends on the images."""
        run, known = self.student.run(_flat(knots)), self.settings.calibration
        parts = [Moments.of(known, *pair) for pair in zip(known.left_out, known.left_out_means, strict=True)]
        losses = [self._judged(run, part)[0].loss for part in parts]
        return np.reshape(losses, (len(parts), *knots.shape[:-1]))

    def _judged(self, run: Run, moments: Moments) -> tuple[Prediction, Slopes]:
        """The predicted results of students, and the derivatives of J."""
        kappa, whole, miss = self.settings.kappa, moments.targets.sum(), run.misses[:, :, 0]
        turned = miss.swapaxes(0, 1)
        centred, means = ((turned @ matrices).swapaxes(0, 1) for matrices in (moments.centred, moments.means))
        spread, shifts = (centred * miss).sum(axis=-1), (means * miss).sum(axis=-1)
        powers = moments.targets + 2 * (miss * moments.end).sum(axis=-1) + spread
        powers = np.maximum(powers, np.finfo(float).tiny)
        ratio = np.sqrt(moments.targets / powers)
        errors = spread + shifts
        slope = 2 * (1 - ratio)[..., None] * (centred + moments.end) + 2 * means + 2 * kappa * (centred + means)
        doubts, slopes = self._doubts(run, self.settings.kappa * self.settings.doubt / whole)
        slopes.misses[:, :, 0] = slope / whole
        losses = powers * (1 - ratio) ** 2 + shifts + kappa * (errors + doubts)
        sizes = self.settings.calibration.bands.sizes.sum()
        error = np.sqrt(np.maximum(errors + doubts, 0.0).sum(axis=1) / sizes)
        return Prediction(losses.sum(axis=1) / whole, error, errors, doubts, powers, shifts), slopes

    def _doubts(self, run: Run, scale: float) -> tuple[Array, Slopes]:
        """U times ``doubt``, shape (S, bands), and the derivatives of the sum of U over bands times ``scale``."""
        weights, misses, rests = run.weights[:, :, 0, 1:], run.misses.copy(), run.rests.swapaxes(1, 2)
        lengths = np.square(misses[:, :, 1:]).sum(axis=(1, 3))[:, None]
        squares = weights**2
        doubts = self.settings.doubt * (squares * rests * lengths).sum(axis=-1)
        misses[:, :, 1:] *= 2 * scale * (squares * rests).sum(axis=1)[:, None, :, None]
        of_rests = scale * (squares * lengths).swapaxes(1, 2)
        return doubts, Slopes(misses, 2 * scale * weights * rests * lengths, of_rests)


def _flat(knots: Array) -> Array:
    return np.asarray(knots, dtype=np.float64).reshape(-1, np.shape(knots)[-1])
