"""What is asked of :func:`hso.tune`, and what follows from it before any network is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hso.errors import ArgumentError, check_integer
from hso.models.calibration import Calibration
from hso.objectives import MEP, Replay
from hso.optimize import Request
from hso.registry import settings_of
from hso.search import Constraints, Exact, Free, Learn
from hso.solvers import Solver
from hso.tuning.candidates import FINALISTS, MINIMA
from hso.tuning.panel import Setting, first_part
from hso.tuning.store import digest
from hso.tuning.tell_settings import TellSettings
from hso.tuning.walk import WALKS
from hso.version import VERSION

# Rollouts of all tuning images that a default budget has for the search.
STEPS = 24


@dataclass(frozen=True)
class Task:
    """What is asked, with objects in place of names.

    Attributes:
        setting: How students and the teacher are run.
        solvers: The students' solvers; the safe schedules are run with the first.
        nfe: Number of network calls of an image.
        terminal: Where runs end.
        constraints: Where the knots may lie.
        rules: Rules that are candidates; None for all that have a schedule.
        tuning: Number of tuning images.
        fresh: Number of fresh images.
        seed: Seed of the searches.
        learn: How coefficients are learned; None if they are not.
        tell: How it is found what the network is told; None if it is told the nodes' own levels.

    Raises:
        ArgumentError: If there is a single node, or runs begin part-way.
    """

    setting: Setting
    solvers: tuple[Solver, ...]
    nfe: int
    terminal: str
    constraints: Constraints
    rules: tuple[str, ...] | None
    tuning: int
    fresh: int
    seed: int
    learn: Learn | None = None
    tell: TellSettings | None = None

    def __post_init__(self) -> None:
        if self.solvers[0].nodes(self.nfe) < 2:
            raise ArgumentError("nfe", "calls at 2 nodes or more", self.nfe, "a single node has little to choose")
        if self.constraints.start is not None:
            raise ArgumentError("start", "none, for whole runs are tuned", self.constraints.start)

    def request(self, goal: Replay, solver: Solver) -> Request:
        """The same, asked of a calibration and a solver."""
        noise = self.setting.plan.noise
        return Request(noise, self.nfe, solver, Free(), goal, self.constraints, self.terminal, self.seed)

    @property
    def blind(self) -> Request:
        """The same, asked without a calibration."""
        noise, solver = self.setting.plan.noise, self.solvers[0]
        return Request(noise, self.nfe, solver, Exact(), MEP(), self.constraints, self.terminal, self.seed)

    @property
    def verdict(self) -> int:
        """Network calls of the verdict."""
        return self.fresh * (self.setting.plan.teacher_calls + 2 * self.nfe)

    def budget(self, asked: int | None, safe: int, calibrates: bool) -> int:
        """The network calls of one image that may be made.

        Args:
            asked: What the caller allows.
            safe: Number of safe candidates.
            calibrates: Whether the tuning images are calibrated with.

        Raises:
            ArgumentError: If it is less than what is necessary.
        """
        plan, run = self.setting.plan, self.tuning * self.nfe
        teacher = self.tuning * (plan.calls if calibrates else plan.teacher_calls)
        # All candidates on the first images; the best few, of all and of the safe ones, and the host's default on all.
        calibrated = min(len(self.solvers), FINALISTS) * (MINIMA + (self.learn is not None))
        candidates = (safe + calibrated) * first_part(self.tuning) * self.nfe + (2 * WALKS + 1) * run
        least = teacher + candidates + self.verdict
        if asked is None:
            return least + STEPS * run + (0 if self.tell is None else self.tell.runs(self.nfe) * run)
        cause = f"{teacher} for the teacher, {candidates} for candidates, {self.verdict} for the verdict"
        return check_integer("budget", asked, least, 2**60, cause)

    def record(self, calibration: Calibration | None) -> Mapping[str, Any]:
        """What a folder remembers of it, as JSON can hold it."""
        plan = self.setting.plan
        return {
            "noise": plan.noise.fingerprint,
            "prediction": plan.prediction,
            "points": plan.points,
            "solvers": [[solver.name, settings_of(solver)] for solver in self.solvers],
            "learn": None if self.learn is None else settings_of(self.learn),
            "tell": None if self.tell is None else settings_of(self.tell),
            "nfe": self.nfe,
            "terminal": self.terminal,
            "constraints": settings_of(self.constraints),
            "rules": None if self.rules is None else list(self.rules),
            "images": [self.tuning, self.fresh],
            "features": self.setting.features is not None,
            "calibration": None if calibration is None else digest(calibration.grams.tobytes()),
            "seed": self.seed,
            "hso": VERSION,
        }
