r"""What an objective is.

An objective judges knots :math:`\lambda_0 < \dots < \lambda_K` by one number that should be small. It has two parts. An
:class:`Objective` is a set of frozen settings, such as ``MEP(p=2)``. With a model's noise schedule it makes a
:class:`KnotFunction`, a pure function of the knots. The last axis of its argument holds the knots, and the other axes
are a batch.

The class of a function says what it can give, and a strategy asks for what it needs:

==========================  ==============================================================================
:class:`KnotFunction`       the value
:class:`SmoothFunction`     the value and its gradient
:class:`EdgeSum`            an edge cost; the value is its sum over consecutive knots
:class:`SmoothEdgeSum`      an edge cost with first and second derivatives
:class:`TabulatedSum`       edge costs between the points of a table only
==========================  ==============================================================================

If the function is a sum over consecutive knots,

.. math::
    J(\lambda_0, \dots, \lambda_K) = \sum_{i=0}^{K-1} c(\lambda_i, \lambda_{i+1}),

then c is its *edge cost*. The best knots on a grid are then a shortest path, and the Hessian is tridiagonal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np

from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.solvers import Solver

# The complex step does not subtract two values, so a step as small as this gives a derivative that is exact to
# rounding.
COMPLEX_STEP = 1e-30

Range = tuple[float, float]


class Ends(NamedTuple):
    """Where the last knot and the first node may lie by default: two ranges of t."""

    t_min: Range
    t_max: Range


class Edge(NamedTuple):
    """An edge cost c(a, b) and its first and second derivatives, elementwise."""

    value: Array
    a: Array
    b: Array
    aa: Array
    ab: Array
    bb: Array


class KnotFunction(ABC):
    """An objective on a noise schedule.

    Attributes:
        noise: The noise schedule.
        costs_jump: Whether the step to the clean sample (the jump) has a cost. If it has, the knots of a run that ends
            clean have one more entry, which stands for the clean sample.
    """

    noise: NoiseSchedule
    costs_jump: bool = False

    @abstractmethod
    def value(self, knots: Array) -> Array:
        """J, shape (...,), of knots of shape (..., K + 1)."""


class SmoothFunction(KnotFunction):
    """A function with a gradient."""

    @abstractmethod
    def gradient(self, knots: Array) -> Array:
        """dJ / d lambda, shape (..., K + 1)."""

    def value_and_gradient(self, knots: Array) -> tuple[Array, Array]:
        """J and its gradient. A function that can compute both at once overrides this."""
        return self.value(knots), self.gradient(knots)


class EdgeSum(KnotFunction):
    """A sum of edge costs."""

    @abstractmethod
    def cost(self, a: Array, b: Array) -> Array:
        """The edge cost c(a, b) for a < b, elementwise."""

    def value(self, knots: Array) -> Array:
        return np.asarray(self.cost(knots[..., :-1], knots[..., 1:]).sum(axis=-1))


class SmoothEdgeSum(EdgeSum, SmoothFunction):
    """A sum of edge costs that have derivatives."""

    @abstractmethod
    def edge(self, a: Array, b: Array) -> Edge:
        """The edge cost with its derivatives, elementwise."""

    def gradient(self, knots: Array) -> Array:
        edge = self.edge(knots[..., :-1], knots[..., 1:])
        return scatter(edge.a, edge.b)

    def hessian(self, knots: Array) -> tuple[Array, Array]:
        """Diagonal, shape (..., K + 1), and off-diagonal, shape (..., K), of the tridiagonal Hessian."""
        edge = self.edge(knots[..., :-1], knots[..., 1:])
        return scatter(edge.aa, edge.bb), edge.ab


class TabulatedSum(KnotFunction):
    r"""A sum of edge costs that are known between the points of a table: :math:`J = \sum_k \gamma^k C_{i_k i_{k+1}}`.

    Args:
        noise: The noise schedule.
        points: :math:`\lambda` of the points, shape (M,), increasing.
        costs: C, shape (M, M): from point i (row) to point j (column), infinite unless j > i.
        gamma: :math:`\gamma`.
        costs_jump: See :class:`KnotFunction`.
    """

    def __init__(
        self, noise: NoiseSchedule, points: Array, costs: Array, gamma: float = 1.0, costs_jump: bool = False
    ) -> None:
        self.noise, self.points, self.costs, self.gamma, self.costs_jump = noise, points, costs, gamma, costs_jump

    def value(self, knots: Array) -> Array:
        """J of the points of the table that are nearest to the knots."""
        after = np.clip(np.searchsorted(self.points, knots), 1, len(self.points) - 1)
        places = after - (knots - self.points[after - 1] < self.points[after] - knots)
        weights = self.gamma ** np.arange(knots.shape[-1] - 1)
        return np.asarray((weights * self.costs[places[..., :-1], places[..., 1:]]).sum(axis=-1))


class Objective(ABC):
    """What a strategy minimizes: frozen settings. A new one is one file and one line in ``hso.objectives.OBJECTIVES``.

    Attributes:
        name: Its name in :func:`hso.optimize` and ``--objective``.
        strategy: Name of the strategy that searches with it by default.
    """

    name: str
    strategy: str = "exact"

    @property
    def most_nodes(self) -> int | None:
        """The largest number of nodes that it can judge. None means that only the noise schedule limits the number."""
        return None

    @abstractmethod
    def on(self, noise: NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> KnotFunction:
        """The function of the knots for a run with this solver.

        Args:
            noise: The noise schedule.
            solver: The solver.
            terminal: Where the run ends: "clean" or "t_min".
            start: Time of the first node, for a run that begins part-way.

        Raises:
            ArgumentError: If the objective cannot judge such a run.
        """

    def ends(self, noise: NoiseSchedule, start: float | None = None) -> Ends:
        """Where the ends may lie by default: at the ends of the noise schedule.

        Args:
            noise: The noise schedule.
            start: Time of the first node, for a run that begins part-way. The range of t_max is then not used.
        """
        cleanest, noisiest = noise.t_range
        return Ends((cleanest, cleanest), (noisiest, noisiest))

    def distance(self, nodes: int) -> float:
        """The default least distance of knots in t."""
        return 0.0


def scatter(starts: Array, ends: Array) -> Array:
    """Add the contributions of all edges to their first and second knots: shape (..., K) becomes (..., K + 1)."""
    total = np.zeros((*starts.shape[:-1], starts.shape[-1] + 1))
    total[..., :-1] = starts
    total[..., 1:] += ends
    return total
