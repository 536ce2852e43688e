"""More pipelines of :mod:`benchmarks.tiny_pipelines`: with a control network, for upscaling, for video and for sound."""

from __future__ import annotations

from typing import Any

import torch
from benchmarks.tiny_pipelines import (
    Tiny,
    assembled,
    clip_call,
    diffusers,
    image,
    kl_vae,
    plain,
    quiet,
    random,
    size,
    unet,
)

# Stable Video Diffusion's scheduler.
CONTINUOUS: dict[str, Any] = {
    "timestep_type": "continuous",
    "prediction_type": "v_prediction",
    "sigma_min": 0.002,
    "sigma_max": 700.0,
    "use_karras_sigmas": True,
}
ZERO_SNR: dict[str, Any] = {
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "snr_shift_scale": 1.0,
}
CONTROLLED = ("DDIMScheduler", "UniPCMultistepScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler")


def controlnet(scheduler: Any, name: str = "StableDiffusionControlNetPipeline") -> Any:
    """Stable Diffusion with a control network."""
    torch.manual_seed(0)
    network = unet()
    control = diffusers.ControlNetModel.from_unet(network, conditioning_embedding_out_channels=(4, 8))
    absent = "text_encoder tokenizer safety_checker feature_extractor image_encoder"
    parts = {"unet": network, "controlnet": control, "scheduler": scheduler}
    return assembled(name, absent, **parts, requires_safety_checker=False)


def upscaler(scheduler: Any) -> Any:
    """Stable Diffusion's upscaler, whose network sees the small image beside the latents."""
    network = unet(in_channels=7, num_class_embeds=1000)
    parts = {"unet": network, "low_res_scheduler": diffusers.DDPMScheduler(), "scheduler": scheduler}
    return assembled("StableDiffusionUpscalePipeline", "text_encoder tokenizer", **parts, max_noise_level=350)


def cogvideox(scheduler: Any, name: str = "CogVideoXPipeline") -> Any:
    """CogVideoX, text to video."""
    torch.manual_seed(0)
    transformer = diffusers.CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=16,
        num_layers=1,
        sample_width=2,
        sample_height=2,
        sample_frames=9,
        patch_size=2,
        temporal_compression_ratio=4,
        max_text_seq_length=5,
    )
    vae = diffusers.AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    return assembled(name, "tokenizer text_encoder", transformer=transformer, vae=vae, scheduler=scheduler)


def video(scheduler: Any) -> Any:
    """Stable Video Diffusion, from an image whose embedding is given."""
    torch.manual_seed(0)
    network = diffusers.UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=8,
        in_channels=8,
        out_channels=4,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=16,
        num_attention_heads=4,
        projection_class_embeddings_input_dim=24,
        addition_time_embed_dim=8,
        num_frames=2,
    )
    pipe = assembled(
        "StableVideoDiffusionPipeline",
        "image_encoder feature_extractor",
        unet=network,
        vae=kl_vae(),
        scheduler=scheduler,
    )
    # The image's embedding, with and without guidance, in place of a network that makes it.
    pipe._encode_image = lambda *arguments: random(2, 1, 16)
    return quiet(pipe)


def video_call() -> dict[str, Any]:
    """An image, and the smallest video."""
    return {"image": random(1, 3, 16, 16), "num_frames": 2, "decode_chunk_size": 2, **size()}


CONTROL = {"image": random(1, 3, 16, 16)}
OTHERS: dict[str, Tiny] = {
    "StableDiffusionControlNet": Tiny(controlnet, lambda: clip_call(**CONTROL), plain(*CONTROLLED)),
    "StableDiffusionControlNetImg2Img": Tiny(
        lambda s: controlnet(s, "StableDiffusionControlNetImg2ImgPipeline"),
        lambda: clip_call(**image(), **size(), control_image=random(1, 3, 16, 16)),
        plain(*CONTROLLED),
    ),
    "StableDiffusionUpscale": Tiny(upscaler, lambda: clip_call(**CONTROL), plain(*CONTROLLED)),
    "CogVideoX": Tiny(
        cogvideox,
        lambda: clip_call(num_frames=9, max_sequence_length=5, **size()),
        (("CogVideoXDDIMScheduler", ZERO_SNR), ("CogVideoXDPMScheduler", ZERO_SNR)),
    ),
    "StableVideoDiffusion": Tiny(video, video_call, (("EulerDiscreteScheduler", CONTINUOUS),)),
}
