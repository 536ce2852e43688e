"""From what the page shows to what it is told, as dictionaries that JSON can hold. There is no HTTP here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hso.errors import ArgumentError
from hso.explore.rivals import rivals
from hso.explore.run_pictures import RunPictures
from hso.explore.scene import Scene, solver_name
from hso.explore.state import State
from hso.hosts import HOSTS
from hso.hosts.pasted import is_flow
from hso.hosts.text import to_text
from hso.models.bundled import digits_folder
from hso.models.calibration import Calibration
from hso.noise import NoiseSchedule, presets
from hso.schedule import SamplingSchedule
from hso.solvers import AUTO, SOLVERS, label_of

BUNDLED, OPENED = "digits", "opened file"
USUAL_SOLVER = "unipc"
# How the list of models is divided, by the space of their samples.
GROUPS = {"latent": "Latent models", "pixel": "Pixel models", None: "Other noise schedules"}
# Points of a noise schedule's curve, in t and in lambda; beyond this lambda it is almost pure noise, or almost clean.
POINTS, STEEP = 81, 9.0
# The schedule itself, which `hso show` and `hso convert` read; it is listed with the hosts.
FILE = "schedule file"
ENDINGS = {FILE: "json", "stable-diffusion.cpp-json": "json", "python": "py"}


class Explorer:
    """What one page may ask.

    Args:
        own: Noise schedules by name that were given, in place of presets or beside them.
        calibration: A calibration, if one was given.
        run: The folder of a comparison, if one was given.
        first: The state with which the page begins.
    """

    def __init__(
        self,
        own: Mapping[str, NoiseSchedule] | None = None,
        calibration: Calibration | None = None,
        run: Path | None = None,
        first: Mapping[str, Any] | None = None,
    ) -> None:
        self.own, self.calibration, self.first = dict(own or {}), calibration, dict(first or {})
        self.pictures = None if run is None else RunPictures(run)
        # A node that is dragged asks the same question again and again.
        self._scene = lru_cache(maxsize=64)(self._new_scene)

    def catalogue(self) -> dict[str, Any]:
        """The models, solvers and hosts, the calibration, and the first state."""
        models = {name: _entry(name, name, "Your own") for name in self.own}
        models.setdefault(BUNDLED, _entry(BUNDLED, "Digits (bundled)", GROUPS["pixel"]))
        for one in presets().values():
            models.setdefault(one.name, _entry(one.name, one.title, GROUPS[one.space], one.solver))
        return {
            "models": list(models.values()),
            "solvers": list(dict.fromkeys((*SOLVERS, *AUTO))),
            "hosts": [FILE, *HOSTS],
            "first": {"noise": "sd2.1", "nfe": 5, **self.first},
            "calibration": self._calibration(),
            "run": None if self.pictures is None else self.pictures.summary(),
        }

    def view(self, state: State) -> dict[str, Any]:
        """The noise schedule and the schedule of a state, and what is to be said of both."""
        scene, noise = self._of(state), self.noise(state.noise)
        schedule = self._schedule(scene, state)
        low, high = scene.limits
        return {
            "noise": described(noise),
            "solver": label_of(scene.result.solver),
            "objective": scene.goal.name,
            "schedule": drawn(schedule),
            "judged": scene.judged(schedule),
            "best": scene.judged(scene.result.schedule)["objective"],
            "message": scene.result.message,
            "feasible": scene.result.feasible,
            "limits": [low, high],
            "boundary": None if scene.problem.boundary is None else scene.problem.boundary.t,
            "calibration_fits": self._fits(noise),
            "calibrated": scene.calibration is not None,
        }

    def judge(self, state: State) -> dict[str, Any]:
        """The nodes of a state and how they are judged. The page asks this while the user moves a node."""
        scene = self._of(state)
        schedule = self._schedule(scene, state)
        return {"schedule": drawn(schedule), "judged": scene.judged(schedule)}

    def compared(self, state: State) -> list[dict[str, Any]]:
        """The schedules to compare with, or the reasons why there are none."""
        scene, noise = self._of(state), self.noise(state.noise)
        return [
            {
                "name": one.name,
                "title": one.title,
                "reason": one.reason,
                "schedule": None if one.schedule is None else drawn(one.schedule),
                "judged": None if one.schedule is None else scene.judged(one.schedule),
            }
            for one in rivals(noise, state.nfe, scene.result.solver, state.start)
        ]

    def text(self, state: State, host: str) -> dict[str, Any]:
        """What to paste into a host, and the name of a file for it.

        Raises:
            ArgumentError: If the host is unknown or cannot be told the schedule.
        """
        scene = self._of(state)
        schedule = self._schedule(scene, state)
        text = json.dumps(schedule.to_dict(), indent=2) if host == FILE else to_text(schedule, host)
        words = (schedule.noise_name, label_of(scene.result.solver), str(scene.result.nfe))
        name = "".join(letter if letter.isalnum() or letter in "._" else "-" for letter in "-".join(words))
        return {"text": text, "file": f"{name}.{ENDINGS.get(host, 'txt')}", "lands": _lands(host)}

    def noise(self, name: str) -> NoiseSchedule:
        """The noise schedule of a name, or of the text of a configuration.

        Raises:
            ArgumentError: If the name is unknown, or the text is no configuration.
        """
        if name in self.own:
            return self.own[name]
        if name == BUNDLED:
            return NoiseSchedule.from_config(digits_folder())
        return _from_text(name) if name.lstrip().startswith("{") else NoiseSchedule.preset(name)

    def _of(self, state: State) -> Scene:
        # 5 and 5.0 are equal, but only one of them is a number of calls; their texts differ.
        return self._scene(repr(state.unmoved()), state.unmoved())

    def _new_scene(self, text: str, state: State) -> Scene:
        noise = self.noise(state.noise)
        calibration = self.calibration if state.calibrated else None
        if state.calibrated and calibration is None:
            raise ArgumentError("calibration", "a file on the command line, --calibration FILE", None)
        known = presets().get(state.noise)
        solver = solver_name(state.solver, USUAL_SOLVER if known is None else known.solver)
        return Scene(noise, state.nfe, solver, state.constraints(noise.boundary_time), calibration)

    def _schedule(self, scene: Scene, state: State) -> SamplingSchedule:
        return scene.result.schedule if state.times is None else scene.moved(state.times)

    def _fits(self, noise: NoiseSchedule) -> bool:
        return self.calibration is not None and self.calibration.noise_fingerprint == noise.fingerprint

    def _calibration(self) -> dict[str, Any] | None:
        known = self.calibration
        if known is None:
            return None
        return {
            "noise": known.noise_name,
            "images": known.images,
            "guidance": known.guidance,
            "caution": known.caution,
        }


def _entry(name: str, title: str, group: str, solver: str = USUAL_SOLVER) -> dict[str, str]:
    """A model in the list."""
    return {"name": name, "title": title, "group": group, "solver": solver}


def described(noise: NoiseSchedule) -> dict[str, Any]:
    """A noise schedule: its name, its ends, and its curve from noise to data."""
    known = presets().get(noise.name)
    return {
        "name": noise.name,
        "title": noise.name if known is None else known.title,
        "source": "" if known is None else known.source,
        "note": "" if known is None else known.note,
        "flow": is_flow(noise),
        "steps": noise.train_steps,
        "boundary": noise.boundary_time,
        "curve": _curve(noise),
    }


def _curve(noise: NoiseSchedule) -> dict[str, list[float]]:
    """Points of t and lambda from noise to data: half of them even in t, and half of them even in lambda."""
    ends = noise.t_range
    first, last = np.clip(noise.lambda_(ends[::-1]), -STEEP, STEEP).tolist()
    even = np.linspace(*ends, POINTS), noise.time(np.linspace(first, last, POINTS))
    times = np.unique(np.concatenate(even).round(6).clip(*ends))[::-1]
    return {"t": _short(times), "lambda": _short(noise.lambda_(times))}


def drawn(schedule: SamplingSchedule) -> dict[str, Any]:
    """The nodes of a schedule in every unit."""
    return {
        "t": schedule.times.tolist(),
        "lambda": schedule.lambdas.tolist(),
        "sigma": schedule.sigmas.tolist(),
        "timesteps": None if schedule.train_steps is None else schedule.timesteps.tolist(),
    }


def _short(values: Any) -> list[float]:
    return [round(value, 6) for value in values.tolist()]


def _lands(host: str) -> str:
    return "the schedule and how it was made; hso show and hso convert read it" if host == FILE else HOSTS[host].lands


def _from_text(text: str) -> NoiseSchedule:
    expected = "a scheduler configuration in JSON"
    try:
        content = json.loads(text)
    except (RecursionError, ValueError):
        raise ArgumentError("noise", expected, text) from None
    if not isinstance(content, dict):
        raise ArgumentError("noise", expected, content)
    return NoiseSchedule.from_config(content, OPENED)
