"""Programs that serve flow models and apply the model's own shift to what they are given.

They are given the times before the shift: the program's shift of t is then the schedule's sigma. Their setting must be the
shift of the noise schedule that the schedule was made for.

- **vLLM-Omni** passes ``sigmas`` of its sampling parameters to diffusers' flow scheduler, in the pipeline of SD3.
- **FastVideo** passes ``SamplingParam.sigmas`` to its flow scheduler. Its UniPC takes an array only, and fails with a list.
- **LightX2V**: ``denoising_step_list`` of its step-distilled runners, whole numbers from 1000 down.
"""

from __future__ import annotations

from hso.hosts.base import TIMESTEPS, WHOLE, WITHOUT_ZERO, Host, Takes
from hso.schedule import SamplingSchedule


class ShiftingHost(Host):
    """A program that shifts sigmas; it runs flow models only."""

    for_flow_only = True
    advice = "it runs flow models only"

    def takes(self, flow: bool) -> Takes:
        return Takes(sigmas=WITHOUT_ZERO, before_shift=True) if flow else Takes()


class VLLMOmni(ShiftingHost):
    """``sigmas`` of the sampling parameters."""

    name = "vllm-omni"
    lands = "exactly in SD3's pipeline, which shifts again (so times before the shift are written); others ignore it"
    version_read = "0.12.0rc1"


class FastVideo(ShiftingHost):
    """``SamplingParam(sigmas=...)``."""

    name = "fastvideo"
    lands = "exactly with the Euler flow scheduler, which shifts again (so times before the shift are written)"
    version_read = "0.2.0"
    version_run = "0.2.0's scheduler"

    def write(self, schedule: SamplingSchedule) -> str:
        return f"SamplingParam({super().write(schedule)})"


class LightX2V(ShiftingHost):
    """``denoising_step_list`` of a configuration."""

    name = "lightx2v"
    lands = "rounded to whole timesteps before the shift"
    version_read = "0.1.0"
    version_run = "0.1.0's scheduler"

    def takes(self, flow: bool) -> Takes:
        return Takes(timesteps=WHOLE, before_shift=True) if flow else Takes()

    def write(self, schedule: SamplingSchedule) -> str:
        super().write(schedule)  # refuses what it cannot be told
        return f'"denoising_step_list": {self.values(schedule, TIMESTEPS)}'
