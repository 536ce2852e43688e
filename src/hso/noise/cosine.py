r"""The cosine clock.

.. math::
    \alpha_t = \cos\!\left(\frac{\pi}{2} \frac{t + s}{1 + s}\right) \Big/ \cos\!\left(\frac{\pi}{2} \frac{s}{1 + s}\right)

Here :math:`\alpha_1 = 0`, so :math:`\lambda(1) = -\infty`. Nodes therefore stay at or below t = 0.9946, the end that
DPM-Solver uses.

References:
    | Improved Denoising Diffusion Probabilistic Models (Nichol and Dhariwal, 2021), Eq. 17
    | https://arxiv.org/abs/2102.09672
    | DPM-Solver (Lu et al., 2022), Appendix D.4
    | https://arxiv.org/abs/2206.00927
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from hso.errors import ArgumentError, check_real
from hso.noise.base import Array, check_train_steps
from hso.noise.clock import Clock
from hso.noise.path import VP, Path
from hso.noise.reading import Configuration, Reader

T_END = 0.9946


class CosineClock(Clock):
    """The cosine clock of variance-preserving models.

    Args:
        s: The offset that keeps the noise at t = 0 from being too small.
        train_steps: N of the model's timestep input t N - 1; None if the model takes t itself.
    """

    def __init__(self, s: float = 0.008, train_steps: int | None = 1000) -> None:
        self._s = check_real("s", s, 0.0, 1.0)
        self.train_steps = None if train_steps is None else check_train_steps(train_steps)

    @property
    def t_range(self) -> tuple[float, float]:
        return 1e-3, T_END

    def _angle(self, t: Array | float) -> Array:
        return np.asarray(0.5 * np.pi * (t + self._s) / (1 + self._s))

    def _lambda(self, t: Array) -> Array:
        # Near t = 0 the two cosines nearly cancel; log1p(-2 sin sin) keeps log alpha exact there.
        start, angle = self._angle(0.0), self._angle(t)
        drop = 2 * np.sin((angle + start) / 2) * np.sin((angle - start) / 2) / np.cos(start)
        with np.errstate(divide="ignore"):
            return VP.lambda_of_log_alpha(np.log1p(-np.minimum(drop, 1.0)))

    def _time(self, lambda_: Array) -> Array:
        start = self._angle(0.0)
        # 1 - cos = 2 sin^2 gives the angle from 1 - alpha, again without cancellation.
        versine = 1 - np.cos(start) + np.cos(start) * -np.expm1(VP.log_alpha(lambda_))
        angle = 2 * np.arcsin(np.sqrt(np.clip(versine / 2, 0.0, 1.0)))
        return np.asarray(np.clip(angle * (1 + self._s) * 2 / np.pi - self._s, 0.0, 1.0))

    def definition(self) -> bytes:
        return f"{self._s:.12g},{self.train_steps}".encode()


class CosineReader(Reader):
    """Reads the scheduler of Wuerstchen and Stable Cascade, whose network is told t itself."""

    classes: ClassVar[Mapping[str, Mapping[str, Any]]] = {"DDPMWuerstchenScheduler": {"s": 0.008, "scaler": 1.0}}

    def read(self, config: Configuration) -> tuple[Clock, Path]:
        values = {**self.classes["DDPMWuerstchenScheduler"], **config.given("s", "scaler")}
        if check_real("scaler", values["scaler"], 0.0) != 1:
            raise ArgumentError("scaler", "1, as all published models have", values["scaler"])
        return CosineClock(values["s"], train_steps=None), VP
