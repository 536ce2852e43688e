"""The same page as static files. The schedules of all presets are computed before, so the page needs no server.

``schedules.json`` holds every list of numbers once: many presets have the same noise schedule, and many solvers the same
schedule. The numbers are rounded for looking at. Moved nodes have no objective there, because nothing computes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hso.errors import ArgumentError
from hso.explore.answers import Explorer, described
from hso.explore.rivals import RIVALS, rivals
from hso.explore.scene import Scene
from hso.explore.server import page_files
from hso.files import make_folder, write_atomic
from hso.noise import NoiseSchedule, presets
from hso.optimize import MANY
from hso.schedule import SamplingSchedule
from hso.search import Constraints
from hso.search.halfway import is_strong
from hso.solvers import Solver, make_solver
from hso.version import VERSION

SCHEDULES = "schedules.json"
BUDGETS = range(4, 21)
OFFERED = ("ddim", "euler", "heun", "dpmpp_2m", "unipc")
# Digits after the point: half a pixel of the page is a thousandth of an axis.
FINE, COARSE = 5, 4
HEAD = '<meta charset="utf-8">'
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'"
)


def write(folder: Path) -> Iterator[Path]:
    """Write the page and its schedules into a folder, which is made if it is missing.

    Raises:
        FileError: If a file cannot be written.
    """
    make_folder(folder)
    contents = {**page_files(), SCHEDULES: json.dumps(content(), separators=(",", ":"), allow_nan=False).encode()}
    contents["index.html"] = _with_schedules(contents["index.html"].decode()).encode()
    for name, data in contents.items():
        write_atomic(folder / name, data)
        yield folder / name


def content(names: Iterable[str] | None = None, budgets: Iterable[int] = BUDGETS) -> dict[str, Any]:
    """What ``schedules.json`` holds: all presets, or those that are named."""
    book = _Book(list(budgets))
    known = Explorer().catalogue()["models"]
    chosen = [one for one in known if one["name"] in presets() and (names is None or one["name"] in names)]
    models = [{**model, **book.entered(NoiseSchedule.preset(model["name"]))} for model in chosen]
    return {
        "hso": VERSION,
        "budgets": book.budgets,
        "solvers": list(OFFERED),
        "rivals": [[name, title] for name, (title, _) in RIVALS.items()],
        "models": models,
        "noises": list(book.noises.values()),
        "cells": book.cells,
        "found": list(book.found.values()),
        "times": [list(times) for times in book.times],
    }


class _Book:
    """Everything once: noise schedules, schedules, and lists of times."""

    def __init__(self, budgets: list[int]) -> None:
        self.budgets = budgets
        self.noises: dict[Any, dict[str, Any]] = {}
        self.found: dict[Any, dict[str, Any]] = {}
        self.times: dict[tuple[float, ...], int] = {}
        self.cells: list[list[list[int]]] = []
        self._known_cells: dict[Any, int] = {}
        self._scenes: dict[Any, Scene] = {}
        self._rivals: dict[Any, list[SamplingSchedule | None]] = {}

    def entered(self, noise: NoiseSchedule) -> dict[str, int]:
        """The places of a model's noise schedule and of its schedules."""
        key = (noise.fingerprint, noise.boundary_time)
        self.noises.setdefault(key, _thin(described(noise)))
        same = (*key, noise.traits)
        if same not in self._known_cells:
            self._known_cells[same] = len(self.cells)
            self.cells.append([[self._cell(noise, make_solver(name), nfe) for nfe in self.budgets] for name in OFFERED])
        return {"noise": list(self.noises).index(key), "cells": self._known_cells[same]}

    def _cell(self, noise: NoiseSchedule, solver: Solver, nfe: int) -> int:
        """The place of what was found for a solver and a number of calls; -1 if the solver cannot make so many."""
        try:
            nodes = solver.nodes(nfe)
        except ArgumentError:
            return -1
        # Nothing else of the solver and of the number of calls is in the problem.
        traits = (noise.traits.space, noise.traits.is_guided, is_strong(noise.traits))
        kind = (noise.fingerprint, noise.boundary_time, traits, solver.carries_outputs, nfe < MANY, nodes)
        if kind not in self._scenes:
            self._scenes[kind] = Scene(noise, nfe, solver.name, Constraints(), None)
        key = (*kind, noise.traits.default_rule)
        if key not in self.found:
            self.found[key] = self._described(self._scenes[kind], noise, nfe, solver)
        return list(self.found).index(key)

    def _described(self, scene: Scene, noise: NoiseSchedule, nfe: int, solver: Solver) -> dict[str, Any]:
        best = scene.result.schedule
        judged = scene.judged(best)
        return {
            "t": [round(t, FINE) for t in best.times.tolist()],
            "lambda": [round(lambda_, COARSE) for lambda_ in best.lambdas.tolist()],
            "steps": None if best.train_steps is None else best.timesteps.tolist(),
            "J": _figures(judged["objective"]),
            "least": round(judged["d_min"], FINE),
            "kept": scene.result.feasible,
            "others": [
                [index, self._place(one), _figures(scene.judged(one)["objective"])]
                for index, one in enumerate(self._others(noise, nfe, solver))
                if one is not None
            ],
        }

    def _others(self, noise: NoiseSchedule, nfe: int, solver: Solver) -> list[SamplingSchedule | None]:
        key = (noise.fingerprint, noise.traits.default_rule, solver.nodes(nfe))
        if key not in self._rivals:
            self._rivals[key] = [rival.schedule for rival in rivals(noise, nfe, solver)]
        return self._rivals[key]

    def _place(self, schedule: SamplingSchedule) -> int:
        return self.times.setdefault(tuple(round(t, COARSE) for t in schedule.times.tolist()), len(self.times))


def _thin(noise: dict[str, Any]) -> dict[str, Any]:
    """The same noise schedule with fewer points of its curve: every second point, and both ends."""
    curve = {
        name: [round(value, COARSE) for value in (*values[:-1:2], values[-1])]
        for name, values in noise["curve"].items()
    }
    return {**{name: noise[name] for name in ("flow", "steps", "boundary")}, "curve": curve}


def _figures(value: float | None) -> float | None:
    return None if value is None else float(np.format_float_positional(value, 6, fractional=False, unique=False))


def _with_schedules(html: str) -> str:
    """The page with the name of its schedules, and the rule that nothing comes from elsewhere."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    return html.replace(HEAD, f'{HEAD}\n{policy}\n<meta name="hso-schedules" content="{SCHEDULES}">', 1)
