"""The name "hso" in every list of schedulers.

A scheduler of ComfyUI is a function of the model's sampling object and a number of steps. It learns neither the sampler nor
the denoise: KSampler asks for more steps than it runs, and cuts. So KSampler's own ``set_steps`` is extended too. With
"hso" chosen, it asks for what will really run, and cuts nothing. Other nodes (BasicScheduler) get the plain function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

NAME = "hso"


def install(samplers: Any) -> None:
    """Add the scheduler to ComfyUI's lists.

    Args:
        samplers: The module ``comfy.samplers``.
    """
    if NAME in samplers.SCHEDULER_HANDLERS:
        return
    samplers.SCHEDULER_HANDLERS[NAME] = samplers.SchedulerHandler(sigmas_for, use_ms=True)
    samplers.SCHEDULER_NAMES.append(NAME)
    samplers.KSampler.set_steps = _extended(samplers.KSampler.set_steps)


def sigmas_for(model_sampling: Any, steps: int, **asked: Any) -> Any:
    """The sigmas of a run as a new tensor, shape (N + 1,); ``asked`` has further fields of ``Run``."""
    import torch

    from hso.hosts.comfyui import Run, read_sampling, sigmas_of

    return torch.FloatTensor(sigmas_of(read_sampling(model_sampling), Run(steps, **asked)))


def _extended(original: Callable[..., None]) -> Callable[..., None]:
    """``KSampler.set_steps`` that knows the scheduler "hso"."""

    @functools.wraps(original)
    def set_steps(self: Any, steps: int, denoise: float | None = None) -> None:
        nothing_runs = denoise is not None and denoise <= 0
        if self.scheduler != NAME or nothing_runs:
            return original(self, steps, denoise)
        self.steps = steps
        model_sampling = self.model.get_model_object("model_sampling")
        asked = {"sampler": self.sampler, "denoise": 1.0 if denoise is None else denoise}
        self.sigmas = sigmas_for(model_sampling, steps, **asked).to(self.device)
        return None

    return set_steps
