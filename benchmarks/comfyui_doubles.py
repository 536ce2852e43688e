r"""Doubles of ComfyUI's sampling classes, for tests and measurements without ComfyUI.

They are written from the formulas, with ComfyUI's names and attributes, and they say what a network would be told of a
sigma. ``tests/integrations/comfyui/test_server.py`` compares the schedules with the real classes where there is an
installation.
"""

from __future__ import annotations

import math
from typing import Any

import torch


class EPS:
    """The network predicts the noise."""


class V_PREDICTION(EPS):  # noqa: N801  # ComfyUI's name, as all in this file
    """The network predicts v."""


class V_PREDICTION_DDPM:  # noqa: N801
    """CogVideoX: v of a variance-preserving state."""


class EDM(V_PREDICTION):
    """The network predicts what EDM's preconditioning asks for."""


class CONST:
    """The network predicts the velocity of rectified flow."""


class COSMOS_RFLOW:  # noqa: N801
    """Rectified flow in the units of EDM."""


class X0(EPS):
    """The network predicts the clean sample."""


class IMG_TO_IMG(X0):  # noqa: N801
    """From one image to another, without noise."""


class LCM(EPS):
    """A distilled network."""


class _Table:
    sigmas: torch.Tensor

    @property
    def sigma_min(self) -> torch.Tensor:
        return self.sigmas[0]

    @property
    def sigma_max(self) -> torch.Tensor:
        return self.sigmas[-1]


class ModelSamplingDiscrete(_Table):
    r"""A table from the scaled-linear betas of Stable Diffusion; the nearest entry in :math:`\log\sigma` is told."""

    def __init__(self, zero_snr: bool = False, steps: int = 1000) -> None:
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, steps, dtype=torch.float64) ** 2
        alphas = torch.cumprod(1 - betas, 0)
        if zero_snr:
            root = alphas.sqrt()
            alphas = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
            alphas[-1] = 4.9e-8
        self.sigmas = ((1 - alphas) / alphas).sqrt().float()

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        distance = (sigma.log().reshape(-1, 1) - self.sigmas.log()).abs()
        return distance.argmin(1).reshape(sigma.shape)


class ModelSamplingDiscreteDistilled(ModelSamplingDiscrete):
    """A grid of its own."""


class ModelSamplingDiscreteFlow(_Table):
    """Rectified flow whose shift is a ratio."""

    def __init__(self, shift: float = 3.0, multiplier: float = 1000) -> None:
        self.shift, self.multiplier = shift, multiplier
        u = torch.arange(1, 1001) / 1000
        self.sigmas = shift * u / (1 + (shift - 1) * u)

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        return sigma * self.multiplier


class ModelSamplingFlux(_Table):
    """Rectified flow whose shift is the logarithm of a ratio."""

    def __init__(self, shift: float = 1.15) -> None:
        self.shift = shift
        u = torch.arange(1, 10001) / 10000
        self.sigmas = math.exp(shift) / (math.exp(shift) + (1 / u - 1))

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        return sigma


class ModelSamplingContinuousEDM(_Table):
    """Log-uniform sigmas."""

    def __init__(self, low: float = 0.002, high: float = 120.0, sigma_data: float = 1.0) -> None:
        self.sigma_data = sigma_data
        self.sigmas = torch.linspace(math.log(low), math.log(high), 1000).exp()

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        return 0.25 * sigma.log()


class ModelSamplingContinuousV(ModelSamplingContinuousEDM):
    """The network is told an angle."""

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        return sigma.atan() * 2 / math.pi


class ModelSamplingCosmosRFlow(ModelSamplingContinuousEDM):
    """The network is told the flow sigma."""

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        return sigma / (sigma + 1)


class StableCascadeSampling(ModelSamplingDiscrete):
    """The cosine schedule with a shift; the network is told the time without it."""

    def __init__(self, shift: float = 2.0) -> None:
        t = torch.arange(1, 10001, dtype=torch.float64) / 10000
        self._start = math.cos(math.pi / 2 * 0.008 / 1.008)
        alpha_bar = (torch.cos((t + 0.008) / 1.008 * math.pi / 2) / self._start) ** 2
        alpha_bar = torch.sigmoid(torch.logit(alpha_bar.clamp(1e-12, 1 - 1e-12)) - 2 * math.log(shift))
        alpha_bar = alpha_bar.clamp(1e-4, 1 - 1e-4)
        self.sigmas = ((1 - alpha_bar) / alpha_bar).sqrt().float()

    def timestep(self, sigma: torch.Tensor) -> torch.Tensor:
        alpha = (1 / (1 + sigma**2)).sqrt()
        return (alpha * self._start).acos() * 2 / math.pi * 1.008 - 0.008


def combined(sampling: type, prediction: type, *arguments: Any, **settings: Any) -> Any:
    """An object of a class that ComfyUI would make of the two."""
    kind = type("ModelSampling", (sampling, prediction), {})
    return kind(*arguments, **settings)


def every_sampling() -> dict[str, Any]:
    """One object for each pair of classes that ComfyUI's models use and a schedule can be made for."""
    return {
        "discrete, eps": combined(ModelSamplingDiscrete, EPS),
        "discrete, v, zero SNR": combined(ModelSamplingDiscrete, V_PREDICTION, zero_snr=True),
        "discrete, v of CogVideoX": combined(ModelSamplingDiscrete, V_PREDICTION_DDPM, zero_snr=True),
        "discrete flow, shift 3": combined(ModelSamplingDiscreteFlow, CONST, 3.0),
        "discrete flow, shift 12": combined(ModelSamplingDiscreteFlow, CONST, 12.0),
        "discrete flow, multiplier 1": combined(ModelSamplingDiscreteFlow, CONST, 1.73, 1.0),
        "flux, mu 1.15": combined(ModelSamplingFlux, CONST),
        "continuous EDM, edm": combined(ModelSamplingContinuousEDM, EDM, 0.002, 80.0, 0.5),
        "continuous EDM, v": combined(ModelSamplingContinuousEDM, V_PREDICTION, 0.002, 700.0),
        "continuous V": combined(ModelSamplingContinuousV, V_PREDICTION, 0.03, 500.0),
        "Stable Cascade": combined(StableCascadeSampling, EPS),
        "Cosmos": combined(ModelSamplingCosmosRFlow, COSMOS_RFLOW, 0.002, 80.0),
    }
