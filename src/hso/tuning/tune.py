r"""From a model, a budget and a solver to the schedule that is best when it is run for real.

Candidates are run from the same noise as a teacher of many steps. Walks go on from the best of them
(:mod:`hso.tuning.walk`), and fresh images pass the verdict (:mod:`hso.tuning.verdict`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hso.calibrate import calibrate_images
from hso.errors import ArgumentError
from hso.models.bands import Bands
from hso.models.calibration import LEAST_IMAGES, Calibration
from hso.models.images import Images
from hso.models.recording import Model, Plan, Recording, Trial
from hso.noise import NoiseSchedule
from hso.objectives import Replay
from hso.optimize import solvers_for
from hso.registry import settings_of
from hso.schedule import CLEAN, SamplingSchedule
from hso.search import Constraints, Free, Learn, Problem, Strategy, Tell, make_strategy
from hso.solvers import Solver
from hso.team import Team
from hso.tuning.candidates import HOST, Candidate, calibrated_candidates, distinct, safe_candidates
from hso.tuning.losses import BandLoss, FeatureLoss, Loss
from hso.tuning.panel import Features, Panel, Part, Recorder, Setting, first_part
from hso.tuning.store import Ledger, Progress, Store
from hso.tuning.task import Task
from hso.tuning.tell import tell
from hso.tuning.tell_settings import TellSettings
from hso.tuning.verdict import Gain, Runs, Verdict, judge
from hso.tuning.walk import WALKS, Course, Tried, WalkSettings, search
from hso.version import VERSION

# One of so many images is kept for the verdict.
FRESH = 3
# The teacher's ends on the tuning images and in a calibration of the same model differ in power by less than this factor.
UNLIKE = 4.0


@dataclass(frozen=True)
class Tuned:
    """A schedule that was run for real, and what is known of it.

    Attributes:
        schedule: The sampling schedule.
        found: The best solver and schedule that were found on the tuning images, whether fresh images confirm them or not.
        candidates: What the search began with, the best first; those that were given up early are last.
        loss: True loss of ``found`` on the tuning images.
        verdict: How much better ``found`` is than the best safe candidate, on fresh images and on all; None where it is
            the same.
        fell_back: Whether ``found`` was not confirmed, so that ``schedule`` is the safe candidate.
        calls: Network calls of one image that it cost, those of runs that were continued included.
        steps: Schedules that the search looked at.
        message: How it ended.
        feasible: Whether the knots keep what is asked of them.
        solver: The solver of the schedule.
        calibration: The calibration that was used.
    """

    schedule: SamplingSchedule
    found: Trial
    candidates: tuple[Candidate, ...]
    loss: float
    verdict: Verdict | None
    fell_back: bool
    calls: int
    steps: int
    message: str
    feasible: bool
    solver: Solver
    calibration: Calibration

    @property
    def safe(self) -> Candidate:
        """The best safe candidate on the tuning images."""
        return next(one for one in self.candidates if one.is_safe)

    @property
    def gain(self) -> Gain | None:
        """How much better ``found`` is than the best safe candidate, on fresh images."""
        return None if self.verdict is None else self.verdict.fresh


def tune(
    model: Model | Images,
    noise: NoiseSchedule,
    x: Any = None,
    *,
    nfe: int,
    solver: str | Solver | Sequence[str | Solver] = "unipc",
    strategy: str | Strategy = "free",
    calibration: Calibration | None = None,
    prediction: str = "epsilon",
    features: Features | None = None,
    fresh: Any = None,
    rules: Sequence[str] | None = None,
    budget: int | None = None,
    terminal: str = CLEAN,
    constraints: Constraints | None = None,
    points: int = 56,
    folder: str | Path | None = None,
    progress: Progress | None = None,
    seed: int = 0,
    team: Team | None = None,
) -> Tuned:
    r"""The best sampling schedule of ``nfe`` network calls, by running schedules for real.

    A teacher of many steps and all candidates are run from the same noise on the tuning images. The search goes on from the
    best of them: the model of the student is corrected by what each run showed (:mod:`hso.tuning.corrected`), and a step is
    kept only if the true loss falls (:mod:`hso.tuning.walk`). So the schedule that is found is at least as good on these
    images as every candidate. The verdict is passed on fresh images, which are not looked at before: if they do not confirm
    that it is better than the best safe candidate, the safe candidate is returned (:mod:`hso.tuning.verdict`).

    Args:
        model: The network, as :func:`hso.solvers.sample` takes it; or :class:`hso.Images`, where it is another function for
            each image, as with prompts or labels. x is then None.
        noise: The model's noise schedule.
        x: B states at the noisiest time, that is unit noise times :math:`(\alpha^2 + \sigma^2)^{1/2}`, an array or a tensor
            of shape (B, ...).
        nfe: Number of network calls of an image.
        solver: A name in ``hso.solvers.SOLVERS``, or a solver; a list of them, or "auto" for all of ``hso.solvers.AUTO``.
            Of several, the calibration names the best few, and real runs choose. The safe schedules are run with the
            first.
        strategy: "free", "learned" to learn the coefficients of the solver too (:class:`hso.search.Learn`), or "told" to
            find after that what the network is told (:mod:`hso.tuning.tell`; "told:first=learned" does both). A calibration
            of told levels is not needed.
        calibration: What was measured of the model by :func:`hso.calibrate`; without one the tuning images are calibrated
            with, and the calls are counted.
        prediction: What the network predicts.
        features: In what images are to be near the teacher's: a function from images, of the kind that the network is
            given, to one row for each. Bands of coefficients, as in a calibration, by default.
        fresh: States for the verdict, as x, or Images; the last third of x by default, which is then not used for tuning.
        rules: Rules of :mod:`hso.rules` that are candidates beside the host's default and that of :func:`hso.optimize`;
            all that have a schedule by default.
        budget: Network calls of one image that it may cost; by default what is necessary and 24 runs of the tuning images.
        terminal: Where runs end: "clean", as the teacher's does, or "t_min".
        constraints: Where the knots may lie.
        points: Number of points of the teacher, if no calibration says it.
        folder: Where what was run is kept. A run that was interrupted goes on from there, and ends as if it had not been.
            It cannot tell one network from another: give each a folder of its own.
        progress: Called with the stage, the calls that were made and the budget.
        seed: Seed of the searches.
        team: The processes that share the images: ``hso.Team.launched()`` in a program that ``accelerate launch`` starts.
            All of them have all arguments, and get the same result, which with a calibration is that of one process to
            the last bit.

    Returns:
        The result; look at ``gain``, ``fell_back`` and ``message``.

    Raises:
        ArgumentError: If an argument is unusable, the calibration is that of another model, or the network or the features
            return something unusable; the schedule and the node are named.
        FileError: If the folder cannot be used.

    References:
        | A trust-region framework for managing the use of approximation models in optimization (Alexandrov et al., 1998)
        | https://doi.org/10.1007/BF01197433
        | AutoDiffusion: Training-Free Optimization of Time Steps and Architectures (Li et al., 2023)
        | https://arxiv.org/abs/2309.10438
    """
    tuning, verdict = split(model, x, fresh)
    points = points if calibration is None else len(calibration.lambdas)
    solvers = tuple(solvers_for(solver, nfe))
    setting = Setting(Plan(noise, prediction, points), features)
    asked = Constraints() if constraints is None else constraints
    named = None if rules is None else tuple(rules)
    ways = _ways(strategy)
    task = Task(setting, solvers, nfe, terminal, asked, named, tuning.count, verdict.count, seed, *ways)
    if calibration is not None:
        _check_alike(calibration, noise, tuning)
    safe = list(safe_candidates(task.blind, task.rules))
    ledger = Ledger(task.budget(budget, len(safe), calibration is None), progress)
    store = Store(folder, task.record(calibration))
    recorder = Recorder("tuning", setting, tuning, store, ledger, team)
    panel, known = _calibrated(recorder) if calibration is None else _recorded(recorder, calibration)
    course = _course(task, panel, known)
    ledger.stage = "candidates"
    requests = [task.request(Replay(known), one) for one in task.solvers]
    found = distinct((*safe, *calibrated_candidates(requests, task.learn)), course.problem)
    ran = _run(task, course, found)
    ledger.stage = "search"

    def affords(cost: int) -> bool:
        return ledger.left - task.verdict >= cost

    kept = 0 if task.tell is None else task.tell.runs(nfe) * tuning.count * nfe
    best = search(course, _starts(ran, course), lambda cost: affords(cost + kept))
    if task.tell is not None:
        ledger.stage = "told levels"
        best = tell(course, best, task.tell, affords)
    ledger.stage = "verdict"
    return _judged(task, course, ran, best, Recorder("fresh", setting, verdict, store, ledger, team))


def split(model: Model | Images, x: Any, fresh: Any) -> tuple[Images, Images]:
    """The tuning images, in parts of which the first is run first, and the fresh images.

    Raises:
        ArgumentError: If there are too few of either.
    """
    if isinstance(model, Images):
        if x is not None:
            raise ArgumentError("x", "none with Images, which have their own", x)
        if not (fresh is None or isinstance(fresh, Images)):
            raise ArgumentError("fresh", "Images too, where the model is given so", fresh)
        images, given = model, fresh
    else:
        images = Images.of(model, x)
        given = fresh if fresh is None or isinstance(fresh, Images) else Images.of(model, fresh)
    last = images.count - (images.count // FRESH if given is None else 0)
    tuning, verdict = images.part(range(last)), given or images.part(range(last, images.count))
    if min(tuning.count, verdict.count) < LEAST_IMAGES:
        received = f"{tuning.count} for tuning and {verdict.count} fresh ones"
        raise ArgumentError("x", f"at least {LEAST_IMAGES} images of each kind", received, "their spread is measured")
    return replace(tuning, size=min(tuning.size, first_part(tuning.count))), verdict


def _ways(strategy: str | Strategy) -> tuple[Learn | None, TellSettings | None]:
    """How coefficients are learned, and how it is found what the network is told; None for what is not asked for.

    Raises:
        ArgumentError: If it is another strategy.
    """
    made = make_strategy(strategy)
    if isinstance(made, Tell):
        return (Learn() if made.first == Learn.name else None), TellSettings(made.caution)
    if isinstance(made, Learn):
        return made, None
    if made != Free():
        raise ArgumentError("strategy", "free, learned or told", strategy, "real runs are searched by walks")
    return None, None


def _check_alike(calibration: Calibration, noise: NoiseSchedule, images: Images) -> None:
    """Refuse the calibration of another model, as far as that shows before the network is called."""
    calibration.check_noise(noise)
    shape = tuple(images.batch(range(1)).x.shape[1:])
    if tuple(calibration.shape) != shape:
        expected = f"one of images of shape {shape}, as x"
        raise ArgumentError("calibration", expected, f"one of images of shape {tuple(calibration.shape)}")


def _recorded(recorder: Recorder, calibration: Calibration) -> tuple[Panel, Calibration]:
    """The panel and the calibration that was given, if its images are like those of the panel.

    Raises:
        ArgumentError: If they are not.
    """
    panel = recorder.panel(calibration.bands)
    mine, theirs = panel.recorded.calibration(calibration).powers.sum(), calibration.powers.sum()
    if not 1 / UNLIKE < mine / theirs < UNLIKE:
        received = f"one whose images have {theirs / mine:.3g} times the variance of this model's"
        raise ArgumentError("calibration", "one of this model", received)
    return panel, calibration


def _calibrated(recorder: Recorder) -> tuple[Panel, Calibration]:
    """The panel, and the calibration that is made with its images."""
    images, plan, folder = recorder.images, recorder.setting.plan, recorder.store.folder
    recorder.ledger.stage = "calibration"
    found: dict[int, Part] = {}

    def seen(done: range, bands: Bands, recording: Recording) -> None:
        found[done.start] = recorder.keep(done, bands, recording)

    def progress(done: int, total: int) -> None:
        recorder.ledger.reach(done * plan.calls)

    place = None if folder is None else folder / "calibration"
    known = calibrate_images(plan, images, progress=progress, folder=place, seen=seen, team=recorder.team)
    # Parts that were recorded before this run began are kept in the folder.
    parts = [found.get(part.start) or recorder.again(part) for part in recorder.parts]
    return Panel(recorder, known.bands, parts), known


def _course(task: Task, panel: Panel, known: Calibration) -> Course:
    """What all walks use. The model of the student is measured on the same images on which the walks run candidates."""
    own = panel.recorded.calibration(known)
    # Residuals correct the level; how the network answers to a change is best taken from what was measured of it.
    goal = Replay(own, gains="measured", doubt=0.0)
    loss: Loss = BandLoss(panel.bands, goal.kappa) if task.setting.features is None else FeatureLoss()
    settings = WalkSettings(caution=None if task.learn is None else task.learn.caution)

    # A solver is asked for its problem at every step of a walk.
    @cache
    def problem(solver: Solver) -> Problem:
        return task.request(Replay(own), solver).problem()

    return Course(panel, loss, problem, goal, settings, task.seed)


def _run(task: Task, course: Course, found: Sequence[Candidate]) -> list[Candidate]:
    """The candidates with their losses, the best first. The best few on the first images are run on the rest.

    These are the best of all, since walks begin there, the best of the safe ones, since one of them is what the result is
    held against, and the host's default, so that the result is never worse than that.

    Raises:
        ArgumentError: If no safe one keeps what is asked of the knots.
    """
    if not any(one.is_safe for one in found):
        received = course.problem(task.solvers[0]).constraints
        raise ArgumentError("constraints", "some that a safe schedule keeps", received, "name other rules")
    ranked = sorted(found, key=lambda one: course.first_loss(one.trial, one.name))
    safe = [one for one in ranked if one.is_safe]
    going = {one.name for one in (*ranked[:WALKS], *safe[:WALKS])} | {HOST}
    ran = [one._replace(loss=course.run(one.trial, one.name).loss) if one.name in going else one for one in ranked]
    return sorted(ran, key=lambda one: (np.isnan(one.loss), one.loss))


def _starts(ran: Sequence[Candidate], course: Course) -> list[tuple[str, Tried]]:
    """Where walks may begin: candidates that were run on all images, the best first."""
    return [(one.name, course.run(one.trial, one.name)) for one in ran if not np.isnan(one.loss)]


def _judged(task: Task, course: Course, ran: Sequence[Candidate], best: Tried, recorder: Recorder) -> Tuned:
    """The verdict on fresh images."""
    safe, verdict = next(one for one in ran if one.is_safe), None
    if best.trial != safe.trial:
        runs = [
            Runs(
                panel.rollout(best.trial, "tuned").ends,
                panel.rollout(safe.trial, safe.name).ends,
                panel.teacher(),
            )
            for panel in (course.panel, recorder.panel(course.panel.bands))
        ]
        verdict = judge(course.loss, *runs)
    fell_back = verdict is not None and not verdict.is_confirmed
    chosen = safe.trial if fell_back else best.trial
    made = _provenance(task, chosen.solver, safe, verdict, fell_back)
    return Tuned(
        schedule=replace(chosen.schedule, provenance=made),
        found=best.trial,
        candidates=tuple(ran),
        loss=best.loss,
        verdict=verdict,
        fell_back=fell_back,
        calls=recorder.ledger.calls,
        steps=course.steps,
        message=_message(task, safe, verdict),
        feasible=course.problem(chosen.solver).windows.hold(chosen.schedule.knot_times),
        solver=chosen.solver,
        calibration=course.known,
    )


def _message(task: Task, safe: Candidate, verdict: Verdict | None) -> str:
    """What became of it."""
    if verdict is None:
        return f"no schedule was found that is better than {safe.name}"
    gain, overall = verdict
    images = f"on {task.fresh} fresh images"
    if not verdict.is_confirmed:
        return f"fell back to {safe.name}: {images} the gain of the tuned schedule was {gain}"
    said = f"{images} the gain over {safe.name} is {gain}"
    if gain.is_certain:
        return said
    return f"{said}, so its sign is not certain; on all {task.tuning + task.fresh} images it is {overall}"


def _provenance(
    task: Task, solver: Solver, safe: Candidate, verdict: Verdict | None, fell_back: bool
) -> dict[str, Any]:
    """How a schedule was made, as JSON can hold it."""
    return {
        "strategy": "tune",
        **task.record(None),
        "solver": solver.name,
        "settings": {"solver": settings_of(solver)},
        "safe": safe.name,
        "gain": None if verdict is None else verdict.fresh._asdict(),
        "fell_back": fell_back,
        "hso": VERSION,
    }
