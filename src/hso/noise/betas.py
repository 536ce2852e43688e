"""Variance-preserving schedules from the betas of a diffusers configuration.

The three beta schedules are those of diffusers' schedulers:

- ``linear``: beta from ``beta_start`` to ``beta_end`` in equal steps
- ``scaled_linear``: the same for sqrt(beta)
- ``squaredcos_cap_v2``: the cosine schedule at discrete steps, beta at most 0.999

CogVideoX divides the signal-to-noise ratio by ``snr_shift_scale`` s: with A = prod (1 - beta), A becomes
A / (s + (1 - s) A). If the configuration asks for zero terminal SNR, the rescaling comes after that, and its last value is
2**-24 instead of 0; or a quarter of the value before it where that is below 2**-24, as for DDPM's linear betas.

References:
    | Common Diffusion Noise Schedules and Sample Steps are Flawed (Lin et al., 2024), Algorithm 1
    | https://arxiv.org/abs/2305.08891
    | CogVideoX: Text-to-Video Diffusion Models with An Expert Transformer (Yang et al., 2025)
    | https://arxiv.org/abs/2408.06072
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from hso.errors import ArgumentError, check_choice, check_real
from hso.noise.base import Array, check_train_steps, vector
from hso.noise.clock import Clock
from hso.noise.discrete import DiscreteClock
from hso.noise.path import VP, Path
from hso.noise.reading import Configuration, Reader

# diffusers puts this in place of the zero, so that lambda stays finite: it is then -8.3.
ZERO_SNR_GUARD = 2.0**-24
BETA_FIELDS = frozenset({"beta_start", "beta_end", "beta_schedule", "trained_betas"})
DEFAULTS: Mapping[str, Any] = {
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "num_train_timesteps": 1000,
}
_STABLE = {"beta_start": 0.00085, "beta_end": 0.012}
_SCALED = {**_STABLE, "beta_schedule": "scaled_linear"}
_COG = {**_SCALED, "snr_shift_scale": 3.0}
# diffusers' scheduler classes that read betas, and where their defaults differ.
BETA_CLASSES: Mapping[str, Mapping[str, Any]] = {
    "CogVideoXDDIMScheduler": _COG,
    "CogVideoXDPMScheduler": _COG,
    "DDIMInverseScheduler": {},
    "DDIMParallelScheduler": {},
    "DDIMScheduler": {},
    "DDPMParallelScheduler": {},
    "DDPMScheduler": {},
    "DEISMultistepScheduler": {},
    "DPMSolverMultistepInverseScheduler": {},
    "DPMSolverMultistepScheduler": {},
    "DPMSolverSDEScheduler": _STABLE,
    "DPMSolverSinglestepScheduler": {},
    "EulerAncestralDiscreteScheduler": {},
    "EulerDiscreteScheduler": {},
    "HeunDiscreteScheduler": _STABLE,
    "KDPM2AncestralDiscreteScheduler": _STABLE,
    "KDPM2DiscreteScheduler": _STABLE,
    "LCMScheduler": _SCALED,
    "LMSDiscreteScheduler": {},
    "PNDMScheduler": {},
    "RePaintScheduler": {},
    "SASolverScheduler": {},
    "TCDScheduler": _SCALED,
    "UniPCMultistepScheduler": {},
}


def _linear(start: float, end: float, steps: int) -> Array:
    return np.linspace(start, end, steps)


def _scaled_linear(start: float, end: float, steps: int) -> Array:
    return np.asarray(np.linspace(start**0.5, end**0.5, steps) ** 2)


def _squared_cosine(start: float, end: float, steps: int) -> Array:
    alpha_bar = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], 0.999)


BETA_SCHEDULES: Mapping[str, Callable[[float, float, int], Array]] = {
    "linear": _linear,
    "scaled_linear": _scaled_linear,
    "squaredcos_cap_v2": _squared_cosine,
}


class BetaReader(Reader):
    """Reads diffusers' schedulers with betas."""

    classes: ClassVar[Mapping[str, Mapping[str, Any]]] = BETA_CLASSES
    clue = f"at least one of {', '.join(sorted(BETA_FIELDS))}"

    def recognises(self, config: Configuration) -> bool:
        return super().recognises(config) or (not config.class_name and not BETA_FIELDS.isdisjoint(config.values))

    def read(self, config: Configuration) -> tuple[Clock, Path]:
        values = {**DEFAULTS, **self.classes.get(config.class_name, {}), **config.values}
        betas = _betas(values)
        clock = DiscreteClock.from_betas(betas)
        shift = check_real("snr_shift_scale", values.get("snr_shift_scale", 1.0), 1e-3, 1e3)
        zero_snr = config.flag("rescale_betas_zero_snr")
        if shift == 1 and not zero_snr:
            return clock, VP
        alphas_cumprod = np.cumprod(1 - betas)
        alphas_cumprod = alphas_cumprod / (shift + (1 - shift) * alphas_cumprod)
        return DiscreteClock(_zero_snr(alphas_cumprod) if zero_snr else alphas_cumprod), VP


def _betas(config: Mapping[str, Any]) -> Array:
    if config.get("trained_betas") is not None:
        return _trained_betas(config)
    steps = check_train_steps(config["num_train_timesteps"], "num_train_timesteps")
    kind = check_choice("beta_schedule", config["beta_schedule"], BETA_SCHEDULES)
    start = check_real("beta_start", config["beta_start"], 0.0, 1.0)
    end = check_real("beta_end", config["beta_end"], 0.0, 1.0)
    return BETA_SCHEDULES[kind](start, end, steps)


def _trained_betas(config: Mapping[str, Any]) -> Array:
    betas = vector("trained_betas", config["trained_betas"])
    if config["num_train_timesteps"] != len(betas):
        expected = f"as many values as num_train_timesteps = {config['num_train_timesteps']}"
        raise ArgumentError("trained_betas", expected, f"{len(betas)} values")
    return betas


def _zero_snr(alphas_cumprod: Array) -> Array:
    """Shift and scale sqrt(alphas_cumprod) so that its last value is 0 and its first stays; then guard the zero."""
    root = np.sqrt(alphas_cumprod)
    rescaled = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    before = rescaled[-2]
    rescaled[-1] = ZERO_SNR_GUARD if before > ZERO_SNR_GUARD else before / 4
    return rescaled
