"""Named models. One record in ``presets.json`` each: the scheduler configuration and where it comes from.

A record that has ``refused`` in place of a configuration names a model that can be run at its own noise levels only,
and says why.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from hso.errors import ArgumentError, check_choice
from hso.noise.base import NoiseSchedule
from hso.noise.config import from_mapping
from hso.noise.traits import Traits


class Preset(NamedTuple):
    """A model whose noise levels may be chosen.

    Attributes:
        name: What ``--noise`` and :meth:`hso.NoiseSchedule.preset` take.
        title: The model, as people call it.
        config: Its scheduler configuration, the part that defines the noise.
        source: Where the constants were read.
        solver: The solver its own pipeline comes with, or UniPC where this library has none like it.
        space: "latent" or "pixel", where its samples live; None where models of both kinds have this noise schedule.
        guidance: Usual strength of classifier-free guidance (the default of its pipeline); None where there is none.
        boundary: Share of the training timesteps from which on up its first network is asked, below it the second; None
            where there is one only.
    """

    name: str
    title: str
    config: dict[str, Any]
    source: str
    solver: str
    space: str | None
    guidance: float | None
    boundary: float | None = None

    @property
    def traits(self) -> Traits:
        """What is known of the model besides its noise schedule."""
        return Traits(self.space, self.guidance, self.boundary)


class Refusal(NamedTuple):
    """A model that was distilled onto noise levels of its own.

    Attributes:
        name: The name people will try.
        title: The model, as people call it.
        refused: Why there is nothing to choose.
        source: Where that is said.
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


def load_preset(name: str, image_seq_len: int | None = None) -> NoiseSchedule:
    """See :meth:`hso.NoiseSchedule.preset`."""
    known, refused = presets(), refusals()
    if name in refused:
        raise ArgumentError("noise", "a model for any noise level", name, refused[name].refused)
    preset = known[check_choice("noise", name, known)]
    return from_mapping(preset.config, name, image_seq_len).with_traits(preset.traits)


@cache
def _records() -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(files("hso.noise").joinpath("presets.json").read_text(encoding="utf-8"))
    return records
