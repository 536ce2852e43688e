r"""What a network says if it is told another noise level than that of its state.

At a state of the teacher, :math:`z^*(\lambda)`, the network is told :math:`\lambda + \delta` (Timestep Aligner, LD3). Its
data changes by

.. math::
    h(\lambda, \delta) = D(z^*(\lambda); \lambda + \delta) - D^*(\lambda) = a(\lambda) \, \delta + b(\lambda) \, \delta^2

The network is asked at two shifts :math:`\delta` for each of a few levels, which gives a and b there. The changes
:math:`h(\lambda_l, \delta_{l1}), h(\lambda_l, \delta_{l2})` follow the vectors u of :mod:`hso.models.recording`.

A network F of the state x at :math:`(\alpha, \sigma)` implies the data :math:`a x + b F` (:mod:`hso.solvers.prediction`).
Told :math:`(\alpha', \sigma')`, a network whose gain there is :math:`g'` answers to a change of the state with the gain

.. math::
    G = \alpha \left[ a + \frac{b}{b'} \left( \frac{g'}{\alpha'} - a' \right) \right]

where a' and b' belong to :math:`(\alpha', \sigma')`. For Gaussian data G is exact.

References:
    | Towards More Accurate Diffusion Model Acceleration with A Timestep Aligner (Xia et al., 2023)
    | https://arxiv.org/abs/2310.09469
    | Learning to Discretize Denoising Diffusion ODEs (Tong et al., 2024)
    | https://arxiv.org/abs/2405.15506
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hso.errors import ArgumentError, check_choice
from hso.models.wiener import wiener
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.solvers.prediction import PREDICTIONS

# Number of levels at which the network is told other ones, and how far in lambda these lie.
LEVELS, REACH = 14, 0.5


@dataclass(frozen=True, eq=False)
class ToldLevels:
    r"""Where a network was told other noise levels.

    Attributes:
        prediction: What the network predicts.
        lambdas: :math:`\lambda` of the states, shape (L,), increasing.
        shifts: :math:`\delta`, two for each state, shape (L, 2).

    Raises:
        ArgumentError: If a value is unusable.
    """

    prediction: str
    lambdas: Array
    shifts: Array

    def __post_init__(self) -> None:
        check_choice("prediction", self.prediction, PREDICTIONS)
        count = len(self.lambdas) if np.ndim(self.lambdas) == 1 else 0
        if count < 2 or not np.all(np.diff(self.lambdas) > 0):
            raise ArgumentError("told.lambdas", "at least 2 strictly increasing values", self.lambdas)
        usable = np.shape(self.shifts) == (count, 2) and np.all((self.shifts != 0) & (np.abs(self.shifts) <= REACH))
        if not (usable and np.all(self.shifts[:, 0] != self.shifts[:, 1])):
            raise ArgumentError("told.shifts", f"two different values up to {REACH} for each level", self.shifts)

    @classmethod
    def among(cls, prediction: str, points: Array) -> ToldLevels:
        """Some of the teacher's points, shape (M,), as levels. No told level is outside the range of the points."""
        chosen = points[np.unique(np.linspace(0, len(points) - 1, LEVELS).round().astype(int))]
        return cls(prediction, chosen, np.stack([_shifts(one, points[0], points[-1]) for one in chosen]))

    @property
    def count(self) -> int:
        """Number of vectors that follow u."""
        return 2 * len(self.lambdas)

    def rows(self, first: int, vectors: int) -> Array:
        """Coefficients in u of a and b at the levels, shape (L, 2, V). ``first`` is the index of the first change in u."""
        changes = np.eye(vectors)[first : first + self.count].reshape(-1, 2, vectors)
        one, other = self.shifts.T[..., None]
        slopes = changes[:, 0] / one, changes[:, 1] / other
        bends = (slopes[0] - slopes[1]) / (one - other)
        return np.stack((slopes[0] - bends * one, bends), axis=1)

    def gains(self, noise: NoiseSchedule, variances: Array, lambdas: Array, shifts: Array) -> Array:
        """G minus the gain of the same network if it is told the level of its state, shape (..., bands).

        Levels and shifts may be complex.

        Args:
            noise: The noise schedule.
            variances: Variance of one coefficient of each band, shape (bands,).
            lambdas: Levels of the states, shape (...,).
            shifts: Shifts, shape (...,).
        """
        kind, told = PREDICTIONS[self.prediction], lambdas + shifts
        alpha, alpha_told = np.exp(noise.log_alpha(lambdas)), np.exp(noise.log_alpha(told))
        a, b = kind(alpha, np.exp(noise.log_sigma(lambdas)))
        a_told, b_told = kind(alpha_told, np.exp(noise.log_sigma(told)))
        gain = wiener(variances, told) / np.asarray(alpha_told)[..., None] - np.asarray(a_told)[..., None]
        whole = alpha[..., None] * (np.asarray(a)[..., None] + np.asarray(b / b_told)[..., None] * gain)
        return np.asarray(whole - wiener(variances, lambdas))


def _shifts(level: float, low: float, high: float) -> Array:
    """One shift down and one up. If one of them leaves the range, two different shifts in the other direction."""
    if level - REACH < low:
        return np.array([REACH / 2, REACH])
    return np.array([-REACH, -REACH / 2 if level + REACH > high else REACH])
