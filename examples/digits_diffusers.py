"""The bundled digits model, drawn by a diffusers scheduler with its own schedule and with the optimized one. Offline."""

import diffusers
import torch

from hso.hosts.diffusers import detach, recommend
from hso.models import (
    digits_folder,
    guided,
    load_digits_classifier,
    load_digits_model,
    load_digits_moments,
    moments_of,
)
from hso.objectives.frechet import frechet_distance

NFE, IMAGES = 5, 300
labels = torch.arange(IMAGES) % 10
predict = guided(load_digits_model(), labels, guidance=1.0)
classifier, real = load_digits_classifier(), load_digits_moments()
folder = digits_folder() / "scheduler"
scheduler = diffusers.UniPCMultistepScheduler.from_pretrained(folder)  # type: ignore[no-untyped-call]
noise = torch.randn(IMAGES, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def draw() -> torch.Tensor:
    """Sample from the same noise with whatever schedule the scheduler has."""
    scheduler.set_timesteps(NFE)
    x = noise
    for t in scheduler.timesteps:
        x = scheduler.step(predict(x, t), t, x).prev_sample
    return x


def report(name: str) -> None:
    """Print the distance to real digits in the features of the bundled classifier."""
    distance = frechet_distance(*moments_of(classifier.features(draw())), *real)
    times = ", ".join(f"{float(t):.1f}" for t in scheduler.timesteps)
    print(f"{name:12} Frechet distance {distance:7.3f}   timesteps {times}")


report("diffusers")
recommend(scheduler, NFE)
report("hso")
detach(scheduler)
report("detached")
