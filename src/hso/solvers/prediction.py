r"""What a network predicts, converted to the data :math:`x_0`.

With :math:`x = \alpha x_0 + \sigma \epsilon`, every prediction type F gives the data as :math:`x_0 = a x + b F`:

- ``epsilon``: :math:`F = \epsilon`, so :math:`x_0 = (x - \sigma F) / \alpha`
- ``sample``: :math:`F = x_0`
- ``v_prediction``: the velocity along the circle :math:`\alpha^2 + \sigma^2 = 1`. Other paths are first scaled to this
  circle: with :math:`s^2 = \alpha^2 + \sigma^2`, :math:`F = (\alpha \epsilon - \sigma x_0) / s`, so
  :math:`x_0 = \alpha x / s^2 - \sigma F / s`
- ``flow_prediction``: :math:`F = \epsilon - x_0`, so :math:`x_0 = (x - \sigma F) / (\alpha + \sigma)`

The names are those of diffusers.

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020)
    | https://arxiv.org/abs/2006.11239
    | Progressive Distillation for Fast Sampling of Diffusion Models (Salimans and Ho, 2022), Appendix D
    | https://arxiv.org/abs/2202.00512
    | Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow (Liu et al., 2023)
    | https://arxiv.org/abs/2209.03003
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hso.errors import check_choice


def _epsilon(alpha: Any, sigma: Any) -> tuple[Any, Any]:
    return 1 / alpha, -sigma / alpha


def _sample(alpha: Any, sigma: Any) -> tuple[Any, Any]:
    return 0.0, 1.0


def _v_prediction(alpha: Any, sigma: Any) -> tuple[Any, Any]:
    square = alpha**2 + sigma**2
    return alpha / square, -sigma / square**0.5


def _flow_prediction(alpha: Any, sigma: Any) -> tuple[Any, Any]:
    return 1 / (alpha + sigma), -sigma / (alpha + sigma)


# A new prediction type is one function and one line here. The function returns (a, b) of x0 = a x + b F. It must accept
# numbers and arrays, real and complex.
PREDICTIONS: Mapping[str, Callable[[Any, Any], tuple[Any, Any]]] = {
    "epsilon": _epsilon,
    "sample": _sample,
    "v_prediction": _v_prediction,
    "flow_prediction": _flow_prediction,
}


def to_data(prediction: str, output: Any, x: Any, alpha: float, sigma: float) -> Any:
    r"""The data :math:`x_0` that a network output implies.

    Args:
        prediction: One of ``PREDICTIONS``.
        output: What the network returned, any shape.
        x: What the network saw, same shape.
        alpha: Signal scale of x, above 0.
        sigma: Noise scale of x, above 0.

    Raises:
        ArgumentError: If the prediction type is unknown.

    Example:
        >>> to_data("epsilon", output=-0.5, x=0.5, alpha=0.8, sigma=0.6)
        1.0
    """
    a, b = PREDICTIONS[check_choice("prediction", prediction, PREDICTIONS)](alpha, sigma)
    return a * x + b * output


def to_noise(data: Any, x: Any, alpha: float, sigma: float) -> Any:
    r"""The noise :math:`\epsilon = (x - \alpha x_0) / \sigma` that belongs to x and :math:`x_0`.

    Example:
        >>> to_noise(data=1.0, x=1.25, alpha=0.75, sigma=0.5)
        1.0
    """
    return (x - alpha * data) / sigma
