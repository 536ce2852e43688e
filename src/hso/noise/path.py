r"""Paths: how :math:`\alpha` and :math:`\sigma` follow from :math:`\lambda = \log(\alpha / \sigma)`.

- ``vp``, variance preserving, :math:`\alpha^2 + \sigma^2 = 1`:

  .. math::
      \alpha = (1 + e^{-2\lambda})^{-1/2}, \quad \sigma = (1 + e^{2\lambda})^{-1/2}, \quad
      \frac{d \log\sigma}{d\lambda} = -\alpha^2, \quad \frac{d^2 \log\sigma}{d\lambda^2} = -2 \alpha^2 \sigma^2

- ``sub_vp``, :math:`\sigma = 1 - \alpha^2`:

  .. math::
      \alpha = \sigma e^\lambda, \quad \sigma = \frac{2}{1 + r}, \quad
      \frac{d \log\sigma}{d\lambda} = \frac1r - 1, \quad \frac{d^2 \log\sigma}{d\lambda^2} = \frac{1 - r^2}{r^3}, \quad
      r = (1 + 4 e^{2\lambda})^{1/2}

- ``ve``, variance exploding, :math:`\alpha = 1`: :math:`\sigma = e^{-\lambda}`, with derivatives -1 and 0
- ``ve_flow``: the same for the sample, and the network sees the flow's (Cosmos Predict 2)
- ``flow``, rectified flow, :math:`\alpha = 1 - \sigma`:

  .. math::
      \sigma = \frac{1}{1 + e^\lambda}, \quad
      \frac{d \log\sigma}{d\lambda} = -\alpha, \quad \frac{d^2 \log\sigma}{d\lambda^2} = -\alpha \sigma

All functions of :math:`\lambda` work elementwise on float64 arrays. Where it is said they also take complex arrays, so that
derivatives can be computed by the complex step.

**What the network sees.** EDM's network (path ``ve``) does not see x but :math:`c_{in} x` with
:math:`c_{in} = (\sigma^2 + \sigma_{data}^2)^{-1/2}`, so that its input has unit variance. The noise in that input is

.. math::
    \hat\sigma = c_{in} \sigma = \left(1 + \sigma_{data}^2 e^{2 \lambda}\right)^{-1/2},

which is the variance-preserving :math:`\sigma` at :math:`\lambda + \log\sigma_{data}`. Eq. 8 of the paper is about the
network, so :math:`\hat\sigma` stands for :math:`\sigma` there. With :math:`e^{-\lambda}` instead and p = 2, the objective
would be :math:`\sigma_{max} - \sigma_{min}` for every choice of knots. On the path ``ve_flow``
:math:`c_{in} = 1 / (1 + \sigma)`, so that :math:`\hat\sigma = \sigma / (1 + \sigma)` is the flow's.

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021), Eq. 28-33
    | https://arxiv.org/abs/2011.13456
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Table 1
    | https://arxiv.org/abs/2206.00364
    | Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow (Liu et al., 2023)
    | https://arxiv.org/abs/2209.03003
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np

from hso.errors import ArgumentError, check_choice, check_real
from hso.noise.base import LEAST_SIGMA, MOST_SIGMA, Array


@dataclass(frozen=True)
class Path(ABC):
    r""":math:`\alpha` and :math:`\sigma` as functions of :math:`\lambda`.

    A new path is a frozen dataclass whose fields are its settings, and one line in ``PATHS``. Outside this module nothing
    may assume a relation of :math:`\alpha` and :math:`\sigma`, in particular not :math:`\alpha^2 + \sigma^2 = 1`.

    Attributes:
        name: What the path is called in files and in :meth:`hso.NoiseSchedule.from_table`.
        preserves_variance: Whether :math:`\alpha^2 + \sigma^2 = 1`.
    """

    name: ClassVar[str]
    preserves_variance: ClassVar[bool] = False

    @property
    def sigma_data(self) -> float:
        """Standard deviation of the data; 1 unless it is a setting of the path."""
        return 1.0

    @abstractmethod
    def log_alpha(self, lambda_: Any) -> Any:
        r""":math:`\log\alpha` at :math:`\lambda`. Complex input is allowed."""

    @abstractmethod
    def log_sigma(self, lambda_: Any) -> Any:
        r""":math:`\log\sigma` at :math:`\lambda`. Complex input is allowed."""

    @abstractmethod
    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        r"""First and second derivative of :math:`\log\sigma` with respect to :math:`\lambda`."""

    def network_log_sigma(self, lambda_: Any) -> Any:
        r""":math:`\log\sigma` of the network's own input, whose signal and noise together have at most unit variance.

        It is :meth:`log_sigma`, unless the model scales x before its network sees it. Complex input is allowed.
        """
        return self.log_sigma(lambda_)

    def network_log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        r"""First and second derivative of :meth:`network_log_sigma` with respect to :math:`\lambda`."""
        return self.log_sigma_derivatives(lambda_)

    def to_record(self) -> dict[str, Any]:
        """The path as JSON holds it: its name and its settings. :func:`path_from_record` reads it back."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True)
class VariancePreserving(Path):
    r"""The path with :math:`\alpha^2 + \sigma^2 = 1`."""

    name = "vp"
    preserves_variance = True

    def log_alpha(self, lambda_: Any) -> Any:
        return -0.5 * np.log1p(np.exp(-2 * lambda_))

    def log_sigma(self, lambda_: Any) -> Any:
        return -0.5 * np.log1p(np.exp(2 * lambda_))

    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        alpha_squared = 1 / (1 + np.exp(-2 * lambda_))
        return -alpha_squared, 2 * alpha_squared * (alpha_squared - 1)

    def lambda_of_log_alpha(self, log_alpha: Array) -> Array:
        r""":math:`\lambda = \log\alpha - \frac12 \log(1 - \alpha^2)`, without cancellation near :math:`\alpha = 1`."""
        with np.errstate(divide="ignore"):
            return np.asarray(log_alpha - 0.5 * np.log(-np.expm1(2 * log_alpha)))


@dataclass(frozen=True)
class SubVariancePreserving(Path):
    r"""The path with :math:`\sigma = 1 - \alpha^2`."""

    name = "sub_vp"

    def log_alpha(self, lambda_: Any) -> Any:
        # This is the logarithm of 2 e^lambda / (1 + r), in a form that does not cancel near alpha = 1.
        return -np.arcsinh(np.exp(-lambda_) / 2)

    def log_sigma(self, lambda_: Any) -> Any:
        return self.log_alpha(lambda_) - lambda_

    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        r = np.sqrt(1 + 4 * np.exp(2 * lambda_))
        return 1 / r - 1, (1 - r * r) / r**3

    def lambda_of_log_alpha(self, log_alpha: Array) -> Array:
        r""":math:`\lambda = \log\alpha - \log(1 - \alpha^2)`, without cancellation near :math:`\alpha = 1`."""
        with np.errstate(divide="ignore"):
            return np.asarray(log_alpha - np.log(-np.expm1(2 * log_alpha)))


@dataclass(frozen=True)
class VarianceExploding(Path):
    r"""The path with :math:`\alpha = 1`, and EDM's scaling of what the network sees.

    Args:
        sigma_data: Standard deviation of the data.
    """

    name = "ve"
    sigma_data: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma_data", check_real("sigma_data", self.sigma_data, LEAST_SIGMA, MOST_SIGMA))

    def log_alpha(self, lambda_: Any) -> Any:
        return 0.0 * lambda_

    def log_sigma(self, lambda_: Any) -> Any:
        return -lambda_

    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        return -np.ones_like(lambda_), np.zeros_like(lambda_)

    def network_log_sigma(self, lambda_: Any) -> Any:
        return VP.log_sigma(lambda_ + math.log(self.sigma_data))

    def network_log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        return VP.log_sigma_derivatives(lambda_ + math.log(self.sigma_data))


@dataclass(frozen=True)
class VarianceExplodingFlow(VarianceExploding):
    r"""The path with :math:`\alpha = 1` of a model whose network sees x as a flow model does, times 1 / (1 + sigma)."""

    name = "ve_flow"

    def network_log_sigma(self, lambda_: Any) -> Any:
        return STRAIGHT.log_sigma(lambda_)

    def network_log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        return STRAIGHT.log_sigma_derivatives(lambda_)


@dataclass(frozen=True)
class Straight(Path):
    r"""The path of rectified flow: :math:`\alpha = 1 - \sigma`."""

    name = "flow"

    def log_alpha(self, lambda_: Any) -> Any:
        return -np.log1p(np.exp(-lambda_))

    def log_sigma(self, lambda_: Any) -> Any:
        return -np.log1p(np.exp(lambda_))

    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        alpha = 1 / (1 + np.exp(-lambda_))
        return -alpha, alpha * (alpha - 1)


# The paths that have no settings.
VP, SUB_VP, STRAIGHT = VariancePreserving(), SubVariancePreserving(), Straight()
# A new path is one line here.
PATHS: Mapping[str, type[Path]] = {
    VariancePreserving.name: VariancePreserving,
    SubVariancePreserving.name: SubVariancePreserving,
    VarianceExploding.name: VarianceExploding,
    VarianceExplodingFlow.name: VarianceExplodingFlow,
    Straight.name: Straight,
}


def path_from_record(record: Mapping[str, Any]) -> Path:
    """The path that :meth:`Path.to_record` wrote.

    Raises:
        ArgumentError: If there is no path of that name, or its settings are others.

    Example:
        >>> path_from_record({"name": "ve", "sigma_data": 0.5})
        VarianceExploding(sigma_data=0.5)
    """
    settings = dict(record)
    kind = PATHS[check_choice("path", settings.pop("name", None), PATHS)]
    names = {field.name for field in fields(kind)}
    if set(settings) != names:
        raise ArgumentError("path", f"the settings {sorted(names)} of path {kind.name!r}", sorted(settings))
    return kind(**settings)


def as_path(path: str | Path) -> Path:
    """A path by its name, with its usual settings; a path object is returned as it is.

    Raises:
        ArgumentError: If there is no path of that name.
    """
    return path if isinstance(path, Path) else PATHS[check_choice("path", path, PATHS)]()
