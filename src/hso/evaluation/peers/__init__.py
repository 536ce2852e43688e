"""Schedules that others compute from a model; those that need none are rules (:mod:`hso.rules`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hso.evaluation.peers.gits import best_path, deviation_costs, gits
from hso.evaluation.peers.klub import klub, klub_costs
from hso.evaluation.peers.score_optimal import arc_lengths, score_optimal
from hso.evaluation.peers.teacher import Teacher, Trajectory
from hso.schedule import SamplingSchedule

# A new peer is one file and one line here: teacher, number of nodes and terminal to schedule.
PEERS: Mapping[str, Callable[[Teacher, int, str], SamplingSchedule]] = {
    "gits": gits,
    "score_optimal": score_optimal,
    "klub": klub,
}

__all__ = [
    "PEERS",
    "Teacher",
    "Trajectory",
    "arc_lengths",
    "best_path",
    "deviation_costs",
    "gits",
    "klub",
    "klub_costs",
    "score_optimal",
]
