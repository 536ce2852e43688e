r"""ComfyUI's sampling classes: the noise schedule of a model, and what its network is told of a sigma.

A model's ``model_sampling`` has a class that is made of two: one says which sigmas there are, the other what the network
predicts. Each row is a class of the first kind, as it is in ComfyUI 0.29.

| class | sigma | the network is told |
|---|---|---|
| ``ModelSamplingDiscrete`` | :math:`\tilde\sigma`, a table | the nearest whole timestep |
| ``ModelSamplingDiscreteFlow`` | flow sigma, shift s | :math:`\sigma` times a multiplier |
| ``ModelSamplingFlux`` | flow sigma, shift :math:`\mu`, so :math:`s = e^\mu` | :math:`\sigma` |
| ``ModelSamplingContinuousEDM`` | :math:`\tilde\sigma` | :math:`\frac14 \log\tilde\sigma` |
| ``ModelSamplingContinuousV`` | :math:`\tilde\sigma` | :math:`\frac2\pi \arctan\tilde\sigma` |
| ``ModelSamplingCosmosRFlow`` | :math:`\tilde\sigma` of a flow model | :math:`\tilde\sigma / (1 + \tilde\sigma)` |
| ``StableCascadeSampling`` | :math:`\tilde\sigma`, a table with a shift | the time of the cosine schedule |

The objects are read by their attributes. What is read is compared with what the object's own ``timestep`` says at a few of
its sigmas, so a class that was changed is refused rather than misread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hso.errors import ArgumentError, HostError
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.noise.clock import Clock, Told
from hso.noise.edm import LogUniformClock
from hso.noise.levels import flow_sigma_of_lambda, lambda_of_flow_sigma, lambda_of_sigma, sigma_of_lambda
from hso.noise.path import STRAIGHT, VP, VarianceExploding
from hso.noise.table import TableClock
from hso.noise.told import ARCTAN_SIGMA, FLOW_SIGMA
from hso.schedule import SamplingSchedule

NAME = "comfyui"
# Share by which a float32 sigma may differ from the noisiest or cleanest one and still be that one.
NEAR = 1e-5
# In timesteps, or in the unit in which the network is told: far above float32, far below what a sample could show.
TOLD_TOLERANCE = 1e-3
CHECKED = 8
# Points of a table that are kept: the curve through them is smooth.
TABLE_POINTS = 500
PREDICTIONS = ("CONST", "COSMOS_RFLOW", "EDM", "V_PREDICTION_DDPM", "V_PREDICTION", "X0", "EPS")
REFUSED: Mapping[str, str] = {
    "ModelSamplingDiscreteDistilled": "the model was distilled onto the noise levels of a grid of its own",
    "LCM": "the model was distilled onto the noise levels of a grid of its own",
    "IMG_TO_IMG": "the model turns one image into another and takes no noise, so noise levels mean nothing to it",
    "IMG_TO_IMG_FLOW": "the model turns one image into another and takes no noise, so noise levels mean nothing to it",
}


@dataclass(frozen=True)
class CosineTime(Told):
    r"""The network is told the time of the cosine schedule without shift, with offset s = 0.008 (Stable Cascade).

    .. math::
        t = (1 + s) \frac2\pi \arccos\!\left(\alpha \cos\frac{\pi s}{2 (1 + s)}\right) - s
    """

    def timestep(self, t: Array, clock: Clock) -> Array:
        alpha = np.exp(VP.log_alpha(clock.lambda_(t)))
        return np.asarray((1 + _S) * 2 / np.pi * np.arccos(alpha * _START) - _S)

    def time(self, timestep: Array, clock: Clock) -> Array:
        alpha = np.cos(np.pi / 2 * (timestep + _S) / (1 + _S)) / _START
        return clock.time(VP.lambda_of_log_alpha(np.log(alpha)))


_S = 0.008
_START = math.cos(math.pi / 2 * _S / (1 + _S))


@dataclass(frozen=True)
class Sampling:
    """What a ``model_sampling`` object says of its model.

    Attributes:
        noise: The noise schedule.
        sigma_max: The noisiest sigma, as ComfyUI holds it.
        unit: What the network is told is the noise schedule's own number times this.
        table: Sigma of each whole timestep, shape (N_train,), increasing, if the network is told those; else None.
        means_flow_sigma: Whether "sigma" is the flow sigma.
    """

    noise: NoiseSchedule
    sigma_max: float
    unit: float = 1.0
    table: Array | None = None
    means_flow_sigma: bool = False

    @property
    def sigma_min(self) -> float:
        """The cleanest sigma of the noise schedule, as ComfyUI means it."""
        return self.sigma_of_time(self.noise.t_range[0])

    def sigma_of_time(self, t: float) -> float:
        """The sigma of a time, as ComfyUI means it."""
        lambda_ = self.noise.lambda_(t)
        return float((flow_sigma_of_lambda if self.means_flow_sigma else sigma_of_lambda)(lambda_))

    def time_of_sigma(self, sigma: float) -> float:
        """The time of a sigma, on a whole timestep if the network is told those."""
        lambda_ = (lambda_of_flow_sigma if self.means_flow_sigma else lambda_of_sigma)(sigma)
        return self.on_grid(float(np.clip(self.noise.time(lambda_), *self.noise.t_range)))

    def on_grid(self, t: float) -> float:
        """The time itself, or the nearest one of a whole timestep if the network is told those."""
        if self.table is None:
            return t
        index = int(np.clip(round(float(self.noise.index_of_time(t))), 0, len(self.table) - 1))
        return float(self.noise.time_of_index(index))

    def landed(self, schedule: SamplingSchedule) -> SamplingSchedule:
        """The schedule with its nodes moved to the nearest whole timesteps if the network is told those."""
        if self.table is None:
            return schedule
        told = schedule.timesteps
        start = None if schedule.start is None else float(self.noise.time_of_timestep(float(told[0])))
        return SamplingSchedule.from_timesteps(self.noise, told.astype(float), start=start)

    def sigmas(self, schedule: SamplingSchedule) -> list[float]:
        """The sigmas of a schedule for this model, and a last 0, shape (N + 1,)."""
        if self.table is not None:
            return [*self.table[schedule.timesteps].tolist(), 0.0]
        values = (flow_sigma_of_lambda if self.means_flow_sigma else sigma_of_lambda)(schedule.lambdas)
        # ComfyUI looks for its own noisiest sigma, for example to scale the first noise.
        values[np.abs(values / self.sigma_max - 1) < NEAR] = self.sigma_max
        return [*values.tolist(), 0.0]


def read_sampling(model_sampling: Any) -> Sampling:
    """Read a ``model_sampling`` object.

    Args:
        model_sampling: What ``model.get_model_object("model_sampling")`` returns, patches included.

    Raises:
        HostError: If the class is unknown, cannot take a schedule, or does not tell its network what its class says.
    """
    names = [kind.__name__ for kind in type(model_sampling).__mro__]
    for name in names:
        if name in REFUSED:
            raise HostError(name, f"cannot take a schedule: {REFUSED[name]}")
    known = next((name for name in names if name in SAMPLING_CLASSES), None)
    prediction = next((name for name in names if name in PREDICTIONS), None)
    if known is None or prediction is None:
        problem = f"is no sampling class that this library knows; it knows {', '.join(SAMPLING_CLASSES)}"
        raise HostError(names[0], problem)
    if getattr(model_sampling, "sigmas", None) is None:
        raise HostError(names[0], f"has no sigmas, which every {known} has; was model_sampling patched?")
    read, wanted = SAMPLING_CLASSES[known]
    if prediction not in wanted:
        raise HostError(names[0], f"{known} with {prediction}: expected {' or '.join(wanted)}")
    try:
        sampling = read(model_sampling)
    except (ArgumentError, AttributeError, TypeError, ValueError) as error:
        raise HostError(names[0], f"cannot be read as {known}: {' '.join(str(error).split())}") from error
    _check_told(names[0], model_sampling, sampling)
    return sampling


def _check_told(name: str, model_sampling: Any, sampling: Sampling) -> None:
    """Compare what the object tells the network at some of its sigmas with what its noise schedule says."""
    every = model_sampling.sigmas
    some = every[:: max(1, len(every) // CHECKED)]
    told, sigmas = _vector(model_sampling.timestep(some)), _vector(some)
    inside = (sigmas > sampling.sigma_min * (1 + NEAR)) & (sigmas < sampling.sigma_max * (1 - NEAR))
    expected = np.array([_told(sampling, sigma) for sigma in sigmas[inside]])
    wrong = ~(np.abs(told[inside] - expected) <= TOLD_TOLERANCE * max(1.0, sampling.unit))
    if wrong.any():
        first = int(np.argmax(wrong))
        found = f"{told[inside][first]:.6g} at sigma {sigmas[inside][first]:.6g}, expected {expected[first]:.6g}"
        raise HostError(name, f"tells its network {found}; was model_sampling patched?")


def _told(sampling: Sampling, sigma: float) -> float:
    return float(sampling.noise.timestep_of_time(sampling.time_of_sigma(sigma))) * sampling.unit


def _vector(values: Any) -> Array:
    return np.array(values.tolist(), dtype=np.float64).reshape(-1)


def _discrete(model_sampling: Any) -> Sampling:
    table = _vector(model_sampling.sigmas)
    noise = NoiseSchedule.from_alphas_cumprod(1 / (1 + table**2), NAME)
    return Sampling(noise, float(table[-1]), table=table)


def _discrete_flow(model_sampling: Any) -> Sampling:
    noise = NoiseSchedule.rectified_flow(float(model_sampling.shift))
    unit = float(model_sampling.multiplier) / noise.require_train_steps()
    return Sampling(noise, float(model_sampling.sigma_max), unit, means_flow_sigma=True)


def _flux(model_sampling: Any) -> Sampling:
    noise = NoiseSchedule.rectified_flow(math.exp(float(model_sampling.shift)))
    return Sampling(noise, float(model_sampling.sigma_max), 1 / noise.require_train_steps(), means_flow_sigma=True)


def _ends(model_sampling: Any) -> tuple[float, float]:
    return float(model_sampling.sigma_min), float(model_sampling.sigma_max)


def _continuous_edm(model_sampling: Any) -> Sampling:
    low, high = _ends(model_sampling)
    return Sampling(NoiseSchedule.edm(low, high, float(model_sampling.sigma_data)), high)


def _continuous_v(model_sampling: Any) -> Sampling:
    low, high = _ends(model_sampling)
    path = VarianceExploding(float(model_sampling.sigma_data))
    return Sampling(NoiseSchedule(LogUniformClock(low, high, ARCTAN_SIGMA), path, NAME), high)


def _cosmos(model_sampling: Any) -> Sampling:
    low, high = _ends(model_sampling)
    return Sampling(NoiseSchedule(LogUniformClock(low, high, FLOW_SIGMA), STRAIGHT, NAME), high)


def _cascade(model_sampling: Any) -> Sampling:
    table = _vector(model_sampling.sigmas)
    times = np.arange(1, len(table) + 1) / len(table)
    # At both ends the table is clamped, so that neighbours are equal there.
    inside = np.flatnonzero((table > table[0] * (1 + NEAR)) & (table < table[-1] * (1 - NEAR)))
    kept = inside[np.unique(np.linspace(0, len(inside) - 1, TABLE_POINTS).astype(int))]
    clock = TableClock(times[kept], lambda_of_sigma(table[kept]), None, CosineTime())
    return Sampling(NoiseSchedule(clock, VP, NAME), float(table[kept[-1]]))


_NOISE = ("EPS", "V_PREDICTION", "V_PREDICTION_DDPM", "X0", "EDM")
# How a class is read, and what its network may predict. A new class is one function and one line here. If an object has
# several of these classes, the most special one comes first in its order of bases.
SAMPLING_CLASSES: Mapping[str, tuple[Callable[[Any], Sampling], tuple[str, ...]]] = {
    "ModelSamplingDiscrete": (_discrete, _NOISE),
    "ModelSamplingDiscreteFlow": (_discrete_flow, ("CONST",)),
    "ModelSamplingFlux": (_flux, ("CONST",)),
    "ModelSamplingContinuousEDM": (_continuous_edm, _NOISE),
    "ModelSamplingContinuousV": (_continuous_v, _NOISE),
    "ModelSamplingCosmosRFlow": (_cosmos, ("COSMOS_RFLOW",)),
    "StableCascadeSampling": (_cascade, ("EPS",)),
}
