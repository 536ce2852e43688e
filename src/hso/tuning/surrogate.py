r"""What is expected of schedules near those that were run for real.

The corrected replay :math:`J_c` (:mod:`hso.tuning.corrected`) says where the true loss falls. What it does not know shows
in the differences :math:`d_j = J(\lambda^j) - s J_c(\lambda^j)` at the schedules that were run, and is carried over to
others by a Gaussian process with the kernel

.. math::
    k(\lambda, \lambda') = a^2 \Big( 1 + \sqrt 5 r + \frac{5}{3} r^2 \Big) e^{-\sqrt 5 r}, \qquad
    r^2 = \frac{1}{\ell^2} \sum_i \Big( \frac{\lambda_i - \lambda'_i}{h_i} \Big)^2

where :math:`h_i` is the gap of the knots around knot i. Its mean is the difference at the centre, so that the surrogate is
the true loss at every schedule that was run. a and :math:`\ell` are those of the greatest likelihood. The surrogate is

.. math::
    S(\lambda) = s J_c(\lambda) + m(\lambda) - \beta \sqrt{v(\lambda)}

with the mean m and the variance v of the process: for :math:`\beta > 0` it favours what is not known yet.

References:
    | Gaussian Processes for Machine Learning (Rasmussen and Williams, 2006), Sections 2.2, 4.2 and 5.4
    | https://doi.org/10.7551/mitpress/3206.001.0001
    | Scalable Global Optimization via Local Bayesian Optimization (Eriksson et al., 2019)
    | https://arxiv.org/abs/1910.01739
    | Predicting the output from a complex computer code when fast approximations are available (Kennedy and O'Hagan, 2000)
    | https://doi.org/10.1093/biomet/87.1.1
"""

from __future__ import annotations

import numpy as np

from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives import SmoothFunction

# Lengths that are compared, in gaps, and the share of the variance that is added as if it were noise.
LENGTHS, NUGGET = (0.5, 1.0, 2.0, 4.0), 1e-6
ROOT = np.sqrt(5.0)


class Surrogate(SmoothFunction):
    """S, for knots of shape (..., K).

    Args:
        model: The corrected replay.
        noise: The noise schedule.
        knots: Schedules that were run, the centre first, shape (M, K).
        losses: Their true losses, shape (M,).
        scale: s.
        beta: How much what is not known yet is favoured.
    """

    def __init__(
        self, model: SmoothFunction, noise: NoiseSchedule, knots: Array, losses: Array, scale: float, beta: float
    ) -> None:
        self.model, self.noise, self.scale, self.beta = model, noise, scale, beta
        self._widths, self._run = gaps(knots[0]), knots
        rest = losses - scale * model.value(knots)
        self._mean, deviations = rest[0], rest - rest[0]
        fits = [self._fit(length, deviations) for length in LENGTHS]
        _, self._length, self._inverse, self._variance = min(fits, key=lambda fit: fit[0])
        self._weights = self._inverse @ deviations

    def value(self, knots: Array) -> Array:
        return self.value_and_gradient(knots)[0]

    def gradient(self, knots: Array) -> Array:
        return self.value_and_gradient(knots)[1]

    def value_and_gradient(self, knots: Array) -> tuple[Array, Array]:
        """S, shape (S,), and its gradient, shape (S, K)."""
        value, slope = self.model.value_and_gradient(knots)
        kernel, slopes = self._kernel(knots, self._length)
        spread = kernel @ self._inverse
        variance = np.maximum(1 - (spread * kernel).sum(axis=1), 0.0) + NUGGET
        doubt = np.sqrt(self._variance * variance)
        value = self.scale * value + self._mean + kernel @ self._weights - self.beta * doubt
        turned = self._weights + self.beta * (doubt / variance)[:, None] * spread
        return value, self.scale * slope + np.einsum("sm,smk->sk", turned, slopes)

    def expected(self, knots: Array) -> float:
        """The loss that is expected of one schedule, without favour."""
        kernel = self._kernel(knots[None], self._length)[0]
        return float(self.scale * self.model.value(knots[None])[0] + self._mean + (kernel @ self._weights)[0])

    def _fit(self, length: float, deviations: Array) -> tuple[float, float, Array, float]:
        """Minus twice the logarithm of the likelihood, the length, the inverse of the matrix, and a squared."""
        kernel = self._kernel(self._run, length)[0] + NUGGET * np.eye(len(self._run))
        inverse = np.linalg.inv(kernel)
        variance = max(float(deviations @ inverse @ deviations) / len(deviations), np.finfo(float).tiny)
        return len(deviations) * np.log(variance) + np.linalg.slogdet(kernel)[1], length, inverse, variance

    def _kernel(self, knots: Array, length: float) -> tuple[Array, Array]:
        """The kernel without a squared to the schedules that were run, shape (S, M), and its slopes, shape (S, M, K)."""
        apart = (knots[:, None] - self._run) / (length * self._widths)
        distance = ROOT * np.sqrt(np.square(apart).sum(axis=-1))
        fall = np.exp(-distance)
        slopes = (-5 / 3 * (1 + distance) * fall)[..., None] * apart / (length * self._widths)
        return (1 + distance + distance**2 / 3) * fall, slopes


def gaps(knots: Array) -> Array:
    """The mean gap of the knots around each knot, shape (K,)."""
    if len(knots) == 1:
        return np.ones(1)
    steps = np.diff(knots)
    return np.asarray((np.append(steps[0], steps) + np.append(steps, steps[-1])) / 2)
