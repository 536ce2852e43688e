r"""The shift of rectified flow's times: its size, and how it depends on the size of the image.

With t = u, the time that hosts space,

.. math::
    \sigma(u) = \frac{s u}{1 + (s - 1) u} = \frac{s}{s + 1 / u - 1}, \qquad s = e^\mu \;\text{or}\; \mu

A *static* shift is a number. A *dynamic* one depends on L, the number of tokens of the image. The usual rule is linear in
L. Three pipelines of diffusers compute it in another way, which their configurations do not say:

.. math::
    \mu = b + (m - b) \frac{L - L_b}{L_m - L_b} \;\text{(most)}, \qquad
    \mu = b + m \sqrt{L / L_b} \;\text{(CogView4, GLM-Image)}, \qquad
    \mu = \frac12 \log\frac{L}{1024} \;\text{(Ideogram 4)}

FLUX.2's depends on the number of steps N, too: with :math:`\mu_{10} = 8.73809524 \cdot 10^{-5} L + 1.89833333` and
:math:`\mu_{200} = 1.6927 \cdot 10^{-4} L + 0.45666666` it is linear in N between :math:`\mu_{10}` at 10 and
:math:`\mu_{200}` at 200 steps; above 4300 tokens it is :math:`\mu_{200}`. As the model's own shift this library takes the
one of 50 steps, which is the default of the pipeline.

References:
    | Scaling Rectified Flow Transformers for High-Resolution Image Synthesis (Esser et al., 2024), Eq. 23
    | https://arxiv.org/abs/2403.03206
    | FLUX.2, compute_empirical_mu in src/flux2/sampling.py (Black Forest Labs, 2025)
    | https://github.com/black-forest-labs/flux2
    | diffusers 0.42, calculate_shift in pipelines/cogview4 and pipelines/glm_image, _resolution_aware_mu in
      pipelines/ideogram4
    | https://github.com/huggingface/diffusers
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hso.errors import ArgumentError, check_choice, check_integer, check_real
from hso.noise.base import Array

LEAST_SHIFT, MOST_SHIFT = 1e-3, 1e3
# The number of steps for which a shift that depends on it stands for the model's own.
USUAL_STEPS = 50
TIME_SHIFTS: Mapping[str, Callable[[float], float]] = {"exponential": math.exp, "linear": float}
# From the length of the image and the number of steps to mu.
Mu = Callable[[int, int], float]


class Shift(ABC):
    """How a run's times become its sigmas."""

    @abstractmethod
    def factor(self, steps: int = USUAL_STEPS) -> float:
        """The factor s for a run of so many steps."""

    @abstractmethod
    def sigma(self, u: Array, steps: int) -> Array:
        """Sigma at times u, computed as diffusers' schedulers do, in the precision of u."""


@dataclass(frozen=True)
class StaticShift(Shift):
    """The same shift for every image.

    Attributes:
        value: The factor s.
    """

    value: float = 1.0

    def factor(self, steps: int = USUAL_STEPS) -> float:
        return self.value

    def sigma(self, u: Array, steps: int) -> Array:
        return self.value * u / (1 + (self.value - 1) * u)


@dataclass(frozen=True)
class DynamicShift(Shift):
    """A shift that the length of the image gives.

    Attributes:
        mu: From the length of the image and the number of steps to mu.
        length: L, number of tokens of the image.
        time_shift_type: "exponential" (s = e^mu) or "linear" (s = mu).

    Raises:
        ArgumentError: If the length or the type is unusable, or the shift is not positive.
    """

    mu: Mu
    length: int
    time_shift_type: str = "exponential"

    def __post_init__(self) -> None:
        length = check_integer("image_seq_len", self.length, 1, 10**9)
        kind = check_choice("time_shift_type", self.time_shift_type, TIME_SHIFTS)
        limit = math.log(MOST_SHIFT) if kind == "exponential" else MOST_SHIFT
        least = -limit if kind == "exponential" else LEAST_SHIFT
        check_real("mu", self.mu(length, USUAL_STEPS), least, limit, f"image_seq_len = {length}")

    def factor(self, steps: int = USUAL_STEPS) -> float:
        return TIME_SHIFTS[self.time_shift_type](self.mu(self.length, steps))

    def sigma(self, u: Array, steps: int) -> Array:
        shift = self.factor(steps)
        with np.errstate(divide="ignore"):
            return shift / (shift + (1 / u - 1))


def linear_mu(length: int, steps: int, *, base: float, most: float, low: int, high: int) -> float:
    """The usual rule: ``base`` at ``low`` tokens, ``most`` at ``high``."""
    return base + (most - base) * (length - low) / (high - low)


def square_root_mu(length: int, steps: int, *, base: float, most: float, low: int) -> float:
    """The rule of CogView4 and GLM-Image."""
    return (length / low) ** 0.5 * most + base


def flux2_mu(length: int, steps: int) -> float:
    """The rule of FLUX.2.

    Example:
        >>> round(flux2_mu(4096, 50), 2), round(flux2_mu(4096, 8), 2)
        (2.02, 2.27)
    """
    many = 0.00016927 * length + 0.45666666
    if length > 4300:
        return many
    few = 8.73809524e-05 * length + 1.89833333
    slope = (many - few) / 190.0
    return slope * steps + (many - 200.0 * slope)


def ideogram4_mu(length: int, steps: int) -> float:
    """The rule of Ideogram 4: 0 at 512 by 512 pixels, which are 1024 tokens."""
    return 0.5 * math.log(length / 1024)


def read_linear_mu(values: Mapping[str, Any]) -> Mu:
    """The usual rule with the constants of a configuration; what is missing has diffusers' default.

    Raises:
        ArgumentError: If a constant is unusable.
    """
    low = check_integer("base_image_seq_len", values.get("base_image_seq_len", 256), 1, 10**9)
    high = check_integer("max_image_seq_len", values.get("max_image_seq_len", 4096), 1, 10**9)
    if high <= low:
        raise ArgumentError("max_image_seq_len", f"an integer above base_image_seq_len = {low}", high)
    base = check_real("base_shift", values.get("base_shift", 0.5), -1e3, 1e3)
    most = check_real("max_shift", values.get("max_shift", 1.15), -1e3, 1e3)
    return partial(linear_mu, base=base, most=most, low=low, high=high)


def read_square_root_mu(values: Mapping[str, Any]) -> Mu:
    """CogView4's rule with the constants of a configuration."""
    low = check_integer("base_image_seq_len", values.get("base_image_seq_len", 256), 1, 10**9)
    base = check_real("base_shift", values.get("base_shift", 0.25), -1e3, 1e3)
    most = check_real("max_shift", values.get("max_shift", 0.75), -1e3, 1e3)
    return partial(square_root_mu, base=base, most=most, low=low)


# Pipelines of diffusers that compute mu in another way than the usual one. A new one is one line here.
MU_READERS: Mapping[str, Callable[[Mapping[str, Any]], Mu]] = {
    **dict.fromkeys(("CogView4Pipeline", "CogView4ControlPipeline", "GlmImagePipeline"), read_square_root_mu),
    **dict.fromkeys(
        ("Flux2Pipeline", "Flux2KleinPipeline", "Flux2KleinInpaintPipeline", "Flux2KleinKVPipeline"),
        lambda values: flux2_mu,
    ),
}
# Pipelines that shift the sigmas themselves, so that the scheduler's configuration has shift 1; and the length of the image
# that they make by default.
OWN_SHIFTS: Mapping[str, Callable[[int | None], Shift]] = {
    "AceStepPipeline": lambda length: StaticShift(3.0),
    "Ideogram4Pipeline": lambda length: DynamicShift(ideogram4_mu, length or 16384),
}


def dynamic_shift(
    image_seq_len: int,
    *,
    base_shift: float = 0.5,
    max_shift: float = 1.15,
    base_image_seq_len: int = 256,
    max_image_seq_len: int = 4096,
    time_shift_type: str = "exponential",
) -> float:
    r"""The static shift that ``use_dynamic_shifting`` gives at this resolution, by the usual rule.

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
    values = {
        "base_shift": base_shift,
        "max_shift": max_shift,
        "base_image_seq_len": base_image_seq_len,
        "max_image_seq_len": max_image_seq_len,
    }
    return DynamicShift(read_linear_mu(values), image_seq_len, time_shift_type).factor()
