"""A whole text-to-image pipeline on disk, tiny and with random weights."""

from __future__ import annotations

import itertools
import json
import string


def save(folder, scheduler, **config):
    """Save a Stable Diffusion that ``DiffusionPipeline.from_pretrained`` reads, tokenizer and text encoder included.

    ``config`` changes what the U-Net says of itself. Returns the pipeline's folder, in ``folder``.
    """
    from benchmarks import tiny_pipelines

    pipe = tiny_pipelines.stable_diffusion(scheduler)
    pipe.unet.register_to_config(**config)
    tokenizer, encoder = _text(folder)
    pipe.register_modules(tokenizer=tokenizer, text_encoder=encoder)
    pipe.save_pretrained(folder / "pipeline")
    return folder / "pipeline"


def _text(folder):
    """CLIP's tokenizer for lower-case letters, and an encoder of one layer."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = itertools.chain.from_iterable((letter, f"{letter}</w>") for letter in string.ascii_lowercase)
    vocabulary = {token: index for index, token in enumerate(("<|startoftext|>", "<|endoftext|>", *letters))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16)
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return tokenizer, CLIPTextModel(config)
