r"""The same search without a model of the student: Nelder-Mead by true losses.

It shows what a calibration is worth. Tuning images, loss, safe schedules and verdict are those of :func:`hso.tune`, and so
is the number of network calls, that of a calibration included. Only the way to the next schedule is another one: the
simplex moves in

.. math::
    (\lambda_0,\; \log(\lambda_1 - \lambda_0),\; \dots,\; \log(\lambda_K - \lambda_{K-1}))

from the best safe schedule, and every schedule that it asks about is run. Where the last knot leaves the range of the noise
schedule, all gaps shrink by one factor.

References:
    | A Simplex Method for Function Minimization (Nelder and Mead, 1965)
    | https://doi.org/10.1093/comjnl/7.4.308
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from hso.models.bands import Bands, fit_bands
from hso.models.images import Images
from hso.models.recording import Recording, Trial, record_teacher
from hso.noise.base import Array
from hso.objectives import Replay
from hso.schedule import SamplingSchedule
from hso.search import Constraints
from hso.search.windows import CLOSEST
from hso.solvers import Solver
from hso.team import Team
from hso.tuning.candidates import HOST, Candidate, safe_candidates
from hso.tuning.losses import BandLoss, FeatureLoss, Loss
from hso.tuning.panel import Panel, Recorder, Setting
from hso.tuning.store import Ledger, Store
from hso.tuning.task import Task
from hso.tuning.tune import split
from hso.tuning.verdict import Runs, Verdict, judge
from hso.tuning.walk import WALKS

# First size of the simplex, in lambda and in logarithms of gaps.
SIZE = 0.4


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        schedule: The best schedule, or the best safe one where fresh images do not confirm it.
        found: The best schedule on the tuning images.
        loss: Its true loss there.
        safe: The best safe schedule there, and its loss.
        verdict: What fresh images say; None if nothing better than the safe schedule was found.
        calls: Network calls of one image.
        runs: Number of schedules that were run in the search.
    """

    schedule: SamplingSchedule
    found: SamplingSchedule
    loss: float
    safe: Candidate
    verdict: Verdict | None
    calls: int
    runs: int


class _SpentError(Exception):
    """No further run is affordable."""


def search_by_rollouts(
    setting: Setting,
    solver: Solver,
    images: Images,
    nfe: int,
    terminal: str,
    further: int,
    team: Team | None = None,
) -> Searched:
    """The best schedule that Nelder-Mead finds with the network calls that :func:`hso.tune` has.

    Args:
        setting: How students and the teacher are run.
        solver: The students' solver.
        images: The images; the last third is for the verdict.
        nfe: Number of network calls of an image.
        terminal: Where runs end.
        further: Network calls of one image besides those that a tuning with a calibration may make: what the calibration
            costs.
        team: The processes that share the images.

    Raises:
        ArgumentError: If an argument is unusable.
    """
    tuning, verdict = split(images, None, None)
    task = Task(setting, (solver,), nfe, terminal, Constraints(), None, tuning.count, verdict.count, 0)
    safe = list(safe_candidates(task.blind, None))
    ledger = Ledger(task.budget(None, len(safe), False) + further, None)
    store = Store(None, {})
    panel = _panel(Recorder("tuning", setting, tuning, store, ledger, team))
    true: Loss = BandLoss(panel.bands, Replay.kappa) if setting.features is None else FeatureLoss()
    search = _Search(task, panel, true)
    best = search.best_of(safe)
    found, loss = search.run_from(best)
    judged = None
    if found != best.schedule:
        fresh = Recorder("fresh", setting, verdict, store, ledger, team).panel(panel.bands)
        judged = judge(true, *(_runs(one, Trial(solver, found), best) for one in (panel, fresh)))
    chosen = found if judged is None or judged.is_confirmed else best.schedule
    made = {"strategy": "simplex", "objective": "rollouts", "safe": best.name, **task.record(None)}
    return Searched(replace(chosen, provenance=made), found, loss, best, judged, ledger.calls, search.runs)


class _Search:
    """The true loss of schedules on a panel, and how much of it may be asked.

    Args:
        task: What is asked.
        panel: The tuning images.
        loss: The loss.
    """

    def __init__(self, task: Task, panel: Panel, loss: Loss) -> None:
        self.task, self.panel, self.loss, self.runs = task, panel, loss, 0
        self.noise, self.ledger = task.setting.plan.noise, panel.recorder.ledger
        self.cost = task.tuning * task.nfe
        self._best: tuple[float, SamplingSchedule] | None = None

    def of(self, schedule: SamplingSchedule, parts: int | None = None) -> float:
        """The true loss, on all tuning images or on the first parts of them."""
        trial = Trial(self.task.solvers[0], schedule)
        ends = self.panel.rollout(trial, "the simplex", parts).ends
        return self.loss.of(ends, self.panel.teacher(parts))

    def best_of(self, safe: list[Candidate]) -> Candidate:
        """The best safe schedule. The best few on the first images, and the host's default, are run on the rest."""
        once = [one for place, one in enumerate(safe) if all(one.schedule != other.schedule for other in safe[:place])]
        ranked = sorted(once, key=lambda one: self.of(one.schedule, self.panel.first))
        going = {one.name for one in ranked[:WALKS]} | {HOST}
        ran = [one._replace(loss=self.of(one.schedule)) for one in once if one.name in going]
        return min(ran, key=lambda one: one.loss)

    def run_from(self, best: Candidate) -> tuple[SamplingSchedule, float]:
        """The best schedule that Nelder-Mead runs, and its loss."""
        from scipy.optimize import minimize

        self._best = best.loss, best.schedule
        start = _free(best.schedule.knots)
        simplex = np.concatenate((start[None], start + SIZE * np.eye(len(start))))
        options = {"initial_simplex": simplex, "maxfev": 10**6}
        with suppress(_SpentError):
            minimize(self._value, start, method="Nelder-Mead", options=options)
        loss, schedule = self._best
        return schedule, loss

    def _value(self, free: Array) -> float:
        knots = self._inside(_knots(free))
        if not np.all(-np.diff(self.noise.time(knots)) >= CLOSEST):
            return np.inf
        if self.ledger.left - self.task.verdict < self.cost:
            raise _SpentError
        schedule = SamplingSchedule.from_knots(self.noise, knots, self.task.terminal)
        self.runs += 1
        loss = self.of(schedule)
        if self._best is not None and loss < self._best[0]:
            self._best = loss, schedule
        return loss

    def _inside(self, knots: Array) -> Array:
        """The knots, moved together until the last one is in the range of the noise schedule."""
        low, high = self.noise.lambda_(np.array(self.noise.t_range))[::-1]
        first = np.clip(knots[0], low, high)
        reached = knots - knots[0]
        return np.asarray(first + reached * min(1.0, (high - first) / max(reached[-1], np.finfo(float).tiny)))


def _panel(recorder: Recorder) -> Panel:
    """The panel, with bands that its own first part decides, as those of a calibration are decided."""
    plan, images, recorded = recorder.setting.plan, recorder.images, list[Recording]()

    def fitted() -> Bands | None:
        recorded.extend(record_teacher(plan, *images.batch(part)) for part in recorder.parts)
        return fit_bands(recorded[0].data[-1]) if recorder.team.is_first else None

    # The first process has the first part.
    bands = recorder.team.together("the bands of a search", fitted)[0]
    assert bands is not None
    parts = [recorder.keep(part, bands, one) for part, one in zip(recorder.parts, recorded, strict=True)]
    recorder.ledger.charge(images.count * plan.teacher_calls)
    return Panel(recorder, bands, parts)


def _runs(panel: Panel, found: Trial, safe: Candidate) -> Runs:
    mine, theirs = (panel.rollout(one, "the verdict").ends for one in (found, safe.trial))
    return Runs(mine, theirs, panel.teacher())


def _free(knots: Array) -> Array:
    return np.concatenate((knots[:1], np.log(np.diff(knots))))


def _knots(free: Array) -> Array:
    return np.cumsum(np.concatenate((free[:1], np.exp(free[1:]))))
