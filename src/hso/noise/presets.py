"""Named models. One record in ``presets.json`` each: the scheduler configuration and where it comes from."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from hso.errors import check_choice
from hso.noise.base import NoiseSchedule
from hso.noise.config import from_mapping


class Preset(NamedTuple):
    """A record of ``presets.json``.

    Attributes:
        name: What ``--noise`` and :meth:`hso.NoiseSchedule.preset` take.
        title: The model, as people call it.
        config: Its scheduler configuration, the part that defines the noise.
        source: Where the constants were read.
    """

    name: str
    title: str
    config: dict[str, object]
    source: str


@cache
def presets() -> dict[str, Preset]:
    """All presets by name, in the order of the file."""
    records = json.loads(files("hso.noise").joinpath("presets.json").read_text(encoding="utf-8"))
    return {record["name"]: Preset(**record) for record in records}


def load_preset(name: str) -> NoiseSchedule:
    """See :meth:`hso.NoiseSchedule.preset`."""
    return from_mapping(presets()[check_choice("noise", name, presets())].config, name)
