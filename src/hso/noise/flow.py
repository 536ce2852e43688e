r"""Rectified flow: :math:`\alpha = 1 - \sigma`.

.. math::
    \sigma = \frac{1}{1 + e^\lambda}, \qquad \lambda = \log\frac{1 - \sigma}{\sigma}, \qquad
    \frac{d \log\sigma}{d\lambda} = -\alpha, \qquad \frac{d^2 \log\sigma}{d\lambda^2} = -\alpha \sigma

**The clock.** t is the time u that hosts space uniformly, before any shift; the network is told :math:`N \sigma`. A
static shift s bends it, and a dynamic one is the static shift that the length of the image's token sequence gives:

.. math::
    \sigma(u) = \frac{s u}{1 + (s - 1) u}, \qquad s = e^\mu \;\text{or}\; \mu, \qquad
    \mu = b + (m - b) \frac{L - L_b}{L_m - L_b}

``shift_terminal`` stretches :math:`1 - \sigma` linearly, so that the cleanest of the N training timesteps sits at that
sigma. (Hosts stretch the few nodes they run with instead, so that their sigmas depend on how many those are.)

**The end.** At u = 1, :math:`\alpha = 0` and :math:`\lambda = -\infty`. Sigma is multiplied by :math:`1 - 2^{-24}`, which
makes its largest value the largest float32 below 1: :math:`\lambda(1) = -16.6`. Hosts keep sigmas in float32, whose
rounding is as large, so that no value they would see is changed but 1 itself; an Euler step from there moves by
:math:`6 \cdot 10^{-8}` less. (Where a host needs :math:`\log\alpha` at its first step it has a guard of its own:
UniPC subtracts :math:`10^{-6}`, and DPM-Solver begins at u = 0.999.)

References:
    | Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow (Liu et al., 2023)
    | https://arxiv.org/abs/2209.03003
    | Scaling Rectified Flow Transformers for High-Resolution Image Synthesis (Esser et al., 2024), Eq. 23
    | https://arxiv.org/abs/2403.03206
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hso.errors import ArgumentError, check_choice, check_integer, check_real
from hso.noise.base import Array, NoiseSchedule

GUARD = 2.0**-24
LEAST_SHIFT, MOST_SHIFT = 1e-3, 1e3
MOST_TERMINAL = 0.999


class StraightPath(NoiseSchedule):
    r"""A noise schedule with :math:`\alpha = 1 - \sigma`; subclasses give the clock."""

    def log_alpha(self, lambda_: Any) -> Any:
        return -np.log1p(np.exp(-lambda_))

    def log_sigma(self, lambda_: Any) -> Any:
        return -np.log1p(np.exp(lambda_))

    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        alpha = 1 / (1 + np.exp(-lambda_))
        return -alpha, alpha * (alpha - 1)

    def timestep_of_time(self, t: ArrayLike) -> Array:
        return self.sigma_t(t) * (self.train_steps or 1)

    def time_of_timestep(self, timestep: ArrayLike) -> Array:
        sigma = np.asarray(timestep, dtype=np.float64) / (self.train_steps or 1)
        if not np.all((sigma >= 0) & (sigma <= 1)):
            raise ArgumentError("timestep", f"sigma in [0, 1] times {self.train_steps or 1}", timestep)
        with np.errstate(divide="ignore"):
            return self.time(np.log1p(-sigma) - np.log(sigma))


class RectifiedFlow(StraightPath):
    r"""Rectified flow on the clock of a shift.

    Args:
        shift: :math:`s > 0`; 1 is no shift, more spends more time near the noise.
        shift_terminal: Sigma of the cleanest training timestep; None leaves it where the shift puts it.
        train_steps: The network is told :math:`\sigma` times this.
        name: What to call it.
    """

    train_steps: int

    def __init__(
        self,
        shift: float = 1.0,
        shift_terminal: float | None = None,
        train_steps: int = 1000,
        name: str | None = None,
    ) -> None:
        self._shift = check_real("shift", shift, LEAST_SHIFT, MOST_SHIFT)
        self.train_steps = check_integer("train_steps", train_steps, 2, 100_000)
        self._stretch = 1.0 if shift_terminal is None else self._stretch_to(shift_terminal)
        self.name = name or f"rectified_flow({self._shift:g})"

    @property
    def t_range(self) -> tuple[float, float]:
        return 1 / self.train_steps, 1.0

    def _stretch_to(self, terminal: float) -> float:
        first = 1 / self.train_steps
        alpha = (1 - first) / (1 + (self._shift - 1) * first)
        cause = f"shift {self._shift:g} alone ends at the lower"
        return (1 - check_real("shift_terminal", terminal, 1 - alpha, MOST_TERMINAL, cause)) / alpha

    def _lambda(self, t: Array) -> Array:
        scale = 1 + (self._shift - 1) * t
        alpha, sigma = self._stretch * (1 - t) / scale, self._shift * t / scale
        # 1 - alpha, by way of the sigma before the stretch: that does not cancel where sigma is small.
        sigma = sigma + (1 - self._stretch) * (1 - t) / scale
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(alpha + GUARD * sigma) - np.log((1 - GUARD) * sigma))

    def _time(self, lambda_: Array) -> Array:
        with np.errstate(over="ignore"):
            sigma = 1 / (1 + np.exp(lambda_)) / (1 - GUARD)
        unstretched = np.clip((sigma - (1 - self._stretch)) / self._stretch, 0.0, 1.0)
        return np.asarray(unstretched / (unstretched + self._shift * (1 - unstretched)))

    def _definition(self) -> bytes:
        return f"{self._shift:.12g},{self._stretch:.12g},{self.train_steps}".encode()


class ReversedFlow(RectifiedFlow):
    r"""The same for a network that is told :math:`N (1 - \sigma)`, as Mochi's is."""

    def timestep_of_time(self, t: ArrayLike) -> Array:
        return self.alpha_t(t) * self.train_steps

    def time_of_timestep(self, timestep: ArrayLike) -> Array:
        return super().time_of_timestep(self.train_steps - np.asarray(timestep, dtype=np.float64))


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
    r"""The static shift that is meant by ``use_dynamic_shifting`` at this resolution.

    Args:
        image_seq_len: L, number of tokens of the image; for Flux (height / 16) (width / 16).
        base_shift: :math:`\mu` at ``base_image_seq_len``.
        max_shift: :math:`\mu` at ``max_image_seq_len``.
        base_image_seq_len: :math:`L_b`.
        max_image_seq_len: :math:`L_m`, above :math:`L_b`. :math:`\mu` goes on linearly beyond.
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
