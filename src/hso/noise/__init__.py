"""Noise schedules: what the model was trained with."""

from hso.noise.clock import Clock
from hso.noise.path import PATHS, Path
from hso.noise.presets import Preset, Refusal, presets, refusals
from hso.noise.schedule import NoiseSchedule
from hso.noise.shift import dynamic_shift
from hso.noise.traits import Traits

__all__ = [
    "PATHS",
    "Clock",
    "NoiseSchedule",
    "Path",
    "Preset",
    "Refusal",
    "Traits",
    "dynamic_shift",
    "presets",
    "refusals",
]
