"""Train the bundled digits model and its classifier, measure both, and write their folder.

The data are scikit-learn's 8x8 digits, upsampled to 16x16. Run it from the repository's root:

    python scripts/train_digits.py --steps 4500 --out src/hso/models/digits
"""

from __future__ import annotations

from functools import partial

import torch
import typer
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

import training
from hso.models.bundled import NO_CLASS, SIZE, upsample_digits
from model_card import Card

SHIFT = 0.5


def read_data() -> training.Images:
    """Return the whole data set, 8x8 images with values 0 to 16."""
    digits = load_digits()
    pixels = torch.tensor(digits.images, dtype=torch.float32)[:, None]
    return training.Images(pixels, torch.tensor(digits.target))


def split(data: training.Images, seed: int) -> tuple[training.Images, training.Images]:
    """Return four fifths of the data for training the classifier and one fifth for testing it."""
    parts = train_test_split(range(len(data.labels)), test_size=0.2, stratify=data.labels, random_state=seed)
    train, test = (training.Images(data.pixels[part], data.labels[part]) for part in parts)
    return train, test


def upsample(pixels: Tensor, shift: float = 0.0) -> Tensor:
    """Return the images at 16x16 in [-1, 1], each moved at random by at most ``shift`` of the fine pixels."""
    return upsample_digits(pixels, (2 * torch.rand(len(pixels), 2) - 1) * shift * 2 / SIZE)


ABOUT = """\
A small class-conditional diffusion model of handwritten digits, really trained, for demonstrations and tests of
sampling schedules. Labels 0 to 9 are the digits; label 10 means "no class", for classifier-free guidance."""

TRAINING = f"""\
The data are scikit-learn's `load_digits`: 1797 images of 8x8, upsampled to 16x16 by bicubic interpolation and scaled to
[-1, 1]. The U-Net sees all of them, moved at random by at most {SHIFT} pixel. The classifier is trained on four fifths of
the images and tested on the rest."""

LIMITS = """\
For trying out, testing and demonstrating schedules on a CPU in seconds. It draws low-resolution digits and nothing
else."""

LICENCE = """\
scikit-learn's copy of the test set of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI
Machine Learning Repository, https://doi.org/10.24432/C50P49, under CC BY 4.0. The images were upsampled."""

CARD = Card(
    tags="diffusion, class-conditional, digits",
    title="Digits, 16x16",
    about=ABOUT,
    training=TRAINING,
    limits=LIMITS,
    licence=LICENCE,
    thing="digit",
    halves="real images",
)


def read_recipe(seed: int) -> training.Recipe:
    """Return the digits model's recipe."""
    data = read_data()
    train, test = split(data, seed)
    return training.Recipe(
        data=data,
        train=train,
        test=test,
        halves=data,
        view=training.View(upsample, partial(upsample, shift=SHIFT), partial(upsample, shift=2 * SHIFT)),
        unet={"block_out_channels": (32, 64, 80), "layers_per_block": 1},
        classes=NO_CLASS,
        classifier_steps=1500,
        card=CARD,
    )


def main(
    out: training.Out,
    steps: training.Steps = 4500,
    samples: training.Samples = 1000,
    seed: training.Seed = 0,
    threads: training.Threads = 1,
) -> None:
    """Train, measure and store the bundled digits model."""
    training.make(read_recipe, out, steps, samples, seed, threads)


if __name__ == "__main__":
    typer.run(main)
