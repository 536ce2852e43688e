"""The bundled digits model: its size, its loaders and what it draws."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from hso.errors import MissingExtraError  # noqa: E402
from hso.models import (  # noqa: E402
    NO_CLASS,
    digits_folder,
    guided,
    load_digits_classifier,
    load_digits_model,
    load_digits_moments,
    moments_of,
)
from hso.objectives.frechet import frechet_distance  # noqa: E402


@pytest.fixture(scope="module")
def unet():
    return load_digits_model()


@pytest.fixture(scope="module")
def classifier():
    return load_digits_classifier()


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 1, 16, 16, generator=generator), torch.tensor([3, 1, 4, 1])


def eps(unet, x, index, classes):
    return unet(x, torch.full((len(x),), float(index)), class_labels=classes).sample


@pytest.fixture(scope="module")
def drawn(unet):
    """Twenty-step DDIM samples at guidance 2, four of every digit."""
    labels = torch.arange(40) % 10
    scheduler = diffusers.DDIMScheduler.from_pretrained(digits_folder() / "scheduler")
    scheduler.set_timesteps(20)
    predict = guided(unet, labels, 2.0)
    sample = torch.randn(40, 1, 16, 16, generator=torch.Generator().manual_seed(7))
    for timestep in scheduler.timesteps:
        sample = scheduler.step(predict(sample, timestep), timestep, sample).prev_sample
    return sample.clamp(-1, 1), labels


def test_folder_is_small():
    size = sum(file.stat().st_size for file in digits_folder().rglob("*") if file.is_file())
    assert size <= 4 * 2**20


def test_loads_offline_without_a_warning(monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise AssertionError("loading opened a connection")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr(logging.getLogger("diffusers"), "propagate", True)
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        model, classifier = load_digits_model(), load_digits_classifier()
    assert caplog.records == []
    for loaded in (model, classifier):
        assert not loaded.training
        assert all(weight.dtype == torch.float32 and not weight.requires_grad for weight in loaded.parameters())


def test_loads_in_another_type():
    assert load_digits_model(torch.float16).dtype == torch.float16


def test_folder_is_a_pipeline_on_stable_diffusions_schedule():
    pipeline = diffusers.DiffusionPipeline.from_pretrained(digits_folder(), local_files_only=True)
    assert pipeline.unet.config.num_class_embeds == NO_CLASS + 1
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    torch.testing.assert_close(pipeline.scheduler.alphas_cumprod, torch.cumprod(1 - betas, dim=0))
    assert not pipeline.scheduler.config.clip_sample
    assert pipeline.scheduler.config.prediction_type == "epsilon"


def test_guidance_one_is_the_conditional_forward(unet, batch):
    x, labels = batch
    assert torch.equal(guided(unet, labels, 1.0)(x, 500), eps(unet, x, 500, labels))


def test_guidance_extrapolates_from_no_class(unet, batch):
    x, labels = batch
    without, conditional = eps(unet, x, 320, torch.full_like(labels, NO_CLASS)), eps(unet, x, 320, labels)
    assert not torch.allclose(without, conditional, atol=1e-2)
    torch.testing.assert_close(
        guided(unet, labels, 3.0)(x, 320), without + 3 * (conditional - without), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_fractional_timestep_is_not_truncated(unet, batch, guidance):
    x, labels = batch
    predict = guided(unet, labels, guidance)
    below, between, above = predict(x, 500), predict(x, 500.5), predict(x, 501)
    whole = (above - below).abs().max()
    assert whole > 0
    # A truncated or rounded timestep would be off by half of the whole difference.
    assert (between - (below + above) / 2).abs().max() < 0.3 * whole


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_every_sample_may_have_its_own_timestep(unet, batch, guidance):
    x, labels = batch
    together = guided(unet, labels, guidance)(x, torch.tensor([10.0, 200.5, 500.0, 999.0]))
    alone = guided(unet, labels[1:2], guidance)(x[1:2], 200.5)
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=1e-4)


def test_prediction_has_the_samples_type(unet, batch):
    x, labels = batch
    assert guided(unet, labels, 2.0)(x.double(), 500).dtype == torch.float64


def test_samples_are_the_digits_asked_for(drawn, classifier):
    images, labels = drawn
    assert (classifier(images).argmax(dim=1) == labels).double().mean() >= 0.9


def test_stored_moments_are_the_real_datas(classifier):
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    coarse = torch.tensor(load_digits().images, dtype=torch.float32)[:, None]
    images = torch.nn.functional.interpolate(coarse, size=16, mode="bicubic").clamp(0, 16) / 8 - 1
    # This interpolation differs from the script's at the border, hence a distance that is small but not zero.
    distance = frechet_distance(*moments_of(classifier.features(images).numpy()), *load_digits_moments())
    assert distance < 1.0


def test_logits_follow_from_the_features(classifier, batch):
    features = classifier.features(batch[0])
    assert features.shape == (4, 64)
    assert torch.equal(classifier.head(features), classifier(batch[0]))


def test_moments_of_rows():
    mean, covariance = moments_of([[0.0, 1.0], [2.0, 5.0]])
    np.testing.assert_allclose(mean, [1, 3])
    np.testing.assert_allclose(covariance, [[2, 4], [4, 8]])


def test_card_shows_every_measured_number():
    metrics = json.loads((digits_folder() / "metrics.json").read_text(encoding="utf-8"))
    lines = (digits_folder() / "README.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("| `")]
    assert {name.strip("`"): json.loads(value) for _, name, value, *_ in cells} == metrics
    assert metrics["classifier_test_accuracy"] >= 0.98
    assert metrics["sample_accuracy_guidance_1"] >= 0.95


def test_importing_the_package_leaves_torch_out():
    check = "import sys, hso.models; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


@pytest.mark.parametrize(
    ("package", "load"),
    [("torch", load_digits_model), ("diffusers", load_digits_model), ("safetensors", load_digits_classifier)],
)
def test_missing_package_names_the_extra(monkeypatch, package, load):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"{package}.torch", raising=False)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*hso\[demo\]"):
        load()
