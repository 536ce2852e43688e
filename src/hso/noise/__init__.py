"""Noise schedules: what the model was trained with."""

from hso.noise.base import NoiseSchedule
from hso.noise.flow import dynamic_shift
from hso.noise.presets import Preset, Refusal, presets, refusals
from hso.noise.traits import Traits

__all__ = ["NoiseSchedule", "Preset", "Refusal", "Traits", "dynamic_shift", "presets", "refusals"]
