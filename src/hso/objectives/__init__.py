"""What a good schedule minimizes. Analytic objectives need the noise schedule only; measured ones need a teacher."""

from __future__ import annotations

from collections.abc import Mapping

from hso.objectives.base import (
    Edge,
    EdgeSum,
    Ends,
    KnotFunction,
    Objective,
    SmoothEdgeSum,
    SmoothFunction,
    TabulatedSum,
)
from hso.objectives.dm_nonuniform import DMNonUniform
from hso.objectives.gits import GITS
from hso.objectives.klub import KLUB
from hso.objectives.mep import MEP
from hso.objectives.oss import OSS
from hso.objectives.replay import Replay
from hso.objectives.score_optimal import ScoreOptimal
from hso.objectives.spacing import GAMMA, d_min, spacing_penalty
from hso.objectives.watson import Watson
from hso.registry import make

# A new objective is one file and one line here.
OBJECTIVES: Mapping[str, type[Objective]] = {
    "mep": MEP,
    "dm_nonuniform": DMNonUniform,
    "gits": GITS,
    "klub": KLUB,
    "watson": Watson,
    "score_optimal": ScoreOptimal,
    "oss": OSS,
    "replay": Replay,
}


def make_objective(objective: str | Objective) -> Objective:
    """The objective of this name, with settings if they follow it, or the objective itself.

    Raises:
        ArgumentError: If the name or a setting is unknown, or the objective needs a teacher, which no name can give.

    Example:
        >>> make_objective("mep:p=1").p
        1.0
    """
    return make("objective", objective, OBJECTIVES, Objective)  # type: ignore[type-abstract]  # only isinstance is asked


__all__ = [
    "GAMMA",
    "GITS",
    "KLUB",
    "MEP",
    "OBJECTIVES",
    "OSS",
    "DMNonUniform",
    "Edge",
    "EdgeSum",
    "Ends",
    "KnotFunction",
    "Objective",
    "Replay",
    "ScoreOptimal",
    "SmoothEdgeSum",
    "SmoothFunction",
    "TabulatedSum",
    "Watson",
    "d_min",
    "make_objective",
    "spacing_penalty",
]
