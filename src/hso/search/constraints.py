"""What the knots must satisfy besides a small objective: ranges, a least distance, where a run begins."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from hso.errors import ArgumentError, check_real
from hso.noise import NoiseSchedule
from hso.objectives import Objective
from hso.objectives.base import Range
from hso.objectives.error_proxy import PUBLISHED
from hso.search.windows import Boundary


@dataclass(frozen=True)
class Box:
    """The upper level's search box. The default ranges are those of the authors' program; the paper does not print them.

    Attributes:
        rho: Range of the exponent of Eq. 2.
        t_min: Range of the last knot's time.
        t_max: Range of the first node's time.

    Raises:
        ArgumentError: If a range is reversed or outside [0, 1], or the range of t_min is not below the range of t_max.
    """

    rho: Range = (3.0, 16.0)
    t_min: Range = PUBLISHED.t_min
    t_max: Range = PUBLISHED.t_max

    def __post_init__(self) -> None:
        for name, low, high in (("rho", 0.1, 1000.0), ("t_min", 0.0, 1.0), ("t_max", 0.0, 1.0)):
            object.__setattr__(self, name, _check_range(name, getattr(self, name), low, high))
        if self.t_min[1] >= self.t_max[0]:
            raise ArgumentError("t_min", f"a range below that of t_max, {self.t_max}", self.t_min)

    def inside(self, noise: NoiseSchedule) -> Box:
        """The part of this box in which the noise schedule has nodes.

        Raises:
            ArgumentError: If there is none.
        """
        low, high = noise.t_range
        for name, (start, end) in (("t_min", self.t_min), ("t_max", self.t_max)):
            if end < low or start > high:
                expected = f"a range that meets [{low:g}, {high:g}], where {noise.name} has nodes"
                raise ArgumentError(name, expected, (start, end))
        t_min = (max(self.t_min[0], low), max(self.t_min[1], low))
        t_max = (min(self.t_max[0], high), min(self.t_max[1], high))
        return Box(self.rho, t_min, t_max)

    def moved_into(self, noise: NoiseSchedule) -> Box:
        """The part of this box in which the noise schedule has nodes; a range beyond an end becomes that end.

        A model of few training steps has its first at a large t, for example 1 / 20 of 20 steps, and a box that nobody
        asked for must not be refused for it.
        """
        low, high = noise.t_range
        t_min, t_max = (
            (min(max(start, low), high), min(max(end, low), high)) for start, end in (self.t_min, self.t_max)
        )
        return Box(self.rho, (low, low) if t_min[1] >= t_max[0] else t_min, t_max)

    def share_of(self, whole: Box, noise: NoiseSchedule) -> float:
        """How wide this box is in t, from its smallest t_min to its largest t_max, as a share of the width of another box.

        A rule for the least distance was made for the whole box. The same nodes in a shorter range lie closer together.
        """
        widest = whole.moved_into(noise)
        return (self.t_max[1] - self.t_min[0]) / (widest.t_max[1] - widest.t_min[0])

    def beginning_at(self, start: float, noise: NoiseSchedule) -> Box:
        """This box, which lies inside the noise schedule, for a run whose first node is at time ``start``.

        Raises:
            ArgumentError: If ``start`` is not between the range of t_min and the noisiest time of the noise schedule.
        """
        low, high = self.t_min[1], noise.t_range[1]
        if not low < start <= high:
            expected = (
                f"a time above {low:g}, where the range of t_min ends, and up to {high:g}, the noisiest of {noise.name}"
            )
            raise ArgumentError("start", expected, start)
        return Box(self.rho, self.t_min, (start, start))


@dataclass(frozen=True)
class Constraints:
    """What the knots must satisfy. If an attribute is None, the objective and the noise schedule make the choice.

    Attributes:
        box: Ranges of the ends, in t; ``Box()`` is the published one.
        d_min: Least distance of knots in t; 0 allows any distance. If None, the objective gives the distance. A run
            over a part of the objective's range has a distance that is shorter in the same proportion.
        start: Time of the first node, for a run that begins part-way: the strength of image-to-image. For a noise level
            pass ``noise.time_of_sigma(sigma)``.
        boundary: Where the model changes networks, and how many nodes each network gets at least. A number is the time
            of the change, with at least one node on each side. If None, it is the model's own boundary, if a schedule
            can keep it.

    Raises:
        ArgumentError: If a value is unusable.

    Example:
        >>> Constraints(start=0.6, boundary=0.9).boundary
        Boundary(t=0.9, nodes=1)
    """

    box: Box | None = None
    d_min: float | None = None
    start: float | None = None
    boundary: Boundary | float | None = None

    def __post_init__(self) -> None:
        if self.box is not None and not isinstance(self.box, Box):
            raise ArgumentError("box", "a Box, such as Box(t_min=(0.01, 0.03), t_max=(0.96, 1.0))", self.box)
        if self.d_min is not None:
            object.__setattr__(self, "d_min", check_real("d_min", self.d_min, 0.0, 1.0))
        if self.start is not None:
            object.__setattr__(self, "start", check_real("start", self.start, 0.0, 1.0, "a time; noise is t = 1"))
            if self.box is not None and self.box.t_max not in (Box.t_max, (self.start, self.start)):
                raise ArgumentError(
                    "start", "none with a range of t_max, because both say where the run begins", self.start
                )
        if self.boundary is not None and not isinstance(self.boundary, Boundary):
            object.__setattr__(self, "boundary", Boundary(self.boundary))

    def filled_in(self, noise: NoiseSchedule, objective: Objective, distance: float) -> Constraints:
        """A copy in which every None is replaced by a value. Only the boundary may stay None.

        Args:
            noise: The noise schedule.
            objective: Whose ranges the ends have.
            distance: The least distance for the whole range.

        Raises:
            ArgumentError: If the noise schedule has no nodes in a range.
        """
        ends = objective.ends(noise, self.start)
        own = Box(t_min=ends.t_min, t_max=ends.t_max)
        whole = own.moved_into(noise) if self.box is None else self.box.inside(noise)
        part = whole if self.start is None else whole.beginning_at(self.start, noise)
        if self.d_min is not None:
            return replace(self, box=part)
        return replace(self, box=part, d_min=distance * part.share_of(self.box or Box(), noise))


def _check_range(name: str, value: Any, low: float, high: float) -> Range:
    expected = f"two numbers low <= high in [{low:g}, {high:g}]"
    try:
        start, end = value
    except (TypeError, ValueError):
        raise ArgumentError(name, expected, value) from None
    start, end = check_real(name, start, low, high), check_real(name, end, low, high)
    if start > end or not math.isfinite(start + end):
        raise ArgumentError(name, expected, value, "reversed?")
    return start, end
