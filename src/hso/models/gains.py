r"""How a network answers to a change of its input, at any noise level.

The gain of a band is the gain of the Wiener filter plus an excess near the noise levels of the trials,

.. math::
    g_b(\lambda) = \frac{P_b}{P_b + e^{-2\lambda}} + \operatorname{mean}_\lambda(\operatorname{excess}_b)

A rule defines the excess. It is 0 ("prior"), the measured gain minus the prior gain ("measured"), or this difference
where it is positive and 0 elsewhere ("larger"). The mean of :math:`\rho_b` (:mod:`hso.models.calibration`) is the part
of the answer that the gain does not explain. Means at a noise level are over trials; the weight of a trial is a
Gaussian of its distance in :math:`\lambda`.

References:
    | On Estimating Regression (Nadaraya, 1964)
    | https://doi.org/10.1137/1109020
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hso.models.calibration import Calibration
from hso.models.wiener import wiener
from hso.noise import NoiseSchedule
from hso.noise.base import Array

# Distance in lambda over which a network's answer changes little; least weight of a trial, which keeps the sum above 0.
WIDTH, LEAST = 0.5, 1e-12


# A new rule is one line here: a function of the prior and the measured gains of trials that returns the excess.
EXCESS: Mapping[str, Callable[[Array, Array], Array]] = {
    "prior": lambda prior, measured: np.zeros_like(prior),
    "measured": lambda prior, measured: measured - prior,
    "larger": lambda prior, measured: np.maximum(measured - prior, 0.0),
    "between": lambda prior, measured: 0.5 * np.maximum(measured - prior, 0.0),
}


class Gains:
    """The gains of a calibration by a rule, and the size of the answers that they do not explain."""

    def __init__(self, calibration: Calibration, rule: str) -> None:
        self.variances, self._places = calibration.variances, calibration.trial_lambdas
        self._told = calibration.told
        cross, lengths, answers, _ = calibration.trials
        prior, tiny = wiener(self.variances, self._places), np.finfo(float).tiny
        self._excess = EXCESS[rule](prior, cross / np.maximum(lengths, tiny))
        gains = prior + self._excess
        unexplained = np.maximum(answers - 2 * gains * cross + gains**2 * lengths, 0.0)
        self._rests = unexplained / np.maximum(lengths.sum(axis=1, keepdims=True), tiny)

    def __call__(self, lambdas: Array) -> Array:
        """Gains at any noise levels, shape (..., bands). Accepts complex input."""
        return wiener(self.variances, lambdas) + self._mean(lambdas, self._excess)

    def told(self, noise: NoiseSchedule, lambdas: Array, shifts: Array) -> Array:
        """Gains of a network that is told the levels plus shifts (:mod:`hso.models.told`), shape (..., bands).

        The calibration must have told levels.
        """
        assert self._told is not None
        return self(lambdas) + self._told.gains(noise, self.variances, lambdas, shifts)

    def rests(self, lambdas: Array) -> Array:
        r""":math:`\rho_b` at any noise levels, shape (..., bands). Accepts complex input."""
        return self._mean(lambdas, self._rests)

    def _mean(self, lambdas: Array, values: Array) -> Array:
        weights = np.exp(-0.5 * ((lambdas[..., None] - self._places) / WIDTH) ** 2) + LEAST
        return np.asarray(weights @ values / weights.sum(axis=-1, keepdims=True))
