r"""Rectified flow: the clock of a shift.

t is the time u that hosts space uniformly, before any shift. A shift s bends it (see :mod:`hso.noise.shift`):

.. math::
    \sigma(u) = \frac{s u}{1 + (s - 1) u}

``shift_terminal`` stretches :math:`1 - \sigma` linearly, so that the cleanest of the N training timesteps sits at that
sigma. (Hosts stretch the few nodes of a run instead, so that their sigmas depend on the number of nodes.)

**The noisy end.** At u = 1 the formula gives :math:`\alpha = 0` and :math:`\lambda = -\infty`. To keep :math:`\lambda`
finite, sigma is multiplied by :math:`1 - 2^{-24}`. Its largest value is then the largest float32 below 1, and
:math:`\lambda(1) = -16.6`. Hosts keep sigmas in float32, whose rounding is as large: the only value that changes for them
is 1 itself, and an Euler step from there is shorter by :math:`6 \cdot 10^{-8}`. (Hosts that need :math:`\log\alpha` at
the first step have guards of their own: UniPC subtracts :math:`10^{-6}`, and DPM-Solver begins at u = 0.999.)

References:
    | Scaling Rectified Flow Transformers for High-Resolution Image Synthesis (Esser et al., 2024), Eq. 23
    | https://arxiv.org/abs/2403.03206
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from hso.errors import check_real
from hso.noise.base import Array, check_train_steps
from hso.noise.clock import TRAINING_INDEX, Clock, Told
from hso.noise.path import STRAIGHT, Path
from hso.noise.reading import Configuration, Reader
from hso.noise.shift import (
    LEAST_SHIFT,
    MOST_SHIFT,
    MU_READERS,
    OWN_SHIFTS,
    DynamicShift,
    Shift,
    StaticShift,
    read_linear_mu,
)
from hso.noise.told import FLOW_ALPHA, FLOW_SIGMA, FLOW_TIME

GUARD = 2.0**-24
MOST_TERMINAL = 0.999
# Pipelines whose network is told the time before the shift.
TOLD: Mapping[str, Told] = {
    "CogView4Pipeline": FLOW_TIME,
    "CogView4ControlPipeline": FLOW_TIME,
    "GlmImagePipeline": TRAINING_INDEX,
}
# The first time, where the model has no training timesteps.
T_START = 1e-3


class ShiftedClock(Clock):
    r"""The clock of rectified flow with a shift.

    Args:
        shift: :math:`s > 0`. 1 means no shift; with a larger one more of the time is near the noise. Or a shift object.
        shift_terminal: Sigma of the cleanest training timestep; None leaves it where the shift puts it.
        train_steps: Number of training timesteps; None if the network is told sigma itself.
        told: What the network is told.

    Attributes:
        shift: The shift s.
        shifting: The shift of a run, which may depend on the number of its steps.
        shift_terminal: As given.
    """

    def __init__(
        self,
        shift: float | Shift = 1.0,
        shift_terminal: float | None = None,
        train_steps: int | None = 1000,
        told: Told = FLOW_SIGMA,
    ) -> None:
        factor = shift.factor() if isinstance(shift, Shift) else shift
        self.shift = check_real("shift", factor, LEAST_SHIFT, MOST_SHIFT)
        self.shifting = shift if isinstance(shift, Shift) else StaticShift(self.shift)
        self.train_steps = None if train_steps is None else check_train_steps(train_steps)
        self.told = told
        self.shift_terminal = shift_terminal
        self._stretch = 1.0 if shift_terminal is None else self._stretch_to(shift_terminal)

    @property
    def t_range(self) -> tuple[float, float]:
        return (T_START if self.train_steps is None else 1 / self.train_steps), 1.0

    def _stretch_to(self, terminal: float) -> float:
        first = self.t_range[0]
        alpha = (1 - first) / (1 + (self.shift - 1) * first)
        cause = f"without it, shift {self.shift:g} ends at the lower limit"
        return (1 - check_real("shift_terminal", terminal, 1 - alpha, MOST_TERMINAL, cause)) / alpha

    def _lambda(self, t: Array) -> Array:
        scale = 1 + (self.shift - 1) * t
        alpha, sigma = self._stretch * (1 - t) / scale, self.shift * t / scale
        # sigma = 1 - alpha, computed from the sigma before the stretch: this does not cancel where sigma is small.
        sigma = sigma + (1 - self._stretch) * (1 - t) / scale
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(alpha + GUARD * sigma) - np.log((1 - GUARD) * sigma))

    def _time(self, lambda_: Array) -> Array:
        with np.errstate(over="ignore"):
            sigma = 1 / (1 + np.exp(lambda_)) / (1 - GUARD)
        unstretched = np.clip((sigma - (1 - self._stretch)) / self._stretch, 0.0, 1.0)
        return np.asarray(unstretched / (unstretched + self.shift * (1 - unstretched)))

    def definition(self) -> bytes:
        return f"{self.shift:.12g},{self._stretch:.12g},{self.train_steps}".encode()


class FlowReader(Reader):
    """Reads diffusers' flow-matching schedulers, and others with ``use_flow_sigmas``."""

    classes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "FlowMatchEulerDiscreteScheduler": {},
        "FlowMatchHeunDiscreteScheduler": {},
    }
    clue = "use_flow_sigmas"
    takes_image_seq_len = True

    def recognises(self, config: Configuration) -> bool:
        return super().recognises(config) or config.flag("use_flow_sigmas")

    def read(self, config: Configuration) -> tuple[Clock, Path]:
        # diffusers, too, reads a shift_terminal of 0 as none.
        terminal = config.values.get("shift_terminal") or None
        told = FLOW_ALPHA if config.flag("invert_sigmas") else TOLD.get(config.pipeline, FLOW_SIGMA)
        return ShiftedClock(self._shift(config), terminal, _train_steps(config), told), STRAIGHT

    def _shift(self, config: Configuration) -> Shift:
        is_flow_match = config.class_name in self.classes
        if config.flag("use_dynamic_shifting"):
            values = config.given(*_DYNAMIC)
            mu = MU_READERS.get(config.pipeline, read_linear_mu)(values)
            length = values.get("max_image_seq_len", 4096) if config.image_seq_len is None else config.image_seq_len
            return DynamicShift(mu, length, values.get("time_shift_type", "exponential"))
        if is_flow_match and config.pipeline in OWN_SHIFTS:
            return self._own_shift(config)
        config.refuse_image_seq_len()
        field = "shift" if is_flow_match else "flow_shift"
        return StaticShift(check_real(field, config.values.get(field, 1.0), LEAST_SHIFT, MOST_SHIFT))

    def _own_shift(self, config: Configuration) -> Shift:
        shift = OWN_SHIFTS[config.pipeline](config.image_seq_len)
        if isinstance(shift, StaticShift):
            config.refuse_image_seq_len()
        return shift


def _train_steps(config: Configuration) -> int | None:
    """Number of training timesteps. 1 means that the network is told sigma itself, as of OmniGen and ACE-Step."""
    return None if config.values.get("num_train_timesteps") == 1 else config.train_steps


_DYNAMIC = ("base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len", "time_shift_type")
