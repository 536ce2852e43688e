r"""Variance-preserving schedule known at N training timesteps.

Training index n sits at :math:`t_n = (n + 1) / N`; between them, and from (t, :math:`\log\alpha`) = (0, 0) to the first,
:math:`\log\alpha` is linear in t. That keeps the inverse in closed form and monotone.

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020)
    | https://arxiv.org/abs/2006.11239
    | DPM-Solver (Lu et al., 2022), Appendix D.4
    | https://arxiv.org/abs/2206.00927
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hso.errors import ArgumentError
from hso.noise.base import Array
from hso.noise.vp import VariancePreserving, lambda_of_log_alpha


class DiscreteVP(VariancePreserving):
    r"""Variance-preserving schedule from :math:`\bar\alpha_n = \alpha_n^2`.

    Args:
        alphas_cumprod: Shape (N_train,), strictly decreasing, each in (0, 1).
        name: What to call it.

    Raises:
        ArgumentError: If the values are not finite, not inside (0, 1) or not strictly decreasing.
    """

    def __init__(self, alphas_cumprod: ArrayLike, name: str = "alphas_cumprod") -> None:
        values = vector("alphas_cumprod", alphas_cumprod)
        if values[-1] == 0:
            raise ArgumentError(
                "alphas_cumprod",
                "a last value above 0",
                0.0,
                "zero terminal SNR has no finite lambda; from_config with rescale_betas_zero_snr ends at 2**-24",
            )
        if not np.all((values > 0) & (values < 1)):
            raise ArgumentError("alphas_cumprod", "values in (0, 1)", _first(values, (values <= 0) | (values >= 1)))
        if not np.all(np.diff(values) < 0):
            raise ArgumentError("alphas_cumprod", "strictly decreasing values", values, "index 0 is the cleanest")
        self.name = name
        self.train_steps: int = len(values)
        self._times = np.arange(self.train_steps + 1) / self.train_steps
        self._log_alphas = np.concatenate(([0.0], 0.5 * np.log(values)))

    @classmethod
    def from_betas(cls, betas: ArrayLike, name: str = "betas") -> DiscreteVP:
        r"""From :math:`\beta_n`, each in (0, 1): :math:`\bar\alpha_n = \prod_{k \le n} (1 - \beta_k)`."""
        values = vector("betas", betas)
        if not np.all((values > 0) & (values < 1)):
            raise ArgumentError("betas", "values in (0, 1)", _first(values, (values <= 0) | (values >= 1)))
        return cls(np.cumprod(1 - values), name)

    @property
    def t_range(self) -> tuple[float, float]:
        return 1 / self.train_steps, 1.0

    def _lambda(self, t: Array) -> Array:
        return lambda_of_log_alpha(np.interp(t, self._times, self._log_alphas))

    def _time(self, lambda_: Array) -> Array:
        return np.interp(-np.asarray(self.log_alpha(lambda_)), -self._log_alphas, self._times)

    def _definition(self) -> bytes:
        # Twelve significant digits: the last bits of a cumulative product differ between platforms.
        return ",".join(f"{x:.12g}" for x in self._log_alphas).encode()


def vector(argument: str, values: ArrayLike) -> Array:
    """A float64 vector of at least two finite numbers, or ArgumentError."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (OverflowError, TypeError, ValueError):
        raise ArgumentError(argument, "a sequence of numbers", values) from None
    if array.ndim != 1 or len(array) < 2:
        raise ArgumentError(argument, "one dimension and at least 2 values", f"shape {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ArgumentError(argument, "finite values", _first(array, ~np.isfinite(array)))
    return array


def _first(values: Array, bad: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> str:
    index = int(np.argmax(bad))
    return f"{float(values[index])} at index {index}"
