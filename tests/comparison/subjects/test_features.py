"""Each name of features stands for one function from images to rows. Vision models are made here, with random weights."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import hso
from hso.comparison.subjects import SubjectSettings, load_subject
from hso.comparison.subjects.features import check_features, inception, named_features

torch = pytest.importorskip("torch")
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16))
COLOURED = np.repeat(IMAGES[..., None], 3, axis=3)
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
MLP = {"intermediate_size": 32}
SQUARE = {"height": 16, "width": 16}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A function that makes a model of a kind, and saves it with its image processor in a folder."""
    transformers = pytest.importorskip("transformers")
    text = {**SMALL, **MLP, "vocab_size": 20, "max_position_embeddings": 8}
    config = {
        "vit": lambda: transformers.ViTConfig(**SMALL, **MLP),
        "dino": lambda: transformers.Dinov2Config(**SMALL, mlp_ratio=2),
        "clip": lambda: transformers.CLIPConfig(
            text_config={**text, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1},
            vision_config={**SMALL, **MLP},
            projection_dim=6,
        ),
    }
    prepared = {"clip": "CLIPImageProcessorPil", "dino": "BitImageProcessorPil", "vit": "ViTImageProcessorPil"}

    def make(kind):
        folder = tmp_path_factory.mktemp(kind)
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(config[kind]()).eval()
        model.save_pretrained(folder)
        options = {"size": SQUARE} if kind == "vit" else {"size": {"shortest_edge": 16}, "crop_size": SQUARE}
        getattr(transformers, prepared[kind])(**options).save_pretrained(folder)
        return folder, model

    return make


def pixel_values(folder, images):
    """Images as the model takes them: scaled to mean and deviation of its processor; their size is right already."""
    import json

    facts = json.loads((folder / "preprocessor_config.json").read_text())
    shares = np.round(127.5 * (images + 1)) / 255
    scaled = (shares - facts["image_mean"]) / facts["image_std"]
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2)).float()


def embedding(kind, model, given):
    """What the model itself says of the images."""
    if kind == "clip":
        return model.visual_projection(model.vision_model(pixel_values=given).pooler_output)
    return model(pixel_values=given).pooler_output


@pytest.mark.parametrize("kind", ["vit", "dino", "clip"])
def test_a_vision_model_in_a_folder_says_of_images_what_it_says_itself(saved, kind):
    folder, model = saved(kind)
    features = named_features(f"transformers:{folder}", "cpu")
    with torch.inference_mode():
        expected = embedding(kind, model, pixel_values(folder, COLOURED)).numpy()
    found = features(COLOURED)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(features(IMAGES), found)
    np.testing.assert_allclose(features(IMAGES[1:2]), found[1:2], atol=1e-6)
    assert np.ptp(found, axis=0).max() > 1e-3


def rewritten(folder, keep):
    """Keep some of the weights of a saved model."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file({name: value for name, value in load_file(path).items() if keep(name)}, path, {"format": "pt"})


def test_a_model_without_weights_for_the_pooling_gives_its_first_token(saved):
    folder, model = saved("vit")
    rewritten(folder, lambda name: "pooler" not in name)
    with torch.inference_mode():
        expected = model(pixel_values=pixel_values(folder, COLOURED)).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(named_features(f"transformers:{folder}", "cpu")(IMAGES), expected, atol=1e-5)


def test_weights_of_chance_are_refused(saved):
    folder, _ = saved("vit")
    rewritten(folder, lambda name: "embeddings" not in name)
    with pytest.raises(hso.FileError, match="has no weights for embeddings"):
        named_features(f"transformers:{folder}", "cpu")


def test_a_folder_without_a_model_is_named(tmp_path):
    pytest.importorskip("transformers")
    with pytest.raises(hso.FileError, match="cannot load a vision model") as error:
        named_features(f"transformers:{tmp_path}", "cpu")
    assert "\n" not in str(error.value)
    with pytest.raises(hso.FileError, match="no such folder"):
        named_features(f"transformers:{tmp_path / 'none'}", "cpu")


@pytest.mark.parametrize("library", ["transformers", "torchmetrics"])
def test_a_missing_library_is_named_with_the_extra_that_brings_it(monkeypatch, tmp_path, library):
    for name in [name for name in sys.modules if name == library or name.startswith(library + ".")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, library, None)
    name, extra = (f"transformers:{tmp_path}", "diffusers") if library == "transformers" else ("inception", "fid")
    with pytest.raises(hso.MissingExtraError, match=rf"run: pip install 'hso\[{extra}\]'"):
        named_features(name, "cpu")


def test_another_network_than_inception_may_be_asked_through_torchmetrics():
    pytest.importorskip("torchmetrics")

    class Means(torch.nn.Module):
        num_features = 3

        def forward(self, images):
            assert images.dtype == torch.uint8
            return images.double().mean(dim=(2, 3))

    found = inception("cpu", Means())(COLOURED)
    np.testing.assert_allclose(found, np.round(127.5 * (COLOURED + 1)).mean(axis=(1, 2)), rtol=1e-12)


def test_the_bundled_classifier_has_a_name():
    own = load_subject(SubjectSettings("digits"))
    np.testing.assert_array_equal(named_features("classifier", "cpu")(IMAGES), own.features(IMAGES))
    with pytest.raises(hso.ArgumentError, match=r"features: expected grey images of 16 by 16 pixels.*got \(8, 8\)"):
        named_features("classifier", "cpu")(IMAGES[:, ::2, ::2])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("pixel", "did you mean 'pixels'?"),
        ("Inception", "did you mean 'inception'?"),
        ("transformer:x/y", "did you mean 'transformers'?"),
        ("transformers", "expected transformers:ID_OR_FOLDER"),
        ("transformers:", "expected transformers:ID_OR_FOLDER"),
        ("pixels:8", "expected pixels with nothing after it"),
        ("facebook/dinov2-small", "for a model: transformers:facebook/dinov2-small"),
        ("", "expected one of classifier, inception, pixels, transformers"),
    ],
)
def test_wrong_names_are_told_the_right_ones(name, says):
    with pytest.raises(hso.ArgumentError) as error:
        check_features(name)
    assert says in str(error.value)


def test_a_comparison_takes_the_same_names(saved):
    folder, _ = saved("dino")
    subject = load_subject(SubjectSettings("digits", features=f"transformers:{folder}"))
    assert subject.features(IMAGES).shape == (4, 16)
    assert subject.state_features(torch.from_numpy(IMAGES[:, None]).float()).shape == (4, 16)
