r"""Gaussian data: the model whose score, network and ODE are all known exactly.

With data :math:`x_0 \sim \mathcal{N}(\mu, v)`, v diagonal, the noisy sample has variance
:math:`\alpha^2 v + \sigma^2`, and the perfect network is linear in x:

.. math::
    E[x_0 \mid x] = \mu + \frac{\alpha v}{\alpha^2 v + \sigma^2} (x - \alpha \mu), \qquad
    E[\epsilon \mid x] = \frac{\sigma}{\alpha^2 v + \sigma^2} (x - \alpha \mu)

The probability-flow ODE moves x along the quantiles of its distribution, on any path:

.. math::
    x_{\lambda'} = \alpha' \mu + \left( \frac{\alpha'^2 v + \sigma'^2}{\alpha^2 v + \sigma^2} \right)^{1/2}
    (x_\lambda - \alpha \mu)

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021), Eq. 13
    | https://arxiv.org/abs/2011.13456
    | The Unreasonable Effectiveness of Gaussian Score Approximation for Diffusion Models (Wang and Vastola, 2024)
    | https://arxiv.org/abs/2412.09726
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from hso.errors import ArgumentError
from hso.noise.base import NoiseSchedule


class HasScales(Protocol):
    """Anything that knows its alpha and sigma, as the nodes of the sampling loop do."""

    @property
    def alpha(self) -> float: ...

    @property
    def sigma(self) -> float: ...


class Scales(NamedTuple):
    """A noise level given by its alpha and sigma alone."""

    alpha: float
    sigma: float


@dataclass(frozen=True, eq=False)
class GaussianModel:
    r"""The exact network of Gaussian data. Each prediction takes x and a noise level, as a model in the sampling loop does.

    Attributes:
        mean: :math:`\mu`, a number, or an array or tensor of the kind of x that broadcasts with it.
        variance: v, likewise; at least 0.

    Raises:
        ArgumentError: If a variance is negative or not finite.

    Example:
        >>> model = GaussianModel(mean=1.0, variance=4.0)
        >>> model.x0(2.0, Scales(alpha=0.5, sigma=1.0))
        2.5
    """

    mean: Any
    variance: Any

    def __post_init__(self) -> None:
        usable = (self.variance >= 0) & (self.variance < math.inf)
        if not (usable.all() if hasattr(usable, "all") else usable):
            raise ArgumentError("variance", "finite values of at least 0", self.variance)

    def x0(self, x: Any, level: HasScales) -> Any:
        r""":math:`E[x_0 \mid x]`, the prediction "sample"."""
        alpha, sigma = level.alpha, level.sigma
        return self.mean + alpha * self.variance / self._spread(alpha, sigma) * (x - alpha * self.mean)

    def eps(self, x: Any, level: HasScales) -> Any:
        r""":math:`E[\epsilon \mid x]`, the prediction "epsilon"."""
        alpha, sigma = level.alpha, level.sigma
        return sigma / self._spread(alpha, sigma) * (x - alpha * self.mean)

    def v(self, x: Any, level: HasScales) -> Any:
        r""":math:`(\alpha \epsilon - \sigma x_0) / \sqrt{\alpha^2 + \sigma^2}`, the prediction "v_prediction"."""
        alpha, sigma = level.alpha, level.sigma
        return (alpha * self.eps(x, level) - sigma * self.x0(x, level)) / math.hypot(alpha, sigma)

    def flow(self, x: Any, level: HasScales) -> Any:
        r""":math:`\epsilon - x_0`, the prediction "flow_prediction"."""
        return self.eps(x, level) - self.x0(x, level)

    def solve(self, x: Any, lambda_from: float, lambda_to: float, noise: NoiseSchedule) -> Any:
        r"""The exact solution of the probability-flow ODE, in either direction.

        Args:
            x: State at ``lambda_from``.
            lambda_from: Where it starts, finite.
            lambda_to: Where it ends; ``inf`` is the clean sample.
            noise: The noise schedule, which gives :math:`\alpha` and :math:`\sigma`.
        """
        alpha, sigma = _scales_at(lambda_from, noise)
        alpha_to, sigma_to = _scales_at(lambda_to, noise)
        stretch = (self._spread(alpha_to, sigma_to) / self._spread(alpha, sigma)) ** 0.5
        return alpha_to * self.mean + stretch * (x - alpha * self.mean)

    def _spread(self, alpha: float, sigma: float) -> Any:
        return alpha**2 * self.variance + sigma**2


def _scales_at(lambda_: float, noise: NoiseSchedule) -> Scales:
    if lambda_ == math.inf:
        return Scales(1.0, 0.0)
    return Scales(float(np.exp(noise.log_alpha(lambda_))), float(np.exp(noise.log_sigma(lambda_))))
