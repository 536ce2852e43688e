"""Models that are known by name. Each is one record in ``presets.json``: its scheduler configuration and its source.

A record with ``refused`` instead of a configuration names a model that works at its own noise levels only. Its text says
why.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from hso.errors import ArgumentError, check_choice
from hso.noise.traits import Traits


class Preset(NamedTuple):
    """A model whose noise levels may be chosen.

    Attributes:
        name: What ``--noise`` and :meth:`hso.NoiseSchedule.preset` take.
        title: The model, as people call it.
        pipeline: The class of its pipeline in diffusers; None if diffusers has none.
        config: Its scheduler configuration, the part that defines the noise and the default rule.
        default_rule: The rule that its own pipeline or program follows if nothing is asked for; None if it is not known.
        source: Where the constants were published.
        solver: The solver of its own pipeline, or UniPC if this library does not have that solver.
        space: "latent" or "pixel", where its samples live; None if models of both kinds have this noise schedule.
        guidance: Usual strength of guidance, w in w c + (1 - w) u; 1 if it has none, None if it is not known.
        boundary: For a model with two networks, a share of the training timesteps: its first network is used from there
            up, its second below. None if it has one network.
        guidance_2: The guidance of the second network, if it is another one.
        note: Where sources disagree, what the others say, and how to get that.
    """

    name: str
    title: str
    config: dict[str, Any]
    source: str
    solver: str
    space: str | None
    guidance: float | None
    pipeline: str | None = None
    default_rule: str | None = None
    boundary: float | None = None
    guidance_2: float | None = None
    note: str = ""

    @property
    def traits(self) -> Traits:
        """What is known of the model besides its noise schedule."""
        return Traits(self.space, self.guidance, self.boundary, self.default_rule)


class Refusal(NamedTuple):
    """A model that was distilled onto noise levels of its own.

    Attributes:
        name: The name that people will try.
        title: The model, as people call it.
        refused: Why its noise levels cannot be chosen.
        source: Where that was published.
    """

    name: str
    title: str
    refused: str
    source: str


def presets() -> dict[str, Preset]:
    """All presets by name, in the order of the file."""
    return {record["name"]: Preset(**record) for record in _records() if "refused" not in record}


def refusals() -> dict[str, Refusal]:
    """The models that are refused, by name, in the order of the file."""
    return {record["name"]: Refusal(**record) for record in _records() if "refused" in record}


def find_preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
        ArgumentError: If the name is unknown (the nearest is suggested), or the model was distilled onto fixed noise
            levels.
    """
    known, refused = presets(), refusals()
    if name in refused:
        raise ArgumentError("noise", "a model for any noise level", name, refused[name].refused)
    return known[check_choice("noise", name, known)]


@cache
def _records() -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(files("hso.noise").joinpath("presets.json").read_text(encoding="utf-8"))
    return records
