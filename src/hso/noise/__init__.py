"""Noise schedules: what the model was trained with."""

from hso.noise.base import NoiseSchedule
from hso.noise.flow import dynamic_shift
from hso.noise.presets import Preset, Refusal, presets, refusals

__all__ = ["NoiseSchedule", "Preset", "Refusal", "dynamic_shift", "presets", "refusals"]
