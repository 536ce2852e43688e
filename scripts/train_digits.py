"""Train the bundled digits model and its classifier, measure both, and write their folder.

The data are scikit-learn's 8x8 digits, upsampled to 16x16. Run it from the repository's root:

    python scripts/train_digits.py --steps 4500 --out src/hso/models/digits
"""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from diffusers.models.unets.unet_2d import UNet2DModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

from hso.comparison.statistics.frechet import frechet_distance
from hso.models.bundled import (
    NO_CLASS,
    SIZE,
    Moments,
    guided,
    load_digits_classifier,
    load_digits_model,
    moments_of,
    upsample_digits,
)
from hso.models.classifier import DigitsClassifier

BATCH = 64
LEARNING_RATE = 1e-3
CLASS_DROPOUT = 0.15
SHIFT = 0.5
EMA = 0.999
CLASSIFIER_STEPS = 1500
WIDTHS, FEATURES = (16, 32, 64), 64
SAMPLING_STEPS = 50
console = Console()


class Images(NamedTuple):
    """Digits as 8x8 images with values 0 to 16, and their labels."""

    pixels: Tensor
    labels: Tensor


class Course(NamedTuple):
    """How long and how fast to train."""

    name: str
    steps: int
    peak_rate: float


def read_data() -> Images:
    """Return the whole data set."""
    digits = load_digits()
    return Images(torch.tensor(digits.images, dtype=torch.float32)[:, None], torch.tensor(digits.target))


def split(data: Images, seed: int) -> tuple[Images, Images]:
    """Return four fifths of the data for training the classifier and one fifth for testing it."""
    train, test = train_test_split(range(len(data.labels)), test_size=0.2, stratify=data.labels, random_state=seed)
    return Images(data.pixels[train], data.labels[train]), Images(data.pixels[test], data.labels[test])


def upsample(pixels: Tensor, shift: float = 0.0) -> Tensor:
    """Return the images at 16x16 in [-1, 1], each moved at random by at most ``shift`` of the fine pixels."""
    return upsample_digits(pixels, (2 * torch.rand(len(pixels), 2) - 1) * shift * 2 / SIZE)


def batches(data: Images, steps: int, shift: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield augmented images and their labels, going through all of the data in a new order every time."""
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < BATCH:
            order = torch.cat([order, torch.randperm(len(data.labels))])
        chosen, order = order[:BATCH], order[BATCH:]
        yield upsample(data.pixels[chosen], shift), data.labels[chosen]


def optimise(model: nn.Module, course: Course, losses: Iterator[Tensor], after: Callable[[int], None]) -> None:
    """Minimise the given losses with AdamW under a learning rate that warms up and falls to zero as a cosine."""
    name, steps, peak = course
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps + 1, pct_start=0.05)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    recent = 0.0
    with Progress(*columns, console=console) as progress:
        for step, loss in enumerate(progress.track(losses, total=steps, description=name), start=1):
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            rates.step()
            after(step)
            recent += loss.item()
            if step % 250 == 0:
                progress.console.print(f"{name}: step {step}, mean loss {recent / 250:.4f}")
                recent = 0.0


def train_classifier(data: Images) -> DigitsClassifier:
    """Return a classifier trained on the given images."""
    model = DigitsClassifier(WIDTHS, FEATURES)

    def losses() -> Iterator[Tensor]:
        for images, labels in batches(data, CLASSIFIER_STEPS, 2 * SHIFT):
            yield functional.cross_entropy(model(images), labels, label_smoothing=0.05)

    optimise(model, Course("classifier", CLASSIFIER_STEPS, 2e-3), losses(), lambda step: None)
    return model.eval()


def new_unet() -> UNet2DModel:
    """Return the U-Net before training."""
    unet: UNet2DModel = UNet2DModel(
        sample_size=SIZE,
        in_channels=1,
        out_channels=1,
        block_out_channels=(32, 64, 80),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        attention_head_dim=16,
        norm_num_groups=8,
        num_class_embeds=NO_CLASS + 1,
    )
    return unet


def new_scheduler() -> Any:
    """Return a DDIM scheduler with Stable Diffusion's settings."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def noise_losses(unet: UNet2DModel, data: Images, steps: int) -> Iterator[Tensor]:
    """Yield the mean squared errors of the predicted noise on one batch after another."""
    scheduler = new_scheduler()
    for images, labels in batches(data, steps, SHIFT):
        # One timestep from each of as many equal ranges makes the loss less noisy than independent ones.
        position = (torch.arange(BATCH) + torch.rand(BATCH)) / BATCH
        timesteps = (position * len(scheduler.alphas_cumprod)).long()
        noise = torch.randn_like(images)
        noisy = scheduler.add_noise(images, noise, timesteps)
        classes = torch.where(torch.rand(BATCH) < CLASS_DROPOUT, NO_CLASS, labels)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = unet(noisy, timesteps, class_labels=classes).sample
        yield functional.mse_loss(predicted.float(), noise)


def train_unet(data: Images, steps: int) -> UNet2DModel:
    """Return a U-Net with the moving average of the weights that training went through."""
    unet, average = new_unet(), new_unet().requires_grad_(False)
    average.load_state_dict(unet.state_dict())

    def follow(step: int) -> None:
        # A young average must forget the first weights sooner.
        weight = 1 - min(EMA, (1 + step) / (10 + step))
        for kept, current in zip(average.parameters(), unet.parameters(), strict=True):
            kept.lerp_(current.detach(), weight)

    optimise(unet, Course("unet", steps, LEARNING_RATE), noise_losses(unet, data, steps), follow)
    return average.eval()


def save_models(folder: Path, unet: UNet2DModel, classifier: DigitsClassifier) -> None:
    """Write the diffusers pipeline and the classifier as float16."""
    unet.type(torch.float16).save_pretrained(folder / "unet")
    new_scheduler().save_pretrained(folder / "scheduler")
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDIMScheduler"]}
    write_json(folder / "model_index.json", {"_class_name": "DDIMPipeline", **parts})
    target = folder / "classifier"
    target.mkdir()
    save_file({name: weight.half() for name, weight in classifier.state_dict().items()}, target / "model.safetensors")
    write_json(target / "config.json", {"widths": WIDTHS, "feature_size": FEATURES})
    for weights in folder.rglob("*.safetensors"):
        # The writer lets the owner alone read them, and an installed copy would keep that.
        weights.chmod(0o644)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@torch.no_grad()
def draw(unet: UNet2DModel, labels: Tensor, guidance: float, seed: int) -> Tensor:
    """Return one image for every label, drawn by DDIM from unit noise."""
    generator = torch.Generator().manual_seed(seed)
    scheduler = new_scheduler()
    scheduler.set_timesteps(SAMPLING_STEPS)
    images = []
    for part in torch.split(labels, 100):
        predict = guided(unet, part, guidance)
        sample = torch.randn(len(part), 1, SIZE, SIZE, generator=generator)
        for timestep in scheduler.timesteps:
            sample = scheduler.step(predict(sample, timestep), timestep, sample).prev_sample
        images.append(sample.clamp(-1, 1))
    return torch.cat(images)


def halves_distance(features: Tensor, labels: Tensor, seed: int) -> float:
    """Return the Frechet distance between two random halves of the features: the size of mere sampling noise.

    Each half has as many of every digit, as the samples that are compared with the data have.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    order = order[torch.argsort(labels[order], stable=True)]
    first, second = features[order[::2]], features[order[1::2]]
    return frechet_distance(*moments_of(first.numpy()), *moments_of(second.numpy()))


def accuracy(classifier: DigitsClassifier, images: Tensor, labels: Tensor) -> float:
    """Return the share of images that the classifier gives their label."""
    return float((classifier(images).argmax(dim=1) == labels).double().mean())


def measure_samples(folder: Path, reference: Moments, count: int, seed: int) -> dict[str, float]:
    """Return the classifier's view of samples drawn from the model as it is stored."""
    unet, classifier = load_digits_model(folder=folder), load_digits_classifier(folder)
    labels = torch.arange(count) % NO_CLASS
    metrics: dict[str, float] = {"samples": count}
    for guidance in (1, 3):
        console.print(f"drawing {count} samples at guidance {guidance}")
        images = draw(unet, labels, guidance, seed)
        moments = moments_of(classifier.features(images).numpy())
        metrics[f"sample_accuracy_guidance_{guidance}"] = round(accuracy(classifier, images, labels), 4)
        metrics[f"frechet_distance_guidance_{guidance}"] = round(frechet_distance(*moments, *reference), 4)
    return metrics


def measure(folder: Path, data: Images, test: Images, samples: int, seed: int) -> dict[str, float]:
    """Measure the stored models and write the reference moments of the real data next to them."""
    classifier = load_digits_classifier(folder)
    features = classifier.features(upsample(data.pixels))
    reference = moments_of(features.numpy())
    np.savez(folder / "reference_features.npz", mean=reference.mean, covariance=reference.covariance)
    return {
        "classifier_test_images": len(test.labels),
        "classifier_test_accuracy": round(accuracy(classifier, upsample(test.pixels), test.labels), 4),
        "frechet_distance_between_data_halves": round(halves_distance(features, data.labels, seed), 4),
        **measure_samples(folder, reference, samples, seed),
    }


MEANINGS = {
    "steps": "training steps of the U-Net",
    "batch": "images per step",
    "seed": "seed of the split, the initial weights, the batches and the evaluation's noise",
    "threads": "CPU threads; another number gives slightly different weights",
    "training_seconds": "wall time of training the classifier and the U-Net",
    "parameters": "weights of the U-Net",
    "classifier_parameters": "weights of the classifier",
    "classifier_test_images": "images kept from the classifier's training",
    "classifier_test_accuracy": "the classifier's accuracy on them",
    "frechet_distance_between_data_halves": "Frechet distance between two random halves of the real images, digit by digit",
    "samples": "samples drawn for each row below, as many of every digit",
    "sample_accuracy_guidance_1": "share classified as the digit asked for, 50 DDIM steps, guidance 1",
    "frechet_distance_guidance_1": "Frechet distance of these samples to all real images",
    "sample_accuracy_guidance_3": "share classified as the digit asked for, 50 DDIM steps, guidance 3",
    "frechet_distance_guidance_3": "Frechet distance of these samples to all real images",
}

CARD = """\
---
library_name: diffusers
tags: [diffusion, class-conditional, digits]
---

# Digits, 16x16

A small class-conditional diffusion model of handwritten digits, really trained, for demonstrations and tests of
sampling schedules. It predicts noise on Stable Diffusion's schedule (scaled-linear betas from 0.00085 to 0.012, 1000
steps). Labels 0 to 9 are the digits; label 10 means "no class", for classifier-free guidance.

- `unet`, `scheduler`, `model_index.json`: a diffusers pipeline folder, weights in float16.
- `classifier`: a small convolutional classifier; `hso.models.load_digits_classifier()` loads it.
- `reference_features.npz`: mean and covariance of the classifier's features over all {images} real images.
- `metrics.json`: the numbers below.

## Training

The data are scikit-learn's `load_digits`: {images} images of 8x8, upsampled to 16x16 by bicubic interpolation and
scaled to [-1, 1]. The U-Net sees all of them, moved at random by at most {shift} pixel, with {dropout:.0%} of the
labels replaced by "no class"; AdamW with a peak learning rate of {rate} that falls to zero as a cosine; matrix
products in bfloat16; the stored weights are a moving average (decay {ema}). The classifier is trained on four fifths of
the images and tested on the rest. Command:

    {command}

## Measured

| Name | Value | Meaning |
| --- | --- | --- |
{table}

Sampling starts from unit normal noise and clamps the result to [-1, 1]. Frechet distances are squared, as FID is, and
between normal distributions fitted to the classifier's 64 penultimate features: they compare samples of this model with
each other, not with other models' FID.

## Intended use and limits

For trying out, testing and demonstrating schedules on a CPU in seconds. It draws low-resolution digits and nothing
else. As in Stable Diffusion, the last training step still holds about 7 % of the signal's amplitude, so that starting
from unit noise is slightly off what the model was trained on. The Frechet distances are no absolute judgement of
quality: the classifier was trained on most of the real images, and the U-Net on all of them.

## Licence of the data

scikit-learn's copy of the test set of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI
Machine Learning Repository, https://doi.org/10.24432/C50P49, under CC BY 4.0. The images were upsampled.
"""


def card(metrics: dict[str, float], images: int) -> str:
    """Return the model card, which shows every metric."""
    return CARD.format(
        images=images,
        shift=SHIFT,
        dropout=CLASS_DROPOUT,
        rate=LEARNING_RATE,
        ema=EMA,
        command=shlex.join(["python", *sys.argv]),
        table="\n".join(f"| `{name}` | {metrics[name]} | {meaning} |" for name, meaning in MEANINGS.items()),
    )


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``out`` once the block has succeeded."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as workplace:
        fresh, old = Path(workplace) / "new", Path(workplace) / "old"
        fresh.mkdir()
        yield fresh
        if out.exists():
            shutil.move(out, old)
        fresh.rename(out)


def main(
    out: Annotated[Path, typer.Option(help="Folder to write; an existing one is replaced.")],
    steps: Annotated[int, typer.Option(min=1, help="Training steps of the U-Net.")] = 4500,
    samples: Annotated[int, typer.Option(min=100, help="Samples drawn for each guidance to measure quality.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Train, measure and store the bundled digits model."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    data = read_data()
    train, test = split(data, seed)
    start = time.monotonic()
    classifier, unet = train_classifier(train), train_unet(data, steps)
    metrics: dict[str, float] = {
        "steps": steps,
        "batch": BATCH,
        "seed": seed,
        "threads": threads,
        "training_seconds": round(time.monotonic() - start),
        "parameters": unet.num_parameters(),
        "classifier_parameters": sum(weight.numel() for weight in classifier.parameters()),
    }
    with replacing(out) as folder:
        save_models(folder, unet, classifier)
        metrics |= measure(folder, data, test, samples, seed)
        write_json(folder / "metrics.json", metrics)
        (folder / "README.md").write_text(card(metrics, len(data.labels)), encoding="utf-8")
    console.print_json(data=metrics)


if __name__ == "__main__":
    typer.run(main)
