"""A text-to-image pipeline in a folder, as diffusers saves it, is compared like any other model."""

from __future__ import annotations

import dataclasses
import json
import string

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")

from benchmarks import tiny_pipelines  # noqa: E402
from benchmarks.recording import make_scheduler  # noqa: E402

import hso  # noqa: E402
from hso.evaluation.compare import compare  # noqa: E402
from hso.evaluation.plan import Settings  # noqa: E402
from hso.evaluation.subjects import SubjectSettings  # noqa: E402


@pytest.fixture
def captions(tmp_path):
    path = tmp_path / "captions.txt"
    path.write_text("".join(f"a picture of {name}\n" for name in "abcdefghijkl"))
    return path


@pytest.fixture
def folder(tmp_path):
    """A whole pipeline as diffusers saves it, with a tokenizer of single letters."""
    letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    vocabulary = {word: index for index, word in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    marks = {"bos_token_id": 52, "eos_token_id": 53, "max_position_embeddings": 16}
    pipe = tiny_pipelines.stable_diffusion(make_scheduler("DDIMScheduler"))
    pipe.register_modules(
        tokenizer=transformers.CLIPTokenizer(
            str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"), model_max_length=16
        ),
        text_encoder=transformers.CLIPTextModel(transformers.CLIPTextConfig(vocab_size=54, **sizes, **marks)),
    )
    pipe.save_pretrained(tmp_path / "pipeline")
    return tmp_path / "pipeline"


def test_a_comparison_of_a_saved_pipeline(folder, captions, tmp_path):
    model = SubjectSettings(str(folder), guidance=3.0, features="pixels", captions=captions)
    names = ("trailing", "hso_exact", "gits")
    settings = Settings(model, ("ddim", "unipc"), (2,), names, samples=10, reference_nfe=4, batch=5)
    outcome = compare(settings, tmp_path / "run")
    assert outcome.subject == "pipeline@3"
    assert len(outcome.rows) == 4
    assert outcome.metrics == ("reference", "error")
    assert [refusal.name for refusal in outcome.plan.refused] == ["gits"]
    with pytest.raises(hso.ArgumentError, match="solver: expected one of ddim, deis"):
        compare(dataclasses.replace(settings, solvers=("heun",)), tmp_path / "run")


def test_images_of_another_size_than_the_data_are_refused(folder, captions, tmp_path):
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "data").mkdir()
    for index in range(12):
        image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "data" / f"{index}.png")
    model = SubjectSettings(str(folder), features="pixels", captions=captions, data=tmp_path / "data")
    settings = Settings(model, ("ddim",), (2,), ("trailing",), samples=10, reference_nfe=2, batch=5)
    with pytest.raises(hso.ArgumentError, match="data: expected images of 768 features, as the model's, got '16"):
        compare(settings, tmp_path / "run")
