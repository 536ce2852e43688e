r"""The search by rollouts: walks from several schedules, each in a trust region.

A walk stands at a schedule that was run. It looks for the least surrogate (:mod:`hso.tuning.surrogate`) where each knot
moves by no more than a share of the gaps beside it, the *radius*, and runs what it finds for real. If coefficients are
learned (:mod:`hso.search.learned`), those for the new knots are learned before, on the corrected student and near the old
ones, and the first images decide between both. The walk goes there only if the true loss falls. The radius grows where the
surrogate was right, and shrinks where it was not.

Several walks share what was run. After each round the worst walk ends.

References:
    | Trust-Region Methods (Conn, Gould and Toint, 2000), Algorithm 6.1.1
    | https://doi.org/10.1137/1.9780898719857
    | Non-stochastic Best Arm Identification and Hyperparameter Optimization (Jamieson and Talwalkar, 2016)
    | https://arxiv.org/abs/1502.07943
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from hso.models.calibration import Calibration
from hso.models.recording import Trial
from hso.noise.base import Array
from hso.objectives import Replay
from hso.objectives.replay import ReplayFunction
from hso.schedule import SamplingSchedule
from hso.search import Free, Problem
from hso.search.learned import as_learned, taught
from hso.search.windows import Windows
from hso.solvers import Solver
from hso.tuning.corrected import Recorded, corrected
from hso.tuning.losses import Loss
from hso.tuning.panel import Panel
from hso.tuning.sums import Rollout
from hso.tuning.surrogate import Surrogate, gaps

# Walks at first, and steps of each before the worst ends.
WALKS, ROUND = 3, 3
# How often a walk begins again at the best schedule when all have ended.
RESTARTS = 3


@dataclass(frozen=True)
class WalkSettings:
    """How walks go.

    Attributes:
        radius: First share of the gaps by which knots may move.
        widest: Greatest radius.
        narrowest: A walk whose radius is smaller has ended.
        grow: Factor of the radius where the surrogate was right.
        shrink: Factor of the radius where it was not.
        beta: How much what is not known yet is favoured.
        worse: A schedule that is worse by this factor on the first images is not run on the rest.
        near: Schedules that were run count for the surrogate up to this distance of a knot, in gaps.
        caution: How near the coefficients of the next solver are to the last ones, as in :class:`hso.search.Learn`; None
            if they are not learned.
    """

    radius: float = 0.3
    widest: float = 1.0
    narrowest: float = 0.04
    grow: float = 1.6
    shrink: float = 0.5
    beta: float = 0.5
    worse: float = 1.2
    near: float = 3.0
    caution: float | None = None


class Tried(NamedTuple):
    """A solver and a schedule that were run on all images of the panel."""

    trial: Trial
    loss: float
    rollout: Rollout

    @property
    def knots(self) -> Array:
        """The knots of the schedule."""
        return self.trial.schedule.knots


@dataclass(frozen=True)
class Near(Problem):
    """A problem with narrower windows."""

    region: Windows = field(default_factory=lambda: Windows(np.empty(0), np.empty(0)))

    @property
    def windows(self) -> Windows:
        return self.region


class Course:
    """What all walks share: the images, the loss, and what was run.

    Args:
        panel: The images.
        loss: The true loss.
        problem: From a solver to what is asked of its knots.
        replay: The objective on what was measured of the images of the panel.
        settings: How walks go.
        seed: Seed of the searches.
    """

    def __init__(
        self,
        panel: Panel,
        loss: Loss,
        problem: Callable[[Solver], Problem],
        replay: Replay,
        settings: WalkSettings,
        seed: int,
    ) -> None:
        self.panel, self.loss, self.problem, self.replay = panel, loss, problem, replay
        self.settings, self.seed = settings, seed
        self.recorded: Recorded = panel.recorded
        self.teacher, self.first = panel.teacher(), panel.teacher(panel.first)
        self.tried: list[Tried] = []
        # What was given up after the first images, and what the loss would have been.
        self.guessed: list[tuple[Trial, float]] = []
        self.steps = 0

    @property
    def known(self) -> Calibration:
        return self.replay.calibration

    def first_loss(self, trial: Trial, who: str) -> float:
        """The loss on the first images."""
        return self.loss.of(self.panel.rollout(trial, who, self.panel.first).ends, self.first)

    def run(self, trial: Trial, who: str) -> Tried:
        """A solver and a schedule on all images."""
        for one in self.tried:
            if one.trial == trial:
                return one
        rollout = self.panel.rollout(trial, who)
        self.tried.append(Tried(trial, self.loss.of(rollout.ends, self.teacher), rollout))
        return self.tried[-1]

    def model(self, at: Tried) -> ReplayFunction:
        """The replay that is corrected by a rollout."""
        solver, levels = at.trial.solver, self.panel.setting.levels(at.trial)
        made = corrected(self.known, self.recorded, at.rollout.misses, levels, self.replay.gains)
        problem = self.problem(solver)
        return replace(self.replay, calibration=made).on(problem.noise, solver, problem.terminal)

    def surrogate(self, at: Tried, beta: float) -> Surrogate:
        """What is expected near a schedule that was run."""
        model, centre, here = self.model(at), at.knots, self.settings
        others = [(one.trial, one.loss) for one in self.tried if one is not at] + self.guessed
        known = [(trial.schedule.knots, loss) for trial, loss in others if trial.solver == at.trial.solver]
        near = [one for one in known if np.abs((one[0] - centre) / gaps(centre)).max() <= here.near]
        knots, losses = map(np.array, zip((centre, at.loss), *near, strict=True))
        scale = self.loss.scale(losses, model.value(knots))
        return Surrogate(model, model.noise, knots, losses, scale, beta)


class Walk:
    """One walk. It ``ended`` where its radius is too small.

    Args:
        course: What all walks share.
        start: Where it begins.
        name: What errors call that.
        boldness: Factor of the first radius and of beta.
    """

    def __init__(self, course: Course, start: Tried, name: str, boldness: float = 1.0) -> None:
        self.course, self.at, self.name, self.boldness = course, start, name, boldness
        self.radius = min(boldness * course.settings.radius, course.settings.widest)
        self.ended = False

    def step(self) -> None:
        """Look for a better schedule nearby, run it, and go there if it is better."""
        course, settings, here = self.course, self.course.settings, self.at.trial
        course.steps += 1
        surrogate = course.surrogate(self.at, self.boldness * settings.beta)
        knots = self._least(surrogate)
        expected = self.at.loss - surrogate.expected(knots)
        problem = course.problem(here.solver)
        schedule = SamplingSchedule.from_knots(problem.noise, knots, problem.terminal)
        who = f"step {course.steps} from {self.name}"
        before = course.first_loss(here, self.name)
        # The first images decide whether other coefficients are any better.
        after, trial = min(
            ((course.first_loss(trial, who), trial) for trial in self._trials(schedule)), key=lambda one: one[0]
        )
        if trial == here or after > settings.worse * before:
            if trial != here:
                course.guessed.append((trial, self.at.loss * after / before))
            self._narrow()
            return
        found = course.run(trial, who)
        gain = self.at.loss - found.loss
        if gain <= 0:
            self._narrow()
            return
        self.at = found
        if gain > 0.5 * expected:
            self.radius = min(settings.grow * self.radius, settings.widest)

    def _narrow(self) -> None:
        self.radius *= self.course.settings.shrink
        self.ended = self.radius < self.course.settings.narrowest

    def _least(self, surrogate: Surrogate) -> Array:
        """The knots of the least surrogate in the region."""
        problem, centre = self.course.problem(self.at.trial.solver), self.at.knots
        near = Near(surrogate, problem.nodes, problem.terminal, problem.constraints, region=self._region(centre))
        search = Free(changes=20, spread=1.0, descents=3, iterations=60)
        return search.minima(near, centre[None], self.course.seed + self.course.steps).knots[0]

    def _trials(self, schedule: SamplingSchedule) -> Iterator[Trial]:
        """The next schedule with the same solver, and with other coefficients if they are learned."""
        caution, solver = self.course.settings.caution, self.at.trial.solver
        yield Trial(solver, schedule)
        if caution is not None:
            yield Trial(self._taught(schedule.knots, solver, caution), schedule)

    def _taught(self, knots: Array, solver: Solver, caution: float) -> Solver:
        here = as_learned(solver, solver.nfe(self.course.problem(solver).nodes))
        # What is near is known better: the narrower the region of the knots, the nearer the offsets.
        weight = caution * self.at.loss * (self.course.settings.radius / self.radius) ** 2
        return taught(self.course.model(self.at), knots, here, here, weight).solver

    def _region(self, centre: Array) -> Windows:
        problem = self.course.problem(self.at.trial.solver)
        steps = np.diff(centre)
        before, after = np.append(steps[:1], steps), np.append(steps, steps[-1:])
        if len(steps) == 0:
            before = after = np.ones(1)
        low, high = problem.noise.lambda_(np.array(problem.noise.t_range))[::-1]
        times = [
            problem.noise.time(np.clip(centre + move, low, high))
            for move in (self.radius * after, -self.radius * before)
        ]
        whole = problem.windows
        return Windows(np.maximum(times[0], whole.low), np.minimum(times[1], whole.high))


def search(course: Course, starts: Sequence[tuple[str, Tried]], affords: Callable[[int], bool]) -> Tried:
    """The best schedule that walks find.

    Args:
        course: What they share.
        starts: Where they may begin, with names, the best first.
        affords: Whether so many network calls may still be made.
    """
    cost = course.panel.images.count * course.panel.setting.calls(starts[0][1].trial)
    walks = [Walk(course, start, name) for name, start in starts[:WALKS]]
    restarts = 0
    while affords(cost):
        if not walks:
            # What was missed is farther away, where less is known: look there.
            restarts += 1
            if restarts > RESTARTS:
                break
            best = min(course.tried, key=lambda one: one.loss)
            walks = [Walk(course, best, "the best", boldness=2.0**restarts)]
        for walk in walks:
            for _ in range(ROUND):
                if affords(cost) and not walk.ended:
                    walk.step()
        going = sorted((walk for walk in walks if not walk.ended), key=lambda walk: walk.at.loss)
        walks = going[: max(len(walks) - 1, 1)]
    return min(course.tried, key=lambda one: one.loss)
