"""Which rule a pipeline of diffusers follows by default, read from its class and the configuration of its scheduler.

A scheduler that spaces its nodes by itself says how: ``timestep_spacing``, ``steps_offset``, Karras or flow sigmas. A
flow-matching scheduler does not: most pipelines pass it their own sigmas. There the pipeline's class decides, by the presets
that have it. The rules are in :mod:`hso.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from hso.noise.presets import presets

FLOW_MATCH = "FlowMatchEulerDiscreteScheduler"
EDM_CLASSES = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler")
# Schedulers that space N + 1 nodes and leave out the last, and those that space N. By default they space like this.
MULTISTEP = dict.fromkeys(("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler"), "linspace")
ONE_STEP = {
    "EulerDiscreteScheduler": "linspace",
    "EulerAncestralDiscreteScheduler": "linspace",
    "CogVideoXDDIMScheduler": "leading",
    "CogVideoXDPMScheduler": "leading",
    "DDIMScheduler": "leading",
    "DDPMScheduler": "leading",
    "PNDMScheduler": "leading",
}
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
    name = config.get("_class_name")
    if name == FLOW_MATCH:
        return _flow_match_rules().get(pipeline)
    if name == "DDPMWuerstchenScheduler":
        return "uniform_t_open"
    if name in EDM_CLASSES:
        exponential = config.get("sigma_schedule", _usual_edm(name)) == "exponential"
        return "uniform_lambda" if exponential else "edm"
    if any(config.get(flag) for flag in SIGMA_FLAGS):
        return None
    if config.get("use_flow_sigmas"):
        return _flow_rule(name, config)
    if config.get("use_karras_sigmas"):
        return "edm" if name == "EulerDiscreteScheduler" else None
    return _spacing_rule(name, config)


def _usual_edm(name: str) -> str:
    return "exponential" if name == "CosineDPMSolverMultistepScheduler" else "karras"


def _flow_rule(name: str, config: Mapping[str, Any]) -> str | None:
    if config.get("use_karras_sigmas"):
        limits = (config.get("sigma_min"), config.get("sigma_max"))
        return "flow_edm" if name == "UniPCMultistepScheduler" and limits == (0.01, 200.0) else None
    return FLOW_RULES.get(name)


def _spacing_rule(name: Any, config: Mapping[str, Any]) -> str | None:
    """The rule of a scheduler with betas."""
    usual = {**MULTISTEP, **ONE_STEP}.get(name)
    spacing = config.get("timestep_spacing", usual)
    if usual is None or spacing not in OPEN:
        return None
    if spacing == "leading" and config.get("steps_offset", 0) != 1:
        return "leading_from_0" if name in ONE_STEP and not config.get("steps_offset") else None
    return OPEN[spacing] if name in MULTISTEP else spacing


@cache
def _flow_match_rules() -> dict[str, str]:
    """The rules of the pipelines that presets with a flow-matching scheduler name."""
    known = [each for each in presets().values() if each.pipeline and each.config.get("_class_name") == FLOW_MATCH]
    return {each.pipeline: each.default_rule for each in known if each.pipeline and each.default_rule}
