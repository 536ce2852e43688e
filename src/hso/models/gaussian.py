r"""Gaussian data: the model whose score, network and ODE are all known exactly.

With data :math:`x_0 \sim \mathcal{N}(\mu, v)`, v diagonal, the noisy sample has variance
:math:`\alpha^2 v + \sigma^2`, and the perfect network is linear in x:

.. math::
    E[x_0 \mid x] = \mu + \frac{\alpha v}{\alpha^2 v + \sigma^2} (x - \alpha \mu), \qquad
    E[\epsilon \mid x] = \frac{\sigma}{\alpha^2 v + \sigma^2} (x - \alpha \mu)

On every path, the probability-flow ODE moves x along the quantiles of its distribution:

.. math::
    x_{\lambda'} = \alpha' \mu + \left( \frac{\alpha'^2 v + \sigma'^2}{\alpha^2 v + \sigma^2} \right)^{1/2}
    (x_\lambda - \alpha \mu)

Images have a power-law spectrum: the coefficients of the cosine transform at frequency k have a variance
:math:`\propto k^{-a}`, where a is close to 2. In this basis the covariance is diagonal. The basis is orthonormal, so
errors and Frechet distances are the same as those of the images.

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021), Eq. 13
    | https://arxiv.org/abs/2011.13456
    | The Unreasonable Effectiveness of Gaussian Score Approximation for Diffusion Models (Wang and Vastola, 2024)
    | https://arxiv.org/abs/2412.09726
    | Relations between the statistics of natural images and the response properties of cortical cells (Field, 1987)
    | https://doi.org/10.1364/JOSAA.4.002379
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from hso.errors import ArgumentError, check_integer, check_real
from hso.models.exact import ExactModel, HasScales, Scales, scales_at
from hso.noise import NoiseSchedule
from hso.noise.base import Array


@dataclass(frozen=True, eq=False)
class GaussianModel(ExactModel):
    r"""The exact network of Gaussian data. Each prediction takes x and a noise level, as a model in the sampling loop does.

    Attributes:
        mean: :math:`\mu`, a number, or an array or a tensor that broadcasts with x and has its type.
        variance: v, of the same form; at least 0.

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

    @classmethod
    def power_law(cls, size: int, exponent: float = 2.0, deviation: float = 0.5) -> GaussianModel:
        r"""Images of ``size`` by ``size`` pixels in the basis of their cosine transform, :math:`v \propto k^{-a}`.

        Frequency (i, j) has :math:`k = \max(1, \sqrt{i^2 + j^2})`, so the mean grey value varies like the lowest wave.

        Args:
            size: Pixels along a side.
            exponent: a; natural images have about 2.
            deviation: Standard deviation of a pixel; that of images in [-1, 1] is about 0.5.

        Returns:
            A model of vectors of ``size**2`` coefficients, row after row, with mean 0.

        Example:
            >>> GaussianModel.power_law(2).variance.round(3).tolist()
            [0.286, 0.286, 0.286, 0.143]
        """
        index = np.arange(check_integer("size", size, 1, 4096))
        frequency = np.maximum(1.0, np.hypot(index[:, None], index)).ravel()
        variance = frequency ** -check_real("exponent", exponent, 0.0)
        variance *= check_real("deviation", deviation, 0.0) ** 2 / variance.mean()
        return cls(np.zeros(len(variance)), variance)

    def x0(self, x: Any, level: HasScales) -> Any:
        alpha, sigma = level.alpha, level.sigma
        return self.mean + alpha * self.variance / self._spread(alpha, sigma) * (x - alpha * self.mean)

    def eps(self, x: Any, level: HasScales) -> Any:
        alpha, sigma = level.alpha, level.sigma
        return sigma / self._spread(alpha, sigma) * (x - alpha * self.mean)

    def solve(self, x: Any, lambda_from: float, lambda_to: float, noise: NoiseSchedule) -> Any:
        alpha, sigma = scales_at(lambda_from, noise)
        alpha_to, sigma_to = scales_at(lambda_to, noise)
        stretch = (self._spread(alpha_to, sigma_to) / self._spread(alpha, sigma)) ** 0.5
        return alpha_to * self.mean + stretch * (x - alpha * self.mean)

    def moments(self) -> tuple[Array, Array]:
        mean, variance = self._vectors()
        return mean.ravel(), np.diag(variance.ravel())

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        mean, variance = self._vectors()
        return mean + np.sqrt(variance) * rng.standard_normal((count, *mean.shape))

    def _vectors(self) -> tuple[Array, Array]:
        mean, variance = np.broadcast_arrays(np.atleast_1d(self.mean), np.atleast_1d(self.variance))
        return mean.astype(np.float64), variance.astype(np.float64)

    def _spread(self, alpha: float, sigma: float) -> Any:
        return alpha**2 * self.variance + sigma**2


__all__ = ["GaussianModel", "HasScales", "Scales"]
