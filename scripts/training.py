"""What the scripts of the small models share: training, measuring, and writing the model's folder."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from torch import Tensor, nn
from torch.nn import functional

from hso.models.bundled import SIZE, Moments, guided, load_digits_classifier, load_digits_model, moments_of
from hso.models.classifier import DigitsClassifier
from hso.objectives.frechet import frechet_distance
from model_card import Card, render

BATCH = 64
LEARNING_RATE = 1e-3
CLASS_DROPOUT = 0.15
EMA = 0.999
WIDTHS, FEATURES = (16, 32, 64), 64
SAMPLING_STEPS = 50
console = Console()

Out = Annotated[Path, typer.Option(help="Folder to write; an existing one is replaced.")]
Steps = Annotated[int, typer.Option(min=1, help="Training steps of the U-Net.")]
Samples = Annotated[int, typer.Option(min=100, help="Samples drawn for each guidance to measure quality.")]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]


class Images(NamedTuple):
    """Images as the data set has them, and their labels."""

    pixels: Tensor
    labels: Tensor


class Course(NamedTuple):
    """How long and how fast to train."""

    name: str
    steps: int
    peak_rate: float


class View(NamedTuple):
    """How the data's images become the model's: as they are, and changed at random for each training."""

    plain: Callable[[Tensor], Tensor]
    unet: Callable[[Tensor], Tensor]
    classifier: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """What one model is made of.

    The U-Net is trained on ``data``; the classifier is trained on ``train`` and tested on ``test``. Two halves of
    ``halves`` tell how large a Frechet distance is that means nothing.
    """

    data: Images
    train: Images
    test: Images
    halves: Images
    view: View
    unet: dict[str, Any]
    classes: int
    classifier_steps: int
    card: Card

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return self.data.pixels.shape[1]


def batches(data: Images, steps: int, view: Callable[[Tensor], Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the images as ``view`` gives them and their labels, in a new order every time all have been seen."""
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < BATCH:
            order = torch.cat([order, torch.randperm(len(data.labels))])
        chosen, order = order[:BATCH], order[BATCH:]
        yield view(data.pixels[chosen]), data.labels[chosen]


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


def train_classifier(recipe: Recipe) -> DigitsClassifier:
    """Return a classifier trained on the images meant for it."""
    model = DigitsClassifier(WIDTHS, FEATURES, recipe.channels, recipe.classes)
    steps = recipe.classifier_steps

    def losses() -> Iterator[Tensor]:
        for images, labels in batches(recipe.train, steps, recipe.view.classifier):
            yield functional.cross_entropy(model(images), labels, label_smoothing=0.05)

    optimise(model, Course("classifier", steps, 2e-3), losses(), lambda step: None)
    return model.eval()


def new_unet(recipe: Recipe) -> UNet2DModel:
    """Return the U-Net before training; its last label means "no class"."""
    unet: UNet2DModel = UNet2DModel(
        sample_size=SIZE,
        in_channels=recipe.channels,
        out_channels=recipe.channels,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        attention_head_dim=16,
        norm_num_groups=8,
        num_class_embeds=recipe.classes + 1,
        **recipe.unet,
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


def noise_losses(unet: UNet2DModel, recipe: Recipe, steps: int) -> Iterator[Tensor]:
    """Yield the mean squared errors of the predicted noise on one batch after another."""
    scheduler = new_scheduler()
    for images, labels in batches(recipe.data, steps, recipe.view.unet):
        # One timestep from each of as many equal ranges makes the loss less noisy than independent ones.
        position = (torch.arange(BATCH) + torch.rand(BATCH)) / BATCH
        timesteps = (position * len(scheduler.alphas_cumprod)).long()
        noise = torch.randn_like(images)
        noisy = scheduler.add_noise(images, noise, timesteps)
        classes = torch.where(torch.rand(BATCH) < CLASS_DROPOUT, recipe.classes, labels)
        with torch.autocast("cpu", torch.bfloat16):
            predicted = unet(noisy, timesteps, class_labels=classes).sample
        yield functional.mse_loss(predicted.float(), noise)


def train_unet(recipe: Recipe, steps: int) -> UNet2DModel:
    """Return a U-Net with the moving average of the weights that training went through."""
    unet, average = new_unet(recipe), new_unet(recipe).requires_grad_(False)
    average.load_state_dict(unet.state_dict())

    def follow(step: int) -> None:
        # A young average must forget the first weights sooner.
        weight = 1 - min(EMA, (1 + step) / (10 + step))
        for kept, current in zip(average.parameters(), unet.parameters(), strict=True):
            kept.lerp_(current.detach(), weight)

    optimise(unet, Course("unet", steps, LEARNING_RATE), noise_losses(unet, recipe, steps), follow)
    return average.eval()


def save_models(folder: Path, unet: UNet2DModel, classifier: DigitsClassifier, recipe: Recipe) -> None:
    """Write the diffusers pipeline and the classifier as float16, and round the pipeline's weights."""
    with torch.no_grad():
        for weight in unet.parameters():
            weight.copy_(rounded(weight))
    unet.type(torch.float16).save_pretrained(folder / "unet")
    new_scheduler().save_pretrained(folder / "scheduler")
    parts = {"unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDIMScheduler"]}
    write_json(folder / "model_index.json", {"_class_name": "DDIMPipeline", **parts})
    target = folder / "classifier"
    target.mkdir()
    save_file({name: weight.half() for name, weight in classifier.state_dict().items()}, target / "model.safetensors")
    kind = {"widths": WIDTHS, "feature_size": FEATURES, "channels": recipe.channels, "classes": recipe.classes}
    write_json(target / "config.json", kind)
    for weights in folder.rglob("*.safetensors"):
        # The writer lets the owner alone read them, and an installed copy would keep that.
        weights.chmod(0o644)


def rounded(weights: Tensor) -> Tensor:
    """Weights with 7 bits after the leading one, so that a compressed file is a sixth smaller."""
    mantissa, exponent = torch.frexp(weights)
    return torch.ldexp(torch.round(mantissa * 2**8) / 2**8, exponent)


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
        sample = torch.randn(len(part), unet.config["in_channels"], SIZE, SIZE, generator=generator)
        for timestep in scheduler.timesteps:
            sample = scheduler.step(predict(sample, timestep), timestep, sample).prev_sample
        images.append(sample.clamp(-1, 1))
    return torch.cat(images)


def halves_distance(features: Tensor, labels: Tensor, seed: int) -> float:
    """Return the Frechet distance between two random halves of the features: the size of mere sampling noise.

    Each half has as many of every class, as the samples that are compared with the data have.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    order = order[torch.argsort(labels[order], stable=True)]
    first, second = features[order[::2]], features[order[1::2]]
    return frechet_distance(*moments_of(first.numpy()), *moments_of(second.numpy()))


def features_of(classifier: DigitsClassifier, images: Tensor) -> Tensor:
    """Return the features of many images, computed in parts that fit into memory."""
    return torch.cat([classifier.features(part) for part in torch.split(images, 2000)])


def accuracy(classifier: DigitsClassifier, images: Tensor, labels: Tensor) -> float:
    """Return the share of images that the classifier gives their label."""
    return float((classifier(images).argmax(dim=1) == labels).double().mean())


def measure_samples(folder: Path, reference: Moments, count: int, seed: int) -> dict[str, float]:
    """Return the classifier's view of samples drawn from the model as it is stored."""
    unet, classifier = load_digits_model(folder=folder), load_digits_classifier(folder)
    labels = torch.arange(count) % (unet.config["num_class_embeds"] - 1)
    metrics: dict[str, float] = {"samples": count}
    for guidance in (1, 3):
        console.print(f"drawing {count} samples at guidance {guidance}")
        images = draw(unet, labels, guidance, seed)
        moments = moments_of(features_of(classifier, images).numpy())
        metrics[f"sample_accuracy_guidance_{guidance}"] = round(accuracy(classifier, images, labels), 4)
        metrics[f"frechet_distance_guidance_{guidance}"] = round(frechet_distance(*moments, *reference), 4)
    return metrics


def measure(folder: Path, recipe: Recipe, samples: int, seed: int) -> dict[str, float]:
    """Measure the stored models and write the reference moments of the real data next to them."""
    classifier = load_digits_classifier(folder)
    data, test, halves, plain = recipe.data, recipe.test, recipe.halves, recipe.view.plain
    reference = moments_of(features_of(classifier, plain(data.pixels)).numpy())
    np.savez(folder / "reference_features.npz", mean=reference.mean, covariance=reference.covariance)
    between = halves_distance(features_of(classifier, plain(halves.pixels)), halves.labels, seed)
    return {
        "classifier_test_images": len(test.labels),
        "classifier_test_accuracy": round(accuracy(classifier, plain(test.pixels), test.labels), 4),
        "frechet_distance_between_data_halves": round(between, 4),
        **measure_samples(folder, reference, samples, seed),
    }


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


def make(read: Callable[[int], Recipe], out: Path, steps: int, samples: int, seed: int, threads: int) -> None:
    """Train, measure and store the model whose recipe ``read`` gives for a seed."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    recipe = read(seed)
    start = time.monotonic()
    classifier, unet = train_classifier(recipe), train_unet(recipe, steps)
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
        save_models(folder, unet, classifier, recipe)
        metrics |= measure(folder, recipe, samples, seed)
        write_json(folder / "metrics.json", metrics)
        settings = {"images": len(recipe.data.labels), "dropout": CLASS_DROPOUT, "rate": LEARNING_RATE, "decay": EMA}
        (folder / "README.md").write_text(render(recipe.card, metrics, settings), encoding="utf-8")
    console.print_json(data=metrics)
