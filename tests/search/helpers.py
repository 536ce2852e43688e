"""Problems to search."""

from __future__ import annotations

from hso.noise import NoiseSchedule
from hso.objectives import d_min
from hso.objectives.mep import MidpointSum
from hso.search import Boundary, Box, Constraints, Problem


def mep_problem(
    noise: NoiseSchedule,
    nfe: int,
    terminal: str = "t_min",
    distance: float | None = None,
    box: Box | None = None,
    boundary: Boundary | None = None,
) -> Problem:
    """The paper's problem; the published distance by default."""
    published = d_min(nfe) if distance is None else distance
    constraints = Constraints((box or Box()).inside(noise), published, boundary=boundary)
    return Problem(MidpointSum(noise), nfe, terminal, constraints)
