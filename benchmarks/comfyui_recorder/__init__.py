"""A node pack for measurements: a model of any of ComfyUI's sampling classes that records what its network is told.

The server of :mod:`benchmarks.comfyui_server` loads it beside the node pack that is measured.
"""

from __future__ import annotations

from typing import Any

import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.model_sampling as classes
import comfy.supported_models_base
import torch

TYPES = comfy.model_base.ModelType
# The model type, and the settings of its sampling, under the names of benchmarks.comfyui_doubles.
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "discrete, eps": (TYPES.EPS, {}),
    "discrete, v, zero SNR": (TYPES.V_PREDICTION, {"zsnr": True}),
    "discrete, v of CogVideoX": (TYPES.V_PREDICTION_DDPM, {"zsnr": True}),
    "discrete flow, shift 3": (TYPES.FLOW, {"shift": 3.0}),
    "discrete flow, shift 12": (TYPES.FLOW, {"shift": 12.0}),
    "discrete flow, multiplier 1": (TYPES.FLOW, {"shift": 1.73, "multiplier": 1.0}),
    "flux, mu 1.15": (TYPES.FLUX, {"shift": 1.15}),
    "continuous EDM, edm": (TYPES.EDM, {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}),
    "continuous EDM, v": (TYPES.V_PREDICTION_EDM, {"sigma_min": 0.002, "sigma_max": 700.0, "sigma_data": 1.0}),
    "continuous V": (TYPES.V_PREDICTION_CONTINUOUS, {"sigma_min": 0.03, "sigma_max": 500.0}),
    "Stable Cascade": (TYPES.STABLE_CASCADE, {"shift": 2.0}),
    "Cosmos": (TYPES.FLOW_COSMOS, {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 1.0}),
    "image to image": (TYPES.IMG_TO_IMG, {}),
    "without sigmas": (TYPES.EPS, {}),
}


class Recorder(torch.nn.Module):
    """A network that predicts zeros and keeps what it is told."""

    dtype = torch.float32

    def __init__(self) -> None:
        super().__init__()
        self.told: list[float] = []

    def forward(self, x: torch.Tensor, timesteps: torch.Tensor, **others: Any) -> torch.Tensor:
        self.told.append(float(timesteps[0]))
        return torch.zeros_like(x)


class _Bare(classes.ModelSamplingDiscrete, classes.EPS):
    """What a careless patch leaves of a sampling object: it has no sigmas."""

    sigmas = None

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)


class RecordingModel:
    """A model whose network records, with an empty latent and an empty conditioning."""

    RETURN_TYPES = ("MODEL", "CONDITIONING", "LATENT")
    FUNCTION = "make"
    CATEGORY = "recording"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  # ComfyUI's name
        return {"required": {"kind": (list(KINDS),)}}

    @classmethod
    def IS_CHANGED(cls, **inputs: Any) -> float:  # noqa: N802  # ComfyUI's name
        return float("nan")

    def make(self, kind: str) -> tuple[Any, Any, Any]:
        model_type, settings = KINDS[kind]
        config = comfy.supported_models_base.BASE({"disable_unet_model_creation": True})
        config.sampling_settings, config.latent_format = settings, comfy.latent_formats.SD15()
        model = comfy.model_base.BaseModel(config, model_type)
        model.diffusion_model = Recorder()
        patcher = comfy.model_patcher.ModelPatcher(model, torch.device("cpu"), torch.device("cpu"))
        if kind == "without sigmas":
            patcher.add_object_patch("model_sampling", _Bare())
        return patcher, [[torch.zeros(1, 4, 8), {}]], {"samples": torch.zeros(1, 4, 8, 8)}


class Told:
    """What the network of a recording model was told until now."""

    RETURN_TYPES = ()
    FUNCTION = "show"
    CATEGORY = "recording"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802  # ComfyUI's name
        return {"required": {"model": ("MODEL",)}, "optional": {"after": ("LATENT",), "sigmas": ("SIGMAS",)}}

    @classmethod
    def IS_CHANGED(cls, **inputs: Any) -> float:  # noqa: N802  # ComfyUI's name
        return float("nan")

    def show(self, model: Any, after: Any = None, sigmas: Any = None) -> dict[str, Any]:
        asked = [] if sigmas is None else sigmas.tolist()
        return {"ui": {"told": model.model.diffusion_model.told, "sigmas": asked}}


NODE_CLASS_MAPPINGS = {"RecordingModel": RecordingModel, "Told": Told}
