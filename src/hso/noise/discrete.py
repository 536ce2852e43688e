r"""The clock of a variance-preserving model whose :math:`\bar\alpha_n = \alpha_n^2` is known at N training timesteps.

Training index n sits at :math:`t_n = (n + 1) / N`. Between these times, and between (t, :math:`\log\alpha`) = (0, 0) and
the first of them, :math:`\log\alpha` is linear in t. So the inverse has a closed form and is monotone.

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
from hso.noise.base import Array, first_bad, vector
from hso.noise.clock import Clock
from hso.noise.path import VP


class DiscreteClock(Clock):
    r"""The clock of a table of :math:`\bar\alpha_n`.

    Args:
        alphas_cumprod: Shape (N_train,), strictly decreasing, each in (0, 1).

    Raises:
        ArgumentError: If the values are not finite, not inside (0, 1) or not strictly decreasing.
    """

    def __init__(self, alphas_cumprod: ArrayLike) -> None:
        values = vector("alphas_cumprod", alphas_cumprod)
        if values[-1] == 0:
            raise ArgumentError(
                "alphas_cumprod",
                "a last value above 0",
                0.0,
                "zero terminal SNR has no finite lambda; from_config with rescale_betas_zero_snr ends at 2**-24",
            )
        if not np.all((values > 0) & (values < 1)):
            raise ArgumentError("alphas_cumprod", "values in (0, 1)", first_bad(values, (values <= 0) | (values >= 1)))
        if not np.all(np.diff(values) < 0):
            raise ArgumentError("alphas_cumprod", "strictly decreasing values", values, "index 0 is the cleanest")
        self.train_steps: int = len(values)
        self._times = np.arange(self.train_steps + 1) / self.train_steps
        self._log_alphas = np.concatenate(([0.0], 0.5 * np.log(values)))

    @classmethod
    def from_betas(cls, betas: ArrayLike) -> DiscreteClock:
        r"""From :math:`\beta_n`, each in (0, 1): :math:`\bar\alpha_n = \prod_{k \le n} (1 - \beta_k)`."""
        values = vector("betas", betas)
        if not np.all((values > 0) & (values < 1)):
            raise ArgumentError("betas", "values in (0, 1)", first_bad(values, (values <= 0) | (values >= 1)))
        return cls(np.cumprod(1 - values))

    @property
    def t_range(self) -> tuple[float, float]:
        return 1 / self.train_steps, 1.0

    def _lambda(self, t: Array) -> Array:
        return VP.lambda_of_log_alpha(np.interp(t, self._times, self._log_alphas))

    def _time(self, lambda_: Array) -> Array:
        return np.interp(-np.asarray(VP.log_alpha(lambda_)), -self._log_alphas, self._times)

    def definition(self) -> bytes:
        # Twelve significant digits: the last bits of a cumulative product differ between platforms.
        return ",".join(f"{x:.12g}" for x in self._log_alphas).encode()
