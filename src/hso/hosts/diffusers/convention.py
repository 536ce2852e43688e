r"""What the sample of a diffusers scheduler is, what its network sees of it, and what the network's output means.

Let :math:`x = \alpha x_0 + \sigma \epsilon` be the state of a solver, and :math:`\tilde\sigma = \sigma / \alpha`. There are
three conventions:

- the sample is x, and the network sees x;
- the sample is :math:`x / \alpha`, and the network sees x (Euler and Heun, for variance-preserving models):
  :math:`x / \alpha = x_0 + \tilde\sigma \epsilon`;
- the sample is x with :math:`\alpha = 1`, and the network F sees :math:`c_{in} x` (EDM):

  .. math::
      x_0 = \frac{\sigma_d^2}{\sigma^2 + \sigma_d^2} x \pm \frac{\sigma \sigma_d}{\sqrt{\sigma^2 + \sigma_d^2}} F, \qquad
      c_{in} = \frac{1}{\sqrt{\sigma^2 + \sigma_d^2}}

  with + for diffusers' ``epsilon`` and - for its ``v_prediction``.

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Table 1
    | https://arxiv.org/abs/2206.00364
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hso.errors import check_choice
from hso.hosts.diffusers.family import Config, SchedulerFamily
from hso.noise.path import Path
from hso.solvers import PREDICTIONS, Level, to_data

EDM_SIGNS: Mapping[str, int] = {"epsilon": 1, "v_prediction": -1}


class Convention(ABC):
    """How a sample, the network's input and its output belong to the state x of a solver."""

    def sample(self, level: Level) -> float:
        """What x is multiplied with to give the sample."""
        return 1.0

    def input(self, level: Level) -> float:
        """What the sample is multiplied with to give the network's input."""
        return 1.0

    def first(self, level: Level) -> float:
        """Standard deviation of the first sample, for data of unit variance."""
        return 1.0

    @abstractmethod
    def data(self, output: Any, x: Any, level: Level) -> Any:
        """The data that a network output implies, from the state x."""


@dataclass(frozen=True)
class Plain(Convention):
    """The sample is x.

    Attributes:
        prediction: What the network predicts, one of ``hso.solvers.PREDICTIONS``.
        sign: -1 if the network's output is the negative of that.
    """

    prediction: str
    sign: int = 1

    def data(self, output: Any, x: Any, level: Level) -> Any:
        return to_data(self.prediction, self.sign * output, x, level.alpha, level.sigma)


@dataclass(frozen=True)
class DividedByAlpha(Plain):
    """The sample is x / alpha."""

    def sample(self, level: Level) -> float:
        return float(1 / level.alpha)

    def input(self, level: Level) -> float:
        return float(level.alpha)

    def first(self, level: Level) -> float:
        return math.hypot(1.0, level.sigma / level.alpha)


@dataclass(frozen=True)
class Preconditioned(Convention):
    """EDM's.

    Attributes:
        sign: Sign of the network's output.
        sigma_data: Standard deviation of the data.
    """

    sign: int
    sigma_data: float

    def input(self, level: Level) -> float:
        return 1 / math.hypot(level.sigma, self.sigma_data)

    def first(self, level: Level) -> float:
        # diffusers' own formula has 1 too, whatever sigma_data is.
        return math.hypot(level.sigma, 1.0)

    def data(self, output: Any, x: Any, level: Level) -> Any:
        scale = math.hypot(level.sigma, self.sigma_data)
        return (self.sigma_data / scale) ** 2 * x + self.sign * level.sigma * self.sigma_data / scale * output


def convention_of(family: SchedulerFamily, config: Config, path: Path) -> Convention:
    """The convention of a scheduler.

    Args:
        family: Its family.
        config: Its configuration.
        path: The path of the model.

    Raises:
        ArgumentError: If the configuration names a prediction type that is unknown.
    """
    named = config.get("prediction_type", "epsilon")
    if path.name == "flow":
        return Plain("flow_prediction", -1 if config.get("invert_sigmas") else 1)
    if path.name == "ve":
        sign = EDM_SIGNS[check_choice("prediction_type", named, EDM_SIGNS)]
        return Preconditioned(sign, path.sigma_data)
    kind = DividedByAlpha if family.divides_by_alpha else Plain
    return kind(check_choice("prediction_type", named, PREDICTIONS))
