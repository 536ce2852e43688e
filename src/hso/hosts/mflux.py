"""mflux: a scheduler that optimizes for the model, the resolution and the steps of a run::

    mflux-generate --scheduler hso.hosts.mflux.Scheduler --steps 8 ...

mflux makes an object of the class with the configuration of the run. With an image and a strength it leaves out the first
steps; the steps that are run are then optimized for themselves. mlx and mflux are imported when mflux asks for the class.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from hso.hosts.base import Host, Takes
from hso.hosts.comfyui.sampling import Sampling
from hso.hosts.webui import Pass, sigmas_of_pass
from hso.noise import NoiseSchedule

TRAIN_STEPS = 1000


class Mflux(Host):
    """Nothing to paste: the scheduler is a class that mflux imports."""

    name = "mflux"
    for_flow_only = True
    advice = "run it with --scheduler hso.hosts.mflux.Scheduler"
    lands = "exactly, by the class hso.hosts.mflux.Scheduler"
    version_read = "0.18.0"
    version_run = "0.18.0's configuration, mlx 0.32.4 on a CPU"

    def takes(self, flow: bool) -> Takes:
        return Takes()


def sigmas_of_config(config: Any) -> list[float]:
    """The sigmas of a run of mflux and a last 0, shape (N + 1,).

    Args:
        config: mflux's configuration of the run.

    Raises:
        ArgumentError: If the model cannot be run like that.
    """
    noise = NoiseSchedule.rectified_flow(_shift(config), shift_terminal=_terminal(config))
    steps, left_out = config.num_inference_steps, config.init_time_step
    planned = Pass(steps, steps - left_out, 1 - left_out / steps, "Euler")
    return sigmas_of_pass(Sampling(noise, 1.0, means_flow_sigma=True), steps, planned)


def _shift(config: Any) -> float:
    r"""The ratio :math:`e^\mu`, where mu is linear in the length of the image's token sequence."""
    model = config.model_config
    if not model.requires_sigma_shift:
        return 1.0
    length = config.width * config.height / 256
    slope = (model.sigma_max_shift - model.sigma_base_shift) / (model.sigma_max_seq_len - model.sigma_base_seq_len)
    return math.exp(model.sigma_base_shift + slope * (length - model.sigma_base_seq_len))


def _terminal(config: Any) -> float | None:
    terminal: float | None = getattr(config.model_config, "sigma_shift_terminal", None)
    return terminal if config.model_config.requires_sigma_shift else None


@functools.cache
def scheduler_class() -> Any:
    """The class that mflux takes for ``--scheduler``."""
    import mlx.core as mx
    from mflux.models.common.schedulers.base_scheduler import BaseScheduler

    class Scheduler(BaseScheduler):  # type: ignore[misc]
        """Euler's method on an optimized schedule."""

        def __init__(self, config: Any) -> None:
            self._sigmas = mx.array(sigmas_of_config(config))
            # Qwen-Image's configuration has none.
            self._timesteps = self._sigmas[:-1] * (config.num_train_steps or TRAIN_STEPS)

        @property
        def sigmas(self) -> Any:
            return self._sigmas

        @property
        def timesteps(self) -> Any:
            return self._timesteps

        def step(self, noise: Any, timestep: int, latents: Any, **others: Any) -> Any:
            change = (self._sigmas[timestep + 1] - self._sigmas[timestep]).astype(latents.dtype)
            return latents + noise.astype(latents.dtype) * change

    return Scheduler


def __getattr__(name: str) -> Any:
    """mflux looks the class up by its name in this module."""
    if name == "Scheduler":
        return scheduler_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
