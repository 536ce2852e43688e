r"""What networks are told of the noise level, other than their training index (which GLM-Image is told too).

| rule | the network is told | models |
|---|---|---|
| :class:`FlowSigma` | :math:`N \sigma`, with the :math:`\sigma` of rectified flow | rectified flow |
| :class:`FlowAlpha` | :math:`N (1 - \sigma)` | Mochi |
| :class:`FlowTime` | :math:`N u`, with the time u before the shift | CogView4 |
| :class:`QuarterLogSigma` | :math:`c_{noise} = \frac14 \log\sigma` | EDM |
| :class:`ArctanSigma` | :math:`\frac{2}{\pi} \arctan\sigma` | Stable Audio |

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Table 1
    | https://arxiv.org/abs/2206.00364
    | Stable Audio Open (Evans et al., 2024), for the arc tangent
    | https://arxiv.org/abs/2407.14358
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hso.errors import ArgumentError
from hso.noise.base import Array
from hso.noise.clock import TRAINING_INDEX, Clock, Told
from hso.noise.path import STRAIGHT, Path, Straight, VarianceExploding


@dataclass(frozen=True)
class FlowSigma(Told):
    r"""The network is told :math:`N \sigma`; :math:`\sigma` itself if there are no training timesteps."""

    def timestep(self, t: Array, clock: Clock) -> Array:
        return np.asarray(np.exp(STRAIGHT.log_sigma(clock.lambda_(t)))) * _factor(clock)

    def time(self, timestep: Array, clock: Clock) -> Array:
        sigma = timestep / _factor(clock)
        if not np.all((sigma >= 0) & (sigma <= 1)):
            raise ArgumentError("timestep", f"sigma in [0, 1] times {_factor(clock)}", timestep)
        with np.errstate(divide="ignore"):
            return clock.time(np.log1p(-sigma) - np.log(sigma))


@dataclass(frozen=True)
class FlowAlpha(Told):
    r"""The network is told :math:`N (1 - \sigma)`, which rises while sampling."""

    def timestep(self, t: Array, clock: Clock) -> Array:
        return np.asarray(np.exp(STRAIGHT.log_alpha(clock.lambda_(t)))) * _factor(clock)

    def time(self, timestep: Array, clock: Clock) -> Array:
        return FLOW_SIGMA.time(_factor(clock) - timestep, clock)


@dataclass(frozen=True)
class FlowTime(Told):
    """The network is told N u, the time before the shift."""

    def timestep(self, t: Array, clock: Clock) -> Array:
        return t * _factor(clock)

    def time(self, timestep: Array, clock: Clock) -> Array:
        return timestep / _factor(clock)


@dataclass(frozen=True)
class QuarterLogSigma(Told):
    r"""The network is told :math:`\frac14 \log\sigma` with :math:`\sigma = e^{-\lambda}`."""

    def timestep(self, t: Array, clock: Clock) -> Array:
        return -clock.lambda_(t) / 4

    def time(self, timestep: Array, clock: Clock) -> Array:
        return clock.time(-4 * timestep)


@dataclass(frozen=True)
class ArctanSigma(Told):
    r"""The network is told :math:`\frac{2}{\pi} \arctan\sigma` with :math:`\sigma = e^{-\lambda}`."""

    def timestep(self, t: Array, clock: Clock) -> Array:
        return np.asarray(2 / np.pi * np.arctan(np.exp(-clock.lambda_(t))))

    def time(self, timestep: Array, clock: Clock) -> Array:
        if not np.all((timestep >= 0) & (timestep <= 1)):
            raise ArgumentError("timestep", "arctan(sigma) in [0, pi / 2] times 2 / pi", timestep)
        with np.errstate(divide="ignore"):
            return clock.time(-np.log(np.tan(timestep * np.pi / 2)))


FLOW_SIGMA, FLOW_ALPHA, FLOW_TIME = FlowSigma(), FlowAlpha(), FlowTime()
QUARTER_LOG_SIGMA, ARCTAN_SIGMA = QuarterLogSigma(), ArctanSigma()
_USUAL: Mapping[type[Path], Told] = {VarianceExploding: QUARTER_LOG_SIGMA, Straight: FLOW_SIGMA}


def usually_told(path: Path) -> Told:
    """What networks on a path are told unless more is known of the model: their training index, on most paths."""
    return _USUAL.get(type(path), TRAINING_INDEX)


def _factor(clock: Clock) -> int:
    return clock.train_steps or 1
