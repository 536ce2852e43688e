r"""The clock of variance-exploding models between two noise levels: :math:`\log\sigma` is linear in t.

.. math::
    \log\sigma(t) = \log\sigma_{max} - \frac{1 - t}{1 - t_0} \log\frac{\sigma_{max}}{\sigma_{min}}, \qquad t_0 = 10^{-3}

This is the clock of Song et al. Their N noise levels sit at :math:`t_n = (n + 1) / N` for N = 1000, so that
:math:`\sigma_{min}` is at :math:`t_0` as in the other families, and t = 0 is left to the clean sample. Both ends are
finite.

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021), Eq. 30-31
    | https://arxiv.org/abs/2011.13456
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Table 1
    | https://arxiv.org/abs/2206.00364
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from hso.errors import ArgumentError, check_real
from hso.noise.base import LEAST_SIGMA, MOST_SIGMA, Array
from hso.noise.clock import Clock, Told
from hso.noise.path import Path, VarianceExploding, VarianceExplodingFlow
from hso.noise.reading import Configuration, Reader
from hso.noise.told import ARCTAN_SIGMA, FLOW_SIGMA, QUARTER_LOG_SIGMA

T_START = 1e-3


class LogUniformClock(Clock):
    r"""The clock with :math:`\log\sigma` linear in t; :math:`\alpha = 1`.

    Args:
        sigma_min: Cleanest noise level.
        sigma_max: Noisiest noise level, above ``sigma_min``.
        told: What the network is told.
    """

    def __init__(self, sigma_min: float, sigma_max: float, told: Told = QUARTER_LOG_SIGMA) -> None:
        low = check_real("sigma_min", sigma_min, LEAST_SIGMA, MOST_SIGMA)
        high = check_real("sigma_max", sigma_max, LEAST_SIGMA, MOST_SIGMA)
        if high <= low:
            raise ArgumentError("sigma_max", f"a number above sigma_min = {low:g}", sigma_max)
        self.told = told
        self._first, self._span = math.log(high), math.log(high / low) / (1 - T_START)
        self._constants = low, high

    @property
    def t_range(self) -> tuple[float, float]:
        return T_START, 1.0

    def _lambda(self, t: Array) -> Array:
        return (1 - t) * self._span - self._first

    def _time(self, lambda_: Array) -> Array:
        return np.clip(1 - (lambda_ + self._first) / self._span, 0.0, 1.0)

    def definition(self) -> bytes:
        return ",".join(f"{x:.12g}" for x in self._constants).encode()


_FIELDS = ("sigma_min", "sigma_max", "sigma_data")
_EDM = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}
_ARCTAN = "CosineDPMSolverMultistepScheduler"


class EDMReader(Reader):
    """Reads diffusers' EDM schedulers, and Euler and similar ones with continuous timesteps and v-prediction."""

    classes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "EDMEulerScheduler": _EDM,
        "EDMDPMSolverMultistepScheduler": _EDM,
        _ARCTAN: {"sigma_min": 0.3, "sigma_max": 500.0, "sigma_data": 1.0},
    }
    clue = "timestep_type 'continuous' with prediction_type 'v_prediction'"

    def recognises(self, config: Configuration) -> bool:
        values = config.values
        continuous = values.get("timestep_type") == "continuous" and values.get("prediction_type") == "v_prediction"
        return super().recognises(config) or continuous

    def read(self, config: Configuration) -> tuple[Clock, Path]:
        # Euler and similar schedulers scale their input to unit variance for data of unit variance.
        values = {**self.classes.get(config.class_name, {"sigma_data": 1.0}), **config.given(*_FIELDS)}
        missing = [field for field in _FIELDS if field not in values]
        if missing:
            received = sorted(map(str, config.values))
            raise ArgumentError("config", f"{' and '.join(missing)} with continuous timesteps", received)
        told = ARCTAN_SIGMA if config.class_name == _ARCTAN else QUARTER_LOG_SIGMA
        clock = LogUniformClock(values["sigma_min"], values["sigma_max"], told)
        return clock, VarianceExploding(values["sigma_data"])


class CosmosReader(Reader):
    """Reads Cosmos Predict 2, whose pipelines give a flow-matching scheduler the noise levels of EDM.

    The network is told :math:`\\sigma / (1 + \\sigma)` and sees x times :math:`1 / (1 + \\sigma)`. The pipelines also write
    their constants into the configuration of the scheduler, where ``sigma_data`` shows them.
    """

    pipelines: ClassVar[tuple[str, ...]] = ("Cosmos2TextToImagePipeline", "Cosmos2VideoToWorldPipeline")

    def recognises(self, config: Configuration) -> bool:
        if config.class_name != "FlowMatchEulerDiscreteScheduler":
            return False
        return config.pipeline in self.pipelines or config.values.get("sigma_data") is not None

    def read(self, config: Configuration) -> tuple[Clock, Path]:
        values = {"sigma_min": 0.002, "sigma_max": 80.0, **config.given("sigma_min", "sigma_max")}
        return LogUniformClock(values["sigma_min"], values["sigma_max"], FLOW_SIGMA), VarianceExplodingFlow()
