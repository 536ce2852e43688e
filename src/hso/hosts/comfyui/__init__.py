"""ComfyUI: what its sampling classes mean, and schedules for them. Nothing here needs torch or ComfyUI.

- :mod:`~hso.hosts.comfyui.sampling` reads a ``model_sampling`` object: its noise schedule, and how its sigmas are told.
- :mod:`~hso.hosts.comfyui.samplers` says which solver a sampler is.
- :mod:`~hso.hosts.comfyui.runs` makes the sigmas of a run: steps, sampler, denoise, a calibration, two experts.
- :mod:`~hso.hosts.comfyui.text` writes sigmas for a node that takes text.

The node pack in ``integrations/comfyui`` is a thin layer over the first two.
"""

from hso.hosts.comfyui.runs import Run, calibrated, expert_sigmas, sigmas_of, sigmas_of_file
from hso.hosts.comfyui.sampling import SAMPLING_CLASSES, Sampling, read_sampling
from hso.hosts.comfyui.text import ComfyUI

__all__ = [
    "SAMPLING_CLASSES",
    "ComfyUI",
    "Run",
    "Sampling",
    "calibrated",
    "expert_sigmas",
    "read_sampling",
    "sigmas_of",
    "sigmas_of_file",
]
