"""Real diffusers pipelines with tiny random weights, built from configuration classes: no download, no tokenizer.

Each entry of ``PIPELINES`` builds a pipeline and gives the arguments of a call, with prompt embeddings instead of a
prompt. :func:`recorded` calls it and returns what its network was told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import diffusers as untyped_diffusers
import torch
from benchmarks.recording import make_scheduler

diffusers: Any = untyped_diffusers
VP_SCHEDULERS = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
    "LCMScheduler",
    "TCDScheduler",
)
FLOW: dict[str, Any] = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}
STATIC: dict[str, Any] = {"shift": 3.0}
# CogView4's transformer, which GLM-Image's follows.
COGVIEW: dict[str, Any] = {
    "patch_size": 2,
    "in_channels": 4,
    "num_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "out_channels": 4,
    "text_embed_dim": 16,
    "time_embed_dim": 8,
    "condition_dim": 4,
}
DYNAMIC: dict[str, Any] = {"use_dynamic_shifting": True, "shift": 3.0}


@dataclass(frozen=True)
class Tiny:
    """How to build and call one pipeline.

    Attributes:
        build: From a scheduler to the pipeline.
        call: Arguments of a call, without the number of steps.
        schedulers: Names of the schedulers that it runs with, and their settings.
        scale: What the network is told, times this, is the scheduler's timestep.
    """

    build: Callable[[Any], Any]
    call: Callable[[], dict[str, Any]]
    schedulers: tuple[tuple[str, dict[str, Any]], ...]
    scale: float = 1.0

    def calling(self, **arguments: Any) -> Tiny:
        """The same pipeline, with other arguments of the call."""
        given = {name: value for name, value in arguments.items() if name != "num_inference_steps"}
        return Tiny(self.build, lambda: {**self.call(), **given}, self.schedulers, self.scale)


def recorded(tiny: Tiny, pipe: Any, steps: int, **extra: Any) -> tuple[list[float], torch.Tensor]:
    """Call the pipeline; what its network was told, call by call, and the final latents."""
    network = pipe.transformer if getattr(pipe, "transformer", None) is not None else pipe.unet
    seen: list[float] = []

    def note(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        t = kwargs["timestep"] if "timestep" in kwargs else args[1]
        seen.append(float(torch.as_tensor(t).reshape(-1)[0]) * tiny.scale)

    hook = network.register_forward_pre_hook(note, with_kwargs=True)
    try:
        generator = torch.Generator().manual_seed(0)
        output = pipe(**tiny.call(), num_inference_steps=steps, generator=generator, output_type="latent", **extra)
    finally:
        hook.remove()
    return seen, output[0]


def random(*shape: int) -> torch.Tensor:
    """Normal numbers, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def quiet(pipe: Any) -> Any:
    """The pipeline without its progress bar."""
    pipe.set_progress_bar_config(disable=True)
    return pipe


def assembled(name: str, absent: str = "", **parts: Any) -> Any:
    """The quiet pipeline of this name, with these parts and a VAE. ``absent`` names the parts that it runs without."""
    if "vae" not in parts:
        parts["vae"] = kl_vae()
    return quiet(getattr(diffusers, name)(**dict.fromkeys(absent.split()), **parts))


def kl_vae(channels: int = 4) -> Any:
    """A KL autoencoder that halves the resolution once."""
    torch.manual_seed(0)
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        shift_factor=0.0,
        scaling_factor=1.0,
    )


def unet(**settings: Any) -> Any:
    """A conditional U-Net with two levels."""
    torch.manual_seed(0)
    return diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=8,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
        **settings,
    )


def stable_diffusion(scheduler: Any, name: str = "StableDiffusionPipeline") -> Any:
    """Stable Diffusion 1 and 2."""
    absent = "text_encoder tokenizer safety_checker feature_extractor image_encoder"
    return assembled(name, absent, unet=unet(), scheduler=scheduler, requires_safety_checker=False)


def sdxl(scheduler: Any, name: str = "StableDiffusionXLPipeline") -> Any:
    """Stable Diffusion XL."""
    network = unet(
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + 16,
        use_linear_projection=True,
    )
    absent = "text_encoder text_encoder_2 tokenizer tokenizer_2"
    return assembled(name, absent, unet=network, scheduler=scheduler, add_watermarker=False)


def pixart(scheduler: Any) -> Any:
    """PixArt-alpha."""
    torch.manual_seed(0)
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=8,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=16,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=16,
        norm_type="ada_norm_single",
        use_additional_conditions=False,
    )
    return assembled("PixArtAlphaPipeline", "tokenizer text_encoder", transformer=transformer, scheduler=scheduler)


def dit(scheduler: Any) -> Any:
    """DiT, class conditional, with a learned variance."""
    torch.manual_seed(0)
    transformer = diffusers.DiTTransformer2DModel(
        sample_size=8,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=8,
        num_embeds_ada_norm=1000,
        out_channels=8,
    )
    return assembled("DiTPipeline", transformer=transformer, scheduler=scheduler)


def sd3(scheduler: Any, name: str = "StableDiffusion3Pipeline") -> Any:
    """Stable Diffusion 3."""
    torch.manual_seed(0)
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        caption_projection_dim=16,
        pooled_projection_dim=16,
        out_channels=4,
    )
    absent = "text_encoder tokenizer text_encoder_2 tokenizer_2 text_encoder_3 tokenizer_3"
    return assembled(name, absent, transformer=transformer, scheduler=scheduler)


def flux(scheduler: Any, name: str = "FluxPipeline") -> Any:
    """Flux."""
    torch.manual_seed(0)
    transformer = diffusers.FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 4, 8),
    )
    absent = "text_encoder tokenizer text_encoder_2 tokenizer_2"
    return assembled(name, absent, transformer=transformer, scheduler=scheduler)


def wan(scheduler: Any) -> Any:
    """Wan 2.1, text to video."""
    torch.manual_seed(0)
    transformer = diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=16,
        freq_dim=32,
        ffn_dim=32,
        num_layers=1,
        rope_max_seq_len=32,
    )
    vae = diffusers.AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    return assembled("WanPipeline", "tokenizer text_encoder", transformer=transformer, vae=vae, scheduler=scheduler)


def cogview4(scheduler: Any) -> Any:
    """CogView4."""
    torch.manual_seed(0)
    transformer = diffusers.CogView4Transformer2DModel(**COGVIEW, rope_axes_dim=(8, 8))
    return assembled("CogView4Pipeline", "tokenizer text_encoder", transformer=transformer, scheduler=scheduler)


def glm_image(scheduler: Any) -> Any:
    """GLM-Image, with the tokens of its language model given."""
    torch.manual_seed(0)
    transformer = diffusers.GlmImageTransformer2DModel(**COGVIEW, prior_vq_quantizer_codebook_size=8)
    absent = "tokenizer processor text_encoder vision_language_encoder"
    return assembled("GlmImagePipeline", absent, transformer=transformer, scheduler=scheduler)


def clip_call(**more: Any) -> dict[str, Any]:
    """Embeddings of a short prompt and of its negative."""
    return {"prompt_embeds": random(1, 5, 16), "negative_prompt_embeds": random(1, 5, 16), **more}


def size() -> dict[str, Any]:
    """The smallest image that the tiny networks take."""
    return {"height": 16, "width": 16}


def image() -> dict[str, Any]:
    """An image to start from. Its latents where the pipeline knows them by their channels."""
    return {"image": random(1, 4, 8, 8), "strength": 0.6}


def pooled(**more: Any) -> dict[str, Any]:
    """As :func:`clip_call`, for pipelines with pooled embeddings too."""
    return clip_call(pooled_prompt_embeds=random(1, 16), negative_pooled_prompt_embeds=random(1, 16), **more)


def pixart_call() -> dict[str, Any]:
    """Embeddings with their masks."""
    masks = {"prompt_attention_mask": torch.ones(1, 5), "negative_prompt_attention_mask": torch.ones(1, 5)}
    return clip_call(negative_prompt=None, use_resolution_binning=False, **masks, **size())


def flux_call(**more: Any) -> dict[str, Any]:
    """Flux has no negative prompt."""
    return {"prompt_embeds": random(1, 5, 16), "pooled_prompt_embeds": random(1, 16), **size(), **more}


def plain(*names: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Schedulers with their usual settings."""
    return tuple((name, {}) for name in names)


FLOW_EULER = "FlowMatchEulerDiscreteScheduler"
FLOW_MULTISTEP = ("UniPCMultistepScheduler", "DPMSolverMultistepScheduler")
WAN_SCHEDULERS = ((FLOW_EULER, STATIC), *((name, FLOW) for name in FLOW_MULTISTEP))
IMAGE_SCHEDULERS = plain(*VP_SCHEDULERS)
PIPELINES: dict[str, Tiny] = {
    "StableDiffusion": Tiny(stable_diffusion, lambda: clip_call(**size()), IMAGE_SCHEDULERS),
    "StableDiffusionImg2Img": Tiny(
        lambda s: stable_diffusion(s, "StableDiffusionImg2ImgPipeline"), lambda: clip_call(**image()), IMAGE_SCHEDULERS
    ),
    "StableDiffusionXL": Tiny(
        sdxl,
        lambda: pooled(**size()),
        (*IMAGE_SCHEDULERS, *plain("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")),
    ),
    "StableDiffusionXLImg2Img": Tiny(
        lambda s: sdxl(s, "StableDiffusionXLImg2ImgPipeline"), lambda: pooled(**image()), IMAGE_SCHEDULERS
    ),
    "PixArtAlpha": Tiny(pixart, pixart_call, IMAGE_SCHEDULERS),
    "DiT": Tiny(dit, lambda: {"class_labels": [1]}, plain("DDIMScheduler", "DPMSolverMultistepScheduler")),
    "StableDiffusion3": Tiny(sd3, lambda: pooled(**size()), ((FLOW_EULER, STATIC),)),
    "StableDiffusion3Img2Img": Tiny(
        lambda s: sd3(s, "StableDiffusion3Img2ImgPipeline"),
        lambda: pooled(**image(), **size()),
        ((FLOW_EULER, STATIC),),
    ),
    "Flux": Tiny(flux, flux_call, ((FLOW_EULER, DYNAMIC), (FLOW_EULER, STATIC)), scale=1000),
    "FluxImg2Img": Tiny(
        lambda s: flux(s, "FluxImg2ImgPipeline"), lambda: flux_call(**image()), ((FLOW_EULER, DYNAMIC),), scale=1000
    ),
    "Wan": Tiny(wan, lambda: clip_call(num_frames=1, **size()), WAN_SCHEDULERS),
}


def make(tiny: Tiny, name: str, settings: dict[str, Any]) -> Any:
    """The pipeline with this scheduler."""
    return tiny.build(make_scheduler(name, **settings))
