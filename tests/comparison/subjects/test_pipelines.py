"""Class-conditional and unconditional pipelines of diffusers, tiny and with random weights, from their folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from benchmarks import tiny_pipelines  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

import hso  # noqa: E402
from hso.comparison.runs.run import compare  # noqa: E402
from hso.comparison.runs.settings import ComparisonSettings  # noqa: E402
from hso.comparison.subjects import SubjectSettings, load_subject  # noqa: E402
from hso.models.classifier import DigitsClassifier  # noqa: E402
from hso.rules import rule_schedule  # noqa: E402
from hso.solvers import Node  # noqa: E402

NODE = Node(0, 0.3, 0.5, 0.85, 0.52, 299.0)


def tiny_unet(labels=None, channels=3, **more):
    torch.manual_seed(0)
    size = {"sample_size": 8, "in_channels": channels, "out_channels": channels}
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2, "layers_per_block": 1}
    widths = {"block_out_channels": (8, 8), "norm_num_groups": 4, "num_class_embeds": labels}
    return diffusers.UNet2DModel(**size, **blocks, **widths, **more)


def saved_unet(folder, labels=None, **more):
    diffusers.DDPMPipeline(tiny_unet(labels, **more), diffusers.DDPMScheduler()).save_pretrained(folder)
    return folder


def load(folder, **settings):
    return load_subject(SubjectSettings(str(folder), **{"features": "pixels", **settings}))


@pytest.mark.parametrize("labels", [3, 6])
def test_under_guidance_the_last_label_means_no_class(tmp_path, labels):
    subject = load(saved_unet(tmp_path / "model", labels), guidance=3.0)
    assert subject.period == labels - 1
    images = range(2 * (labels - 1))
    x = subject.begin(images).noise
    found = subject.network(images)(x, NODE)

    def asked(label):
        return subject.module(x, torch.full((len(x),), 299.0), class_labels=torch.tensor(label)).sample

    with torch.inference_mode():
        without, wanted = asked([labels - 1] * len(x)), asked([image % (labels - 1) for image in images])
    np.testing.assert_allclose(found, without + 3 * (wanted - without), atol=1e-4)
    assert subject.name == "model@3"


def test_another_label_can_mean_no_class(tmp_path):
    folder = saved_unet(tmp_path / "model", 4)
    for guidance in (1.0, 3.0):
        assert load(folder, guidance=guidance, no_class=0).labels.taken == (1, 2, 3)
    with pytest.raises(hso.ArgumentError, match="no_class: expected a label from 0 to 3, got 4"):
        load(folder, no_class=4)
    with pytest.raises(hso.ArgumentError, match="no_class: expected none for plain, which has no labels"):
        load(saved_unet(tmp_path / "plain"), no_class=0)


def test_without_guidance_all_labels_take_turns_unless_one_is_known_to_mean_no_class(tmp_path):
    folder = saved_unet(tmp_path / "model", 4)
    assert load(folder).labels == ((0, 1, 2, 3), None)
    with pytest.raises(hso.ArgumentError, match="guidance: expected 1 for plain"):
        load(saved_unet(tmp_path / "plain"), guidance=3.0)


def test_a_folder_with_its_own_classifier_says_how_many_classes_there_are(tmp_path):
    """The layout of the bundled model, with other numbers of channels and classes."""
    folder = tmp_path / "model"
    size = {"sample_size": 16, "in_channels": 3, "out_channels": 3, "num_class_embeds": 11}
    blocks = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2, "layers_per_block": 1}
    unet = diffusers.UNet2DModel(**size, **blocks, block_out_channels=(8, 8), norm_num_groups=4)
    diffusers.DDPMPipeline(unet, diffusers.DDPMScheduler()).save_pretrained(folder)
    (folder / "classifier").mkdir()
    config = {"widths": [4, 4, 8], "feature_size": 5, "classes": 10}
    (folder / "classifier" / "config.json").write_text(json.dumps(config))
    network = DigitsClassifier((4, 4, 8), 5)
    save_file(network.state_dict(), folder / "classifier" / "model.safetensors")
    np.savez(folder / "reference_features.npz", mean=np.zeros(5), covariance=np.eye(5))
    subject = load(folder)
    assert subject.labels == (tuple(range(10)), 10)
    assert load_subject(SubjectSettings(str(folder))).moments.mean.shape == (5,)


def test_the_second_trained_model_has_eight_labels_and_colours():
    folder = Path(__file__).parents[3] / "benchmarks" / "models" / "patches"
    for guidance in (1.0, 3.0):
        subject = load_subject(SubjectSettings(str(folder), guidance=guidance))
        assert subject.labels == (tuple(range(8)), 8)
        images = subject.sample("ddim", rule_schedule("trailing", subject.noise, 2), subject.begin(range(3)))
        assert subject.pictures(images).shape == (3, 16, 16, 3)
        assert subject.features(images).shape == (3, len(subject.moments.mean))


def test_labels_of_another_kind_are_refused_by_name(tmp_path):
    folder = saved_unet(tmp_path / "model", class_embed_type="timestep")
    with pytest.raises(hso.FileError, match="numbers as labels, found class_embed_type timestep"):
        load(folder)


@pytest.fixture(scope="module")
def dit(tmp_path_factory):
    """Class-conditional, in latents, with a learned variance."""
    folder = tmp_path_factory.mktemp("dit") / "tiny-dit"
    pipe = tiny_pipelines.dit(diffusers.DDIMScheduler())
    pipe.register_to_config(id2label={str(number): str(number) for number in range(1000)})
    pipe.save_pretrained(folder)
    return folder


def test_a_diffusion_transformer_makes_the_images_of_its_pipeline(dit):
    subject = load(dit, guidance=4.0)
    assert subject.labels.no_class == 1000
    assert subject.noise.traits.space == "latent"
    schedule = rule_schedule("leading", subject.noise, 3)
    pipe = diffusers.DiTPipeline.from_pretrained(dit)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False, steps_offset=1)
    start = subject.begin(range(2))
    # The pipeline draws its own noise; give it ours.
    with pytest.MonkeyPatch.context() as patch:
        drawn = lambda *shape, **kw: start.noise.clone()  # noqa: E731
        patch.setattr("diffusers.pipelines.dit.pipeline_dit.randn_tensor", drawn)
        theirs = pipe(
            list(subject.labels.taken[:2]), guidance_scale=4.0, num_inference_steps=3, output_type="np"
        ).images
    ours = subject.pictures(subject.sample("ddim", schedule, start))
    # The scheduler's last step lands on its first trained level, ours on the clean sample.
    np.testing.assert_allclose(ours / 255, theirs, atol=0.05)
    assert ours.shape == (2, *theirs.shape[1:])


def test_a_diffusion_transformer_is_compared_like_any_other_model(dit, tmp_path):
    subject = SubjectSettings(str(dit), features="pixels")
    settings = ComparisonSettings(subject, ("ddim",), (2,), ("trailing",), samples=10, batch=10, reference_nfe=3)
    outcome = compare(settings, tmp_path / "run", resamples=20)
    assert outcome.images == 10
    # All labels take part, in an order in which few images show all kinds.
    taken = load_subject(subject).labels.taken
    assert sorted(taken) == list(range(1000))
    assert np.ptp(taken[:10]) > 500


def test_an_unconditional_latent_pipeline_ends_in_its_decoder(tmp_path):
    torch.manual_seed(0)
    vqvae = diffusers.VQModel(
        block_out_channels=(8,),
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        norm_num_groups=4,
        latent_channels=3,
        num_vq_embeddings=8,
    )
    pipe = diffusers.LDMPipeline(vqvae=vqvae, unet=tiny_unet(), scheduler=diffusers.DDIMScheduler())
    pipe.save_pretrained(tmp_path / "ldm")
    settings = ComparisonSettings(
        SubjectSettings(str(tmp_path / "ldm"), features="pixels"),
        ("ddim", "heun"),
        (3,),
        ("trailing", "gits"),
        samples=10,
        reference_nfe=3,
        batch=5,
    )
    outcome = compare(settings, tmp_path / "run", resamples=20)
    assert outcome.subject == "ldm"
    assert outcome.plan.refused == []
    assert outcome.pictures(outcome.reference).shape == (5, 8, 8, 3)
    with pytest.raises(hso.ArgumentError, match="guidance: expected 1 for ldm"):
        load(tmp_path / "ldm", guidance=2.0)


def test_a_hub_id_that_cannot_be_loaded_is_named(monkeypatch):
    def load_config(model):
        raise OSError("no such repository")

    monkeypatch.setattr(diffusers.DiffusionPipeline, "load_config", load_config)
    with pytest.raises(hso.FileError, match="nobody/nothing: cannot load a pipeline: no such repository"):
        load_subject(SubjectSettings("nobody/nothing"))


def test_a_hub_id_is_downloaded_once_its_kind_is_known(tmp_path, monkeypatch):
    folder = saved_unet(tmp_path / "snapshot", 3)
    index = json.loads((folder / "model_index.json").read_text())
    monkeypatch.setattr(diffusers.DiffusionPipeline, "load_config", lambda model: index)
    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", lambda model: str(folder))
    assert load("somebody/model").name == "model"


def test_a_pipeline_of_another_kind_names_the_known_ones(tmp_path):
    (tmp_path / "model_index.json").write_text(json.dumps({"unet": ["diffusers", "UNet3DConditionModel"]}))
    with pytest.raises(hso.FileError, match="unet UNet2DModel; found unet"):
        load(tmp_path)


def test_a_part_that_cannot_be_loaded_is_named(dit, tmp_path):
    import shutil

    shutil.copytree(dit, tmp_path / "dit")
    shutil.rmtree(tmp_path / "dit" / "vae")
    with pytest.raises(hso.FileError, match="dit: cannot load vae"):
        load(tmp_path / "dit")
