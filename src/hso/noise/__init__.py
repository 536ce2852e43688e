"""Noise schedules: what the model was trained with."""

from hso.noise.base import NoiseSchedule
from hso.noise.presets import Preset, presets

__all__ = ["NoiseSchedule", "Preset", "presets"]
