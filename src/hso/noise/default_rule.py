"""Which rule a pipeline of diffusers follows by default, read from its class and the configuration of its scheduler.

A scheduler that spaces its nodes by itself says how: ``timestep_spacing``, ``steps_offset``, Karras or flow sigmas. A
flow-matching scheduler does not: most pipelines pass it their own sigmas. There the pipeline's class decides. The rules
are in :mod:`hso.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FLOW_MATCH = "FlowMatchEulerDiscreteScheduler"
# EDM's schedulers, and their default for sigma_schedule.
EDM_CLASSES = {
    "EDMEulerScheduler": "karras",
    "EDMDPMSolverMultistepScheduler": "karras",
    "CosineDPMSolverMultistepScheduler": "exponential",
}
# Schedulers that space N + 1 nodes and leave out the last, and those that space N. By default they space like this.
MULTISTEP = dict.fromkeys(
    ("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler"), "linspace"
)
ONE_STEP = {
    "EulerDiscreteScheduler": "linspace",
    "EulerAncestralDiscreteScheduler": "linspace",
    "CogVideoXDDIMScheduler": "leading",
    "CogVideoXDPMScheduler": "leading",
    "DDIMScheduler": "leading",
    "DDPMScheduler": "leading",
    "PNDMScheduler": "leading",
}
# Pipelines that pass times from 1 to 1 / N to a flow-matching scheduler, and those that pass nothing; one a line.
TRAILING = (
    "AceStepPipeline",
    "ChromaPipeline",
    "ErnieImagePipeline",
    "FluxPipeline",
    "Flux2Pipeline",
    "Flux2KleinPipeline",
    "Flux2KleinInpaintPipeline",
    "FluxControlPipeline",
    "FluxFillPipeline",
    "FluxKontextPipeline",
    "HunyuanImagePipeline",
    "HunyuanVideoPipeline",
    "HunyuanVideo15Pipeline",
    "HunyuanVideo15ImageToVideoPipeline",
    "HunyuanVideoImageToVideoPipeline",
    "Krea2Pipeline",
    "LTXPipeline",
    "LTX2Pipeline",
    "LTXImageToVideoPipeline",
    "LongCatAudioDiTPipeline",
    "LongCatImagePipeline",
    "LongCatImageEditPipeline",
    "Lumina2Pipeline",
    "MotifVideoPipeline",
    "NucleusMoEImagePipeline",
    "OmniGenPipeline",
    "OvisImagePipeline",
    "QwenImagePipeline",
    "QwenImage21Pipeline",
    "QwenImageEditPipeline",
    "QwenImageEditPlusPipeline",
    "ZImagePipeline",
)
SHIFTED_TWICE = (
    "AuraFlowPipeline",
    "HiDreamImagePipeline",
    "JoyImageEditPipeline",
    "JoyImageEditPlusPipeline",
    "Kandinsky5I2IPipeline",
    "Kandinsky5I2VPipeline",
    "Kandinsky5T2IPipeline",
    "Kandinsky5T2VPipeline",
    "LuminaPipeline",
    "PRXPipeline",
    "SanaPipeline",
    "SanaImageToVideoPipeline",
    "SanaVideoPipeline",
    "StableDiffusion3Pipeline",
    "WanPipeline",
    "WanImageToVideoPipeline",
    "WanVACEPipeline",
)
FLOW_MATCH_RULES: Mapping[str, str] = {
    **dict.fromkeys(TRAILING, "flow_trailing"),
    **dict.fromkeys(SHIFTED_TWICE, "flow_shifted_twice"),
    "CogView4Pipeline": "flow_whole",
    "Cosmos2TextToImagePipeline": "edm",
    "Cosmos2VideoToWorldPipeline": "edm",
    "GlmImagePipeline": "flow_whole_open",
    "Ideogram4Pipeline": "flow_logit_normal",
    "LTXConditionPipeline": "linear_quadratic",
    "MochiPipeline": "linear_quadratic",
    "StableAudio3Pipeline": "flow_uniform_lambda",
}
# Rules that say the sigmas themselves, which a shift of the scheduler would change.
WITHOUT_SHIFT = ("flow_logit_normal", "flow_uniform_lambda", "linear_quadratic")
FLOW_RULES = {"UniPCMultistepScheduler": "flow_unipc", "DPMSolverMultistepScheduler": "flow_dpm"}
OPEN = {"linspace": "linspace_open", "leading": "leading_open", "trailing": "trailing"}
SIGMA_FLAGS = ("use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas")


def read_default_rule(pipeline: str, config: Mapping[str, Any]) -> str | None:
    """The name of the rule; None if it is not known.

    Args:
        pipeline: The pipeline's class.
        config: The configuration of its scheduler, with ``_class_name``.

    Example:
        >>> read_default_rule("WanPipeline", {"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": True})
        'flow_unipc'
    """
    name = str(config.get("_class_name"))
    if name == FLOW_MATCH:
        rule = FLOW_MATCH_RULES.get(pipeline)
        return None if rule in WITHOUT_SHIFT and config.get("shift", 1.0) != 1 else rule
    if name in EDM_CLASSES:
        exponential = config.get("sigma_schedule", EDM_CLASSES[name]) == "exponential"
        return "uniform_lambda" if exponential else "edm"
    if any(config.get(flag) for flag in SIGMA_FLAGS):
        return None
    return _flow_rule(name, config) if config.get("use_flow_sigmas") else _beta_rule(name, config)


def _flow_rule(name: str, config: Mapping[str, Any]) -> str | None:
    if config.get("use_karras_sigmas"):
        limits = (config.get("sigma_min"), config.get("sigma_max"))
        return "flow_edm" if name == "UniPCMultistepScheduler" and limits == (0.01, 200.0) else None
    return FLOW_RULES.get(name)


def _beta_rule(name: str, config: Mapping[str, Any]) -> str | None:
    """The rule of a scheduler with betas, or of Wuerstchen's."""
    if name == "DDPMWuerstchenScheduler":
        return "uniform_t_open"
    if config.get("use_karras_sigmas"):
        return "edm" if name == "EulerDiscreteScheduler" else None
    usual = {**MULTISTEP, **ONE_STEP}.get(name)
    spacing = config.get("timestep_spacing", usual)
    if usual is None or spacing not in OPEN:
        return None
    if spacing == "leading" and config.get("steps_offset", 0) != 1:
        return "leading_from_0" if name in ONE_STEP and not config.get("steps_offset") else None
    return OPEN[spacing] if name in MULTISTEP else spacing
