"""The model of colour patches: its size, its loaders and what it knows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed")

from hso.models import guided, load_digits_classifier, load_digits_model, load_digits_moments  # noqa: E402
from hso.models.datasets import PICTURES, colour_patches  # noqa: E402

FOLDER = Path(__file__).parents[2] / "benchmarks" / "models" / "patches"
NO_PICTURE = len(PICTURES)


@pytest.fixture(scope="module")
def unet():
    return load_digits_model(folder=FOLDER)


@pytest.fixture(scope="module")
def classifier():
    return load_digits_classifier(FOLDER)


@pytest.fixture(scope="module")
def real():
    """Real patches that were not drawn for training, and their pictures."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    patches, labels = colour_patches(16, 800, seed=77)
    return torch.from_numpy(patches).float(), torch.from_numpy(labels)


@pytest.fixture(scope="module")
def drawn(unet):
    """Ten-step DDIM samples at guidance 3, two of every picture."""
    labels = torch.arange(2 * NO_PICTURE) % NO_PICTURE
    scheduler = diffusers.DDIMScheduler.from_pretrained(FOLDER / "scheduler")
    scheduler.set_timesteps(10)
    predict = guided(unet, labels, 3.0)
    sample = torch.randn(len(labels), 3, 16, 16, generator=torch.Generator().manual_seed(7))
    for timestep in scheduler.timesteps:
        sample = scheduler.step(predict(sample, timestep), timestep, sample).prev_sample
    return sample.clamp(-1, 1), labels


def test_the_folder_is_small():
    sizes = {file.name: file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()}
    assert sum(sizes.values()) < 2_000_000
    assert sizes["diffusion_pytorch_model.safetensors"] < 1_800_000
    assert sizes["model.safetensors"] < 200_000


def test_the_networks_are_for_colour_images_of_these_pictures(unet, classifier):
    assert sum(weight.numel() for weight in unet.parameters()) < 900_000
    assert (unet.config.in_channels, unet.config.sample_size) == (3, 16)
    assert unet.config.num_class_embeds == NO_PICTURE + 1
    assert classifier(torch.zeros(2, 3, 16, 16)).shape == (2, NO_PICTURE)
    assert classifier.features(torch.zeros(2, 3, 16, 16)).shape == (2, 64)


def test_the_classifiers_settings_say_what_it_takes():
    config = json.loads((FOLDER / "classifier" / "config.json").read_text(encoding="utf-8"))
    assert (config["channels"], config["classes"]) == (3, NO_PICTURE)


def test_the_last_label_means_no_picture(unet):
    x, labels = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)), torch.tensor([2, 5])
    without = unet(x, 500.0, class_labels=torch.full_like(labels, NO_PICTURE)).sample
    torch.testing.assert_close(guided(unet, labels, 0.0)(x, 500.0), without, atol=1e-4, rtol=1e-4)


def test_guided_denoising_comes_closer_to_the_data(unet, real):
    patches, labels = (part[:32] for part in real)
    kept = diffusers.DDIMScheduler.from_pretrained(FOLDER / "scheduler").alphas_cumprod[200]
    noise = torch.randn(patches.shape, generator=torch.Generator().manual_seed(2))
    noisy = kept.sqrt() * patches + (1 - kept).sqrt() * noise
    denoised = (noisy - (1 - kept).sqrt() * guided(unet, labels, 2.0)(noisy, 200)) / kept.sqrt()
    assert (denoised - patches).square().mean() < 0.2 * (noisy / kept.sqrt() - patches).square().mean()


def test_the_classifier_knows_real_patches(classifier, real):
    patches, labels = real
    assert (classifier(patches).argmax(dim=1) == labels).double().mean() > 0.8


def test_samples_show_the_pictures_asked_for(classifier, drawn):
    images, labels = drawn
    assert (classifier(images).argmax(dim=1) == labels).double().mean() > 0.8


def test_the_stored_moments_are_the_real_datas(classifier, real):
    features = classifier.features(real[0]).double().numpy()
    moments = load_digits_moments(FOLDER)
    spread = np.sqrt(np.diag(moments.covariance))
    # Some features are zero for every image.
    assert (np.abs(features.mean(axis=0) - moments.mean) <= 5 * spread / np.sqrt(len(features))).all()
    np.testing.assert_allclose(features.std(axis=0), spread, rtol=0.3)


def test_the_card_shows_every_measured_number():
    metrics = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("| `")]
    assert {name.strip("`"): json.loads(value) for _, name, value, *_ in cells} == metrics
    assert metrics["classifier_test_accuracy"] >= 0.9
    assert metrics["sample_accuracy_guidance_1"] >= 0.8
