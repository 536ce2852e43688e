r"""Windows: one interval of t for each knot.

The box says where the first and the last knot may lie. A boundary between two networks says how many nodes lie on each
side of it. Knots are in order, so these nodes are the first ones and the last ones. Both constraints therefore have the
same form: an interval :math:`[l_k, h_k]` for each knot k. Knots in these intervals with a distance d exist if and only
if

.. math::
    (j - i)\, d \le h_i - l_j \quad \text{for all } i \le j.

The *earliest* such knots are :math:`\min_{i \le k} (h_i - (k - i) d)`, and the *latest* are
:math:`\max_{j \ge k} (l_j + (j - k) d)`. All other such knots lie between them, and any weighted mean of the two also
keeps the distance and the intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hso.errors import check_integer, check_real
from hso.noise import NoiseSchedule
from hso.noise.base import Array

# A distance that is too short by less than this still counts as kept, because t itself is rounded.
ROUNDING = 1e-12
# Hosts keep nodes in float32, where nodes closer than this would be equal.
CLOSEST = 1e-6
MOST_NODES = 100_000


@dataclass(frozen=True)
class Boundary:
    """Where a model changes from one network to another, and how many nodes each network gets at least.

    Attributes:
        t: Time of the change. Nodes at or above it belong to the first network. Nodes of the second network lie at
            least one training timestep below it, so that rounding cannot move them to the first network.
        nodes: Least number of nodes on each side; 0 switches the constraint off.

    Raises:
        ArgumentError: If a value is unusable.

    Example:
        >>> noise = NoiseSchedule.preset("wan2.2")
        >>> Boundary(round(noise.boundary_time, 4), nodes=2)
        Boundary(t=0.3684, nodes=2)
    """

    t: float
    nodes: int = 1

    def __post_init__(self) -> None:
        cause = "a time, or a Boundary(t, nodes); noise is t = 1"
        object.__setattr__(self, "t", check_real("boundary", self.t, 0.0, 1.0, cause))
        object.__setattr__(self, "nodes", check_integer("nodes", self.nodes, 0, MOST_NODES))

    def below(self, noise: NoiseSchedule) -> float:
        """The noisiest time of the second network."""
        return self.t - 1 / noise.max_nfe


@dataclass(frozen=True)
class Windows:
    """Intervals of t, one for each knot.

    Attributes:
        low: Cleanest time of each knot, shape (K + 1,).
        high: Noisiest time of each knot, shape (K + 1,).
    """

    low: Array
    high: Array

    def earliest(self, distance: float) -> Array:
        """The noisiest knots that keep a distance, shape (K + 1,). They are feasible if none is below its window."""
        # The noisiest t_k is the smaller of h_k and t_{k-1} - d. So t_k + k d is a running minimum of h_k + k d.
        fall = distance * np.arange(len(self.high))
        return np.minimum.accumulate(self.high + fall) - fall

    def latest(self, distance: float) -> Array:
        """The cleanest knots that keep a distance, shape (K + 1,). They are feasible if none is above its window."""
        # The cleanest t_k is the larger of l_k and t_{k+1} + d. So t_k + k d is a running maximum, from the last knot
        # on.
        fall = distance * np.arange(len(self.low))
        return np.maximum.accumulate((self.low + fall)[::-1])[::-1] - fall

    def keep(self, distance: float) -> bool:
        """Whether knots with this distance exist."""
        return bool(np.all(self.earliest(distance) >= self.low - ROUNDING))

    def pinned(self, first: float, last: float) -> Windows:
        """These windows with both ends fixed."""
        low, high = self.low.copy(), self.high.copy()
        low[0] = high[0] = first
        low[-1] = high[-1] = last
        return Windows(low, high)

    def hold(self, times: Array) -> bool:
        """Whether each of these times lies in its window."""
        return bool(np.all((times >= self.low - ROUNDING) & (times <= self.high + ROUNDING)))

    def clip(self, candidates: Array) -> Array:
        """Move the candidates of each knot, shape (K + 1, M), into its window."""
        return np.clip(candidates, self.low[:, None], self.high[:, None])

    def ranges(self, times: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Where each window begins and stops among decreasing times; two arrays of shape (K + 1,)."""
        starts = np.searchsorted(-times, -(self.high + ROUNDING), side="left")
        stops = np.searchsorted(-times, -(self.low - ROUNDING), side="right")
        return starts, stops
