r"""Rectified flow: the clock of a shift.

t is the time u that hosts space uniformly, before any shift. A static shift s bends it; a dynamic shift is the static one
that the length of the image's token sequence gives:

.. math::
    \sigma(u) = \frac{s u}{1 + (s - 1) u}, \qquad s = e^\mu \;\text{or}\; \mu, \qquad
    \mu = b + (m - b) \frac{L - L_b}{L_m - L_b}

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

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from hso.errors import ArgumentError, check_choice, check_integer, check_real
from hso.noise.base import Array, check_train_steps
from hso.noise.clock import Clock, Told
from hso.noise.path import STRAIGHT, Path
from hso.noise.reading import Configuration, Reader
from hso.noise.told import FLOW_ALPHA, FLOW_SIGMA

GUARD = 2.0**-24
LEAST_SHIFT, MOST_SHIFT = 1e-3, 1e3
MOST_TERMINAL = 0.999


class ShiftedClock(Clock):
    r"""The clock of rectified flow with a shift.

    Args:
        shift: :math:`s > 0`. 1 means no shift; with a larger one more of the time is near the noise.
        shift_terminal: Sigma of the cleanest training timestep; None leaves it where the shift puts it.
        train_steps: Number of training timesteps.
        told: What the network is told.

    Attributes:
        shift: The shift s.
    """

    train_steps: int

    def __init__(
        self,
        shift: float = 1.0,
        shift_terminal: float | None = None,
        train_steps: int = 1000,
        told: Told = FLOW_SIGMA,
    ) -> None:
        self.shift = check_real("shift", shift, LEAST_SHIFT, MOST_SHIFT)
        self.train_steps = check_train_steps(train_steps)
        self.told = told
        self._stretch = 1.0 if shift_terminal is None else self._stretch_to(shift_terminal)

    @property
    def t_range(self) -> tuple[float, float]:
        return 1 / self.train_steps, 1.0

    def _stretch_to(self, terminal: float) -> float:
        first = 1 / self.train_steps
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


TIME_SHIFTS: Mapping[str, Callable[[float], float]] = {"exponential": math.exp, "linear": float}


def dynamic_shift(
    image_seq_len: int,
    *,
    base_shift: float = 0.5,
    max_shift: float = 1.15,
    base_image_seq_len: int = 256,
    max_image_seq_len: int = 4096,
    time_shift_type: str = "exponential",
) -> float:
    r"""The static shift that ``use_dynamic_shifting`` gives at this resolution.

    Args:
        image_seq_len: L, number of tokens of the image; for Flux (height / 16) (width / 16).
        base_shift: :math:`\mu` at ``base_image_seq_len``.
        max_shift: :math:`\mu` at ``max_image_seq_len``.
        base_image_seq_len: :math:`L_b`.
        max_image_seq_len: :math:`L_m`, above :math:`L_b`. :math:`\mu` is linear beyond it, too.
        time_shift_type: "exponential" (:math:`s = e^\mu`) or "linear" (:math:`s = \mu`).

    Raises:
        ArgumentError: If an argument is unusable or the shift is not positive.

    Example:
        >>> round(dynamic_shift(4096), 4), round(dynamic_shift(1024), 4)
        (3.1582, 1.8776)
    """
    length = check_integer("image_seq_len", image_seq_len, 1, 10**9)
    low = check_integer("base_image_seq_len", base_image_seq_len, 1, 10**9)
    high = check_integer("max_image_seq_len", max_image_seq_len, 1, 10**9)
    if high <= low:
        raise ArgumentError("max_image_seq_len", f"an integer above base_image_seq_len = {low}", max_image_seq_len)
    base, most = (check_real(name, value, -1e3, 1e3) for name, value in _ends(base_shift, max_shift))
    mu = base + (most - base) * (length - low) / (high - low)
    kind = check_choice("time_shift_type", time_shift_type, TIME_SHIFTS)
    limit = math.log(MOST_SHIFT) if kind == "exponential" else MOST_SHIFT
    check_real("mu", mu, -limit if kind == "exponential" else LEAST_SHIFT, limit, f"image_seq_len = {length}")
    return TIME_SHIFTS[kind](mu)


def _ends(base_shift: Any, max_shift: Any) -> tuple[tuple[str, Any], ...]:
    return ("base_shift", base_shift), ("max_shift", max_shift)


_DYNAMIC = ("base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len", "time_shift_type")


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
        told = FLOW_ALPHA if config.flag("invert_sigmas") else FLOW_SIGMA
        return ShiftedClock(self._shift(config), terminal, config.train_steps, told), STRAIGHT

    def _shift(self, config: Configuration) -> float:
        if config.flag("use_dynamic_shifting"):
            given = config.given(*_DYNAMIC)
            length = given.get("max_image_seq_len", 4096) if config.image_seq_len is None else config.image_seq_len
            return dynamic_shift(length, **given)
        config.refuse_image_seq_len()
        field = "shift" if config.class_name in self.classes else "flow_shift"
        return check_real(field, config.values.get(field, 1.0), LEAST_SHIFT, MOST_SHIFT)
