"""Contestants that call the subject's own network to find their schedule, and count these calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from hso.calibrate import calibrate_images
from hso.comparison.contestants.task import NotServedError, Prepared, ScheduleTask
from hso.comparison.subjects.base import CALIBRATION_IMAGES, TUNING_IMAGES
from hso.models.calibration import Calibration
from hso.models.exact import Denoiser
from hso.models.images import Images
from hso.models.recording import Plan
from hso.models.teacher import Teacher
from hso.objectives import GITS, KLUB, OSS, Objective, ScoreOptimal, Watson
from hso.optimize import optimize
from hso.search import Tell, make_strategy
from hso.solvers import Node
from hso.tuning.panel import Setting
from hso.tuning.simplex import search_by_rollouts
from hso.tuning.tune import tune

# Objectives that are tables of what a teacher showed, whatever the solver and the number of nodes.
PEERS: Mapping[str, Callable[[Teacher], Objective]] = {
    "gits": GITS,
    "score_optimal": ScoreOptimal,
    "klub": KLUB,
    "watson": Watson,
}
# Images of which a calibration is made, and with which schedules are tuned; a third of the latter passes the verdict.
CALIBRATED_WITH, TUNED_WITH = 64, 192
ALONE = "this model's network cannot be called by itself"


class CountedNetwork:
    """A network that counts its calls, where an image counts as one call."""

    def __init__(self, network: Callable[[Any, Node], Any]) -> None:
        self.network, self.calls = network, 0

    def __call__(self, x: Any, node: Node) -> Any:
        self.calls += len(x)
        return self.network(x, node)


def _counted(teacher: Teacher) -> tuple[Teacher, CountedNetwork]:
    """The same teacher on a network that counts its calls, and this network."""
    if isinstance(teacher.model, Denoiser):
        network = CountedNetwork(teacher.model.x0)
        return dataclasses.replace(teacher, model=network, prediction="sample"), network
    network = CountedNetwork(teacher.model)
    return dataclasses.replace(teacher, model=network), network


def _teacher(task: ScheduleTask) -> tuple[Teacher, CountedNetwork, int]:
    """The teacher of a plan, its network, and the calls of the trajectory.

    All peers share the trajectory, and each would have to make it if it were alone.
    """
    given = task.teacher
    if given is None:
        raise NotServedError(ALONE)
    teacher, network = task.once("teacher", lambda: _counted(given))
    shared = task.once("calls of the trajectory", lambda: len(teacher.trajectory.lambdas) * len(teacher.x))
    return teacher, network, shared


def peer(name: str, task: ScheduleTask) -> Prepared:
    """The optimum of an objective of :data:`PEERS`."""
    teacher, network, shared = _teacher(task)
    before = network.calls
    objective = task.once((name, "objective"), lambda: PEERS[name](teacher))
    # These objectives do not depend on the solver; DDIM has one node for each call.
    found = optimize(task.noise, task.nodes, solver="ddim", objective=objective, terminal=task.terminal)
    # Later tasks use what the first one measured.
    own = task.once((name, "calls"), lambda: network.calls - before)
    return Prepared(found.schedule, shared + own)


def oss(task: ScheduleTask) -> Prepared:
    """The nodes of OSS, which the solver does not change. Each number of nodes is searched by itself."""
    teacher, network, shared = _teacher(task)

    def search() -> Prepared:
        before = network.calls
        found = optimize(task.noise, task.nodes, solver="ddim", objective=OSS(teacher), terminal=task.terminal)
        return Prepared(found.schedule, shared + network.calls - before)

    return task.once(("oss", task.nodes, task.terminal), search)


def _calibration(task: ScheduleTask, tells: bool = False) -> Calibration:
    """The subject's calibration, made once for a plan."""
    plan, images = Plan(task.noise, task.prediction, tells=tells), _images(task, CALIBRATION_IMAGES, CALIBRATED_WITH)
    return task.once(("calibration", tells), lambda: calibrate_images(plan, images, team=task.team))


def _images(task: ScheduleTask, first: int, count: int) -> Images:
    if task.images is None:
        raise NotServedError(ALONE)
    return task.images(first, count)


def calibrated(task: ScheduleTask, strategy: str = "free") -> Prepared:
    """What :func:`hso.optimize` gives with a calibration of the subject."""
    known = _calibration(task, tells=make_strategy(strategy).name == Tell.name)
    found = optimize(
        task.noise, task.nfe, solver=task.solver, strategy=strategy, calibration=known, terminal=task.terminal
    )
    return Prepared(found.schedule, known.calls)


def tuned(task: ScheduleTask, strategy: str = "free") -> Prepared:
    """What :func:`hso.tune` gives with this calibration."""
    known = _calibration(task)
    found = tune(
        _images(task, TUNING_IMAGES, TUNED_WITH),
        task.noise,
        nfe=task.nfe,
        solver=task.solver,
        strategy=strategy,
        calibration=known,
        prediction=task.prediction,
        features=task.features,
        terminal=task.terminal,
        team=task.team,
    )
    return Prepared(found.schedule, known.calls + found.calls)


def rollout(task: ScheduleTask) -> Prepared:
    """What Nelder-Mead finds with the network calls of :func:`tuned`."""
    plan, images = Plan(task.noise, task.prediction), _images(task, TUNING_IMAGES, TUNED_WITH)
    further = CALIBRATED_WITH * plan.calls
    found = search_by_rollouts(
        Setting(plan, task.features), task.solver, images, task.nfe, task.terminal, further, task.team
    )
    return Prepared(found.schedule, found.calls)
