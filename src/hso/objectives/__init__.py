"""What a good schedule minimizes: pure functions of lambda, with derivatives."""

from collections.abc import Mapping

from hso.objectives.base import AdditiveObjective, Edge, Objective
from hso.objectives.dm_nonuniform import DMNonUniform
from hso.objectives.mep import MEP
from hso.objectives.spacing import GAMMA, d_min, spacing_penalty

# A new objective is one file and one line here.
OBJECTIVES: Mapping[str, type[Objective]] = {
    "mep": MEP,
    "dm_nonuniform": DMNonUniform,
}

__all__ = [
    "GAMMA",
    "MEP",
    "OBJECTIVES",
    "AdditiveObjective",
    "DMNonUniform",
    "Edge",
    "Objective",
    "d_min",
    "spacing_penalty",
]
