"""A text-to-image pipeline on disk, tiny and with random weights, and images with captions to judge it by."""

from __future__ import annotations

import itertools
import json
import shutil
import string

import numpy as np
import pytest

COUNT = 12


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    """A folder that DiffusionPipeline.from_pretrained reads, tokenizer and text encoder included."""
    diffusers = pytest.importorskip("diffusers")
    from benchmarks import tiny_pipelines
    from benchmarks.recording import make_scheduler

    folder = tmp_path_factory.mktemp("pipeline")
    scheduler = make_scheduler("PNDMScheduler", skip_prk_steps=True)
    plain = tiny_pipelines.stable_diffusion(scheduler)
    # Images of 8 x 8 pixels: there are that many fewer features.
    plain.unet.register_to_config(sample_size=4)
    tokenizer, encoder = _text(folder)
    pipe = diffusers.StableDiffusionPipeline(
        vae=plain.vae,
        unet=plain.unet,
        scheduler=scheduler,
        tokenizer=tokenizer,
        text_encoder=encoder,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder / "tiny")
    return folder / "tiny"


def _text(folder):
    """CLIP's tokenizer for lower-case letters, and an encoder of one layer."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = itertools.chain.from_iterable((letter, f"{letter}</w>") for letter in string.ascii_lowercase)
    vocabulary = {token: index for index, token in enumerate(("<|startoftext|>", "<|endoftext|>", *letters))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=8)
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return tokenizer, CLIPTextModel(config)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """A folder with ``images`` and ``captions.txt``, one line for each image."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("dataset")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        values = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        image.fromarray(values).save(folder / "images" / f"{index:05}.png")
    (folder / "captions.txt").write_text("".join(f"a {letter}\n" for letter in string.ascii_lowercase[:COUNT]))
    return folder


@pytest.fixture
def unreported(monkeypatch):
    """Runs without their report, whose drawings take longer than the tiny pipeline's images."""
    monkeypatch.setattr("hso.evaluation.comparison_files.write", lambda outcome: [])


@pytest.fixture
def words(unreported, pipeline, dataset, tmp_path):
    """The command line of a recipe on the pipeline: ten images in pixels, since Inception needs weights."""
    given = {"--model": pipeline, "--data": dataset / "images", "--captions": dataset / "captions.txt"}
    given |= {"--features": "pixels", "--guidance": 3, "--images": 10, "--runs": tmp_path / "run"}
    return ["--quick", *map(str, itertools.chain.from_iterable(given.items()))]


@pytest.fixture
def named(pipeline, tmp_path):
    """The pipeline in a folder of another name."""

    def copied(name):
        shutil.copytree(pipeline, tmp_path / name)
        return str(tmp_path / name)

    return copied
