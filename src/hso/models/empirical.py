r"""Finite data: the perfect network of a training set. At low noise it returns a datum of the set.

For data uniform on :math:`x^{(1)}, \dots, x^{(M)}`, the perfect network is a softmax-weighted mean of the data,

.. math::
    E[x_0 \mid x] = \sum_i w_i x^{(i)}, \qquad
    w_i \propto \exp\left( -\frac{|x / \alpha - x^{(i)}|^2}{2 \tilde\sigma^2} \right)

If the noise is small compared with the least distance between two data, :math:`\tilde\sigma \le f`, one weight is 1 to
machine precision. From there the solution of the ODE is a straight line to this datum:

.. math::
    z(\tilde\sigma') = x^{(i)} + \frac{\tilde\sigma'}{\tilde\sigma} (z(\tilde\sigma) - x^{(i)})

So the integration stops at :math:`\tilde\sigma = f`, and the clean sample is one of the data.

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Appendix B.3
    | https://arxiv.org/abs/2206.00364
    | Closed-Form Diffusion Models (Scarvelis et al., 2023)
    | https://arxiv.org/abs/2310.12395
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree
from scipy.special import softmax

from hso.errors import ArgumentError
from hso.models.exact import ExactModel, HasScales, in_blocks, scales_at
from hso.noise import NoiseSchedule
from hso.noise.base import Array


class EmpiricalModel(ExactModel):
    r"""The exact network of a finite data set, in float64.

    Args:
        data: Shape (M, D).

    Raises:
        ArgumentError: If the data are not finite or do not have two axes.

    Example:
        >>> from hso.models.exact import Scales
        >>> model = EmpiricalModel([[-1.0], [1.0]])
        >>> model.x0(np.array([[0.0], [0.5]]), Scales(alpha=1.0, sigma=0.5)).round(2).tolist()
        [[0.0], [0.96]]
    """

    def __init__(self, data: ArrayLike) -> None:
        self.data = np.array(data, dtype=np.float64)
        if self.data.ndim != 2 or self.data.size == 0 or not np.all(np.isfinite(self.data)):
            raise ArgumentError("data", "finite numbers along 2 axes", f"shape {self.data.shape}")
        # Distances are more accurate if the data are centred.
        self._center = self.data.mean(axis=0)
        self._centered = self.data - self._center
        self._halves = np.sum(self._centered**2, axis=1) / 2

    @cached_property
    def floor(self) -> float:
        r"""f: below this :math:`\tilde\sigma`, one weight is 1 at every state that the ODE can reach."""
        distinct = np.unique(self._centered, axis=0)
        # For a single datum it is infinite, because every state moves to this datum on a straight line.
        nearest = KDTree(distinct).query(distinct, k=2)[0][:, 1].min()
        # In units of the noise, the distance of a state from its datum is about sqrt(D). exp(-745) is 0 in float64.
        return float(nearest) / (40 + 4 * math.sqrt(self.data.shape[1]))

    def x0(self, x: Any, level: HasScales) -> Array:
        def of(rows: Array) -> Array:
            overlap = (rows / level.alpha - self._center) @ self._centered.T - self._halves
            return softmax(overlap * (level.alpha / level.sigma) ** 2, axis=1) @ self.data

        return in_blocks(of, x, self.data.shape[1], len(self.data))

    def moments(self) -> tuple[Array, Array]:
        return self._center, self._centered.T @ self._centered / len(self.data)

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        return self.data[rng.integers(len(self.data), size=count)]

    def solve(self, x: Any, lambda_from: float, lambda_to: float, noise: NoiseSchedule) -> Any:
        if not math.isfinite(lambda_from):
            raise ArgumentError("lambda_from", "a finite lambda", lambda_from, "many states lead to one datum")
        least, most = sorted((lambda_from, lambda_to))
        middle = min(max(-math.log(self.floor), least), most)
        if lambda_to > lambda_from:
            return self._along_line(super().solve(x, lambda_from, middle, noise), middle, lambda_to, noise)
        return super().solve(self._along_line(x, lambda_from, middle, noise), middle, lambda_to, noise)

    def _along_line(self, x: Any, lambda_from: float, lambda_to: float, noise: NoiseSchedule) -> Array:
        here, there = scales_at(lambda_from, noise), scales_at(lambda_to, noise)
        if lambda_from == lambda_to:
            return np.asarray(x, dtype=np.float64)
        point = self.x0(x, here)
        shrink = (there.sigma / there.alpha) * (here.alpha / here.sigma)
        return np.asarray(there.alpha * (point + shrink * (x / here.alpha - point)))
