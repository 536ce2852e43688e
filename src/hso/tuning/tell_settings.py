"""The settings of :mod:`hso.tuning.tell`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TellSettings:
    """How shifts are found.

    Attributes:
        caution: c, the weight of the shifts.
        rounds: Limit of the rounds.
        step: By how much a shift is changed to see what it does.
        radius: First limit of what a shift moves in a round.
        narrowest: The search ends if the limit is smaller.
        shrink: Factor of the limit if the loss did not fall.
        enough: The search ends if a round lowers the loss by less than this share.
    """

    caution: float = 0.1
    rounds: int = 3
    step: float = 0.05
    radius: float = 0.3
    narrowest: float = 0.03
    shrink: float = 1 / 3
    enough: float = 0.03

    def runs(self, nodes: int) -> int:
        """The usual number of runs on all images. A round has one run without a change, one for each node, and about two
        that test the result.
        """
        return self.rounds * (nodes + 3)
