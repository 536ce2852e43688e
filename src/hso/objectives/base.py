r"""What an objective is.

An objective maps knots :math:`\lambda_0 < \dots < \lambda_K` to a number to be made small. It is a pure function: leading
axes of its argument are a batch, the last axis holds the knots. If it is a sum over consecutive knots,

.. math::
    J(\lambda_0, \dots, \lambda_K) = \sum_{i=0}^{K-1} c(\lambda_i, \lambda_{i+1}),

it is *additive* and c is its edge cost: choosing knots is then a shortest path, and its Hessian is tridiagonal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from hso.noise import NoiseSchedule
from hso.noise.base import Array

# Any step this small gives a derivative exact to rounding, since the complex step does not subtract.
COMPLEX_STEP = 1e-30


class Edge(NamedTuple):
    """An edge cost c(a, b) and its first and second derivatives, elementwise."""

    value: Array
    a: Array
    b: Array
    aa: Array
    ab: Array
    bb: Array


class Objective(ABC):
    """A function of the knots to be minimized.

    Attributes:
        noise: The noise schedule it is measured on.
        p: Exponent of the error proxy (2 for latent models, 1 for pixel models).
    """

    def __init__(self, noise: NoiseSchedule, p: float = 2.0) -> None:
        self.noise = noise
        self.p = p

    @abstractmethod
    def value(self, knots: Array) -> Array:
        """J, shape (...,), of knots of shape (..., K + 1)."""

    @abstractmethod
    def gradient(self, knots: Array) -> Array:
        """dJ / d lambda, shape (..., K + 1)."""


class AdditiveObjective(Objective):
    """An objective that is a sum of edge costs."""

    @abstractmethod
    def cost(self, a: Array, b: Array) -> Array:
        """The edge cost c(a, b) for a < b, elementwise."""

    @abstractmethod
    def edge(self, a: Array, b: Array) -> Edge:
        """The edge cost with its derivatives, elementwise."""

    def value(self, knots: Array) -> Array:
        return np.asarray(self.cost(knots[..., :-1], knots[..., 1:]).sum(axis=-1))

    def gradient(self, knots: Array) -> Array:
        edge = self.edge(knots[..., :-1], knots[..., 1:])
        return scatter(edge.a, edge.b)

    def hessian(self, knots: Array) -> tuple[Array, Array]:
        """Diagonal, shape (..., K + 1), and off-diagonal, shape (..., K), of the tridiagonal Hessian."""
        edge = self.edge(knots[..., :-1], knots[..., 1:])
        return scatter(edge.aa, edge.bb), edge.ab


def scatter(starts: Array, ends: Array) -> Array:
    """Add what each edge gives to its first knot and to its second knot: shape (..., K) to (..., K + 1)."""
    total = np.zeros((*starts.shape[:-1], starts.shape[-1] + 1))
    total[..., :-1] = starts
    total[..., 1:] += ends
    return total
