r"""The common part of the reference models whose score is known exactly.

For data :math:`x_0 \sim p` and a noise level with :math:`\alpha, \sigma`, the perfect network is the posterior mean
given :math:`x = \alpha x_0 + \sigma \epsilon`. Each of its predictions gives the others:

.. math::
    \alpha E[x_0 \mid x] + \sigma E[\epsilon \mid x] = x, \qquad E[\epsilon \mid x] = -\sigma \nabla \log p(x)

In the state :math:`z = x / \alpha` and with :math:`\tilde\sigma = \sigma / \alpha`, the probability-flow ODE is the
same on every path: :math:`dz / d\tilde\sigma = E[\epsilon \mid z]`. With the standard deviation c of the data, it is
solved for :math:`y = z \cos\theta` along the angle :math:`\theta = \arctan(\tilde\sigma / c)`:

.. math::
    \frac{dy}{d\theta} = \frac{c\,E[\epsilon \mid y] - y \sin\theta}{\cos\theta}

The right side is the velocity prediction on the circle :math:`\alpha = \cos\theta, \sigma = c \sin\theta`. It is
bounded at both ends, and it is 0 for Gaussian data of standard deviation c. The clean sample is the regular point
:math:`\theta = 0`.

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021), Eq. 13
    | https://arxiv.org/abs/2011.13456
    | Progressive Distillation for Fast Sampling of Diffusion Models (Salimans and Ho, 2022), Appendix D
    | https://arxiv.org/abs/2202.00512
    | Solving Ordinary Differential Equations I (Hairer et al., 1993): DOP853
    | https://doi.org/10.1007/978-3-540-78862-1
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from hso.errors import ArgumentError, check_integer
from hso.noise import NoiseSchedule
from hso.noise.base import Array

# Relative and absolute tolerance of one step of the ODE solver, for the root mean square over the batch.
TOLERANCE = 1e-10
# Limit of the size of temporary arrays in a model, in numbers.
BLOCK = 2**22


class HasScales(Protocol):
    """Anything that knows its alpha and sigma, as the nodes of the sampling loop do."""

    @property
    def alpha(self) -> float: ...

    @property
    def sigma(self) -> float: ...


class Scales(NamedTuple):
    """A noise level given by its alpha and sigma only."""

    alpha: float
    sigma: float


def scales_at(lambda_: float, noise: NoiseSchedule) -> Scales:
    r"""The scales at :math:`\lambda`; infinity is the clean sample.

    Example:
        >>> scales_at(math.inf, NoiseSchedule.linear_vp())
        Scales(alpha=1.0, sigma=0.0)
    """
    if lambda_ == math.inf:
        return Scales(1.0, 0.0)
    return Scales(float(np.exp(noise.log_alpha(lambda_))), float(np.exp(noise.log_sigma(lambda_))))


class Denoiser(ABC):
    """A perfect network. Each prediction takes x and a noise level, as a model in the sampling loop does."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """The approximate standard deviation of the data: c in the angle along which the ODE is solved."""

    @abstractmethod
    def x0(self, x: Any, level: HasScales) -> Any:
        r""":math:`E[x_0 \mid x]`, the prediction "sample"."""

    def eps(self, x: Any, level: HasScales) -> Any:
        r""":math:`E[\epsilon \mid x]`, the prediction "epsilon"."""
        return (x - level.alpha * self.x0(x, level)) / level.sigma

    def v(self, x: Any, level: HasScales) -> Any:
        r""":math:`(\alpha \epsilon - \sigma x_0) / \sqrt{\alpha^2 + \sigma^2}`, the prediction "v_prediction"."""
        alpha, sigma = level.alpha, level.sigma
        return (alpha * self.eps(x, level) - sigma * self.x0(x, level)) / math.hypot(alpha, sigma)

    def flow(self, x: Any, level: HasScales) -> Any:
        r""":math:`\epsilon - x_0`, the prediction "flow_prediction"."""
        return self.eps(x, level) - self.x0(x, level)

    def solve(self, x: Any, lambda_from: float, lambda_to: float, noise: NoiseSchedule) -> Any:
        r"""The solution of the probability-flow ODE, in either direction.

        Args:
            x: State at ``lambda_from``, one sample a row.
            lambda_from: Where it starts, finite or ``inf``.
            lambda_to: Where it ends; ``inf`` is the clean sample.
            noise: The noise schedule, which gives :math:`\alpha` and :math:`\sigma`.

        Returns:
            The state at ``lambda_to``, with the shape of x. Its error is about ``TOLERANCE`` if there is no closed
            form.

        Raises:
            ArgumentError: If the state is not finite, or the integration fails.
        """
        here, there = scales_at(lambda_from, noise), scales_at(lambda_to, noise)
        scale = self.scale
        start, end = (math.atan2(level.sigma, scale * level.alpha) for level in (here, there))
        y = np.asarray(x, dtype=np.float64) * (math.cos(start) / here.alpha)
        if not np.all(np.isfinite(y)):
            raise ArgumentError("x", "finite values", "nan or inf")
        return self._integrate(y, start, end, scale) * (there.alpha / math.cos(end))

    def _integrate(self, y: Array, start: float, end: float, scale: float) -> Array:
        from scipy.integrate import solve_ivp

        def slope(angle: float, flat: Array) -> Array:
            level = Scales(math.cos(angle), scale * math.sin(angle))
            eps = self.eps(flat.reshape(y.shape), level).ravel()
            return np.asarray((scale * eps - flat * math.sin(angle)) / level.alpha)

        found = solve_ivp(slope, (start, end), y.ravel(), method="DOP853", rtol=TOLERANCE, atol=TOLERANCE)
        if not found.success:
            raise ArgumentError("x", "a state from which the ODE can be solved", found.message)
        return np.asarray(found.y[:, -1].reshape(y.shape))


class ExactModel(Denoiser):
    """A perfect network with a known data distribution. It can draw samples and knows their moments."""

    @abstractmethod
    def moments(self) -> tuple[Array, Array]:
        """Mean, shape (D,), and covariance, shape (D, D), of the flattened data; exact."""

    @abstractmethod
    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Independent data, one sample a row."""

    @property
    def scale(self) -> float:
        covariance = self.moments()[1]
        # A single point has no spread, and any c gives a correct solution for it.
        return math.sqrt(np.trace(covariance) / len(covariance)) or 1.0

    def noisy(self, count: int, level: HasScales, rng: np.random.Generator) -> Array:
        r"""Independent samples of :math:`\alpha x_0 + \sigma \epsilon`, one a row. They are exact start states."""
        data = self.sample(check_integer("count", count, 1, 2**31), rng)
        return np.asarray(level.alpha * data + level.sigma * rng.standard_normal(data.shape))


def in_blocks(function: Callable[[Array], Array], x: Any, dimension: int, cost: int) -> Array:
    """Apply a function of rows to blocks of rows, so that temporary arrays stay below ``BLOCK`` numbers.

    Args:
        function: Takes rows of shape (B, D) and returns rows.
        x: Shape (..., D).
        dimension: The expected D.
        cost: Size of the temporary arrays for one row, in numbers.

    Raises:
        ArgumentError: If the last axis is not of length D.
    """
    states = np.asarray(x, dtype=np.float64)
    if states.shape[-1:] != (dimension,):
        raise ArgumentError("x", f"a last axis of length {dimension}", f"shape {states.shape}")
    rows = states.reshape(-1, dimension)
    step = max(1, BLOCK // cost)
    parts = [function(rows[first : first + step]) for first in range(0, max(1, len(rows)), step)]
    return np.concatenate(parts).reshape(states.shape)
