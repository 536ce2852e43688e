r"""How a network answers to a change of its input, between the points at which that was measured.

.. math::
    g_b(\lambda) = \frac{P_b}{P_b + e^{-2\lambda}} + \operatorname{excess}_b(\lambda)

The first term is the Wiener gain; the second interpolates linearly what a rule says to add at the probes: nothing
("prior"), the measured minus the prior gain ("measured"), or that where it is positive ("larger").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hso.models.calibration import Calibration
from hso.noise.base import Array


def wiener(variances: Array, lambdas: Array) -> Array:
    r""":math:`P_b / (P_b + e^{-2\lambda})`, shape (..., bands). Accepts complex :math:`\lambda`."""
    return np.asarray(variances / (variances + np.exp(-2 * lambdas)[..., None]))


# A new rule is one line here: prior and measured gains at the probes to what is added to the prior.
EXCESS: Mapping[str, Callable[[Array, Array], Array]] = {
    "prior": lambda prior, measured: np.zeros_like(prior),
    "measured": lambda prior, measured: measured - prior,
    "larger": lambda prior, measured: np.maximum(measured - prior, 0.0),
}


class Gains:
    """The gains of a calibration by a rule."""

    def __init__(self, calibration: Calibration, rule: str) -> None:
        self.variances = calibration.variances
        places = calibration.probe_lambdas
        excess = EXCESS[rule](wiener(self.variances, places), calibration.probe_gains)
        if len(places) < 2:
            places, excess = np.array([-1.0, 1.0]), np.zeros((2, len(self.variances)))
        self._places, self._excess = places, excess
        self._slopes = np.diff(excess, axis=0) / np.diff(places)[:, None]

    def __call__(self, lambdas: Array) -> Array:
        """Gains at any noise levels, shape (..., bands). Accepts complex input."""
        index = np.clip(np.searchsorted(self._places, lambdas.real, side="right") - 1, 0, len(self._slopes) - 1)
        beyond = lambdas - self._places[index]
        # Outside of the probed range the first or the last value holds.
        width = np.diff(self._places)[index]
        inside = np.where(beyond.real < 0, 0.0, np.where(beyond.real > width, width, beyond))
        return wiener(self.variances, lambdas) + self._excess[index] + self._slopes[index] * inside[..., None]
