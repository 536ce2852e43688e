"""Train the model of colour patches and its classifier, measure both, and write their folder.

The data are patches of eight pictures that scikit-learn and scikit-image bring. Run it from the repository's root:

    python scripts/train_patches.py --steps 8000 --out benchmarks/models/patches
"""

from __future__ import annotations

import torch
import typer
from torch import Tensor

import training
from hso.models.bundled import SIZE
from hso.models.datasets import PICTURES, colour_patches
from model_card import Card

CLASSES = len(PICTURES)
TRAIN, TEST = 64_000, 2_000


def read_data(count: int, seed: int) -> training.Images:
    """Return patches and the numbers of their pictures."""
    patches, labels = colour_patches(SIZE, count, seed)
    return training.Images(torch.from_numpy(patches).float(), torch.from_numpy(labels))


def unchanged(patches: Tensor) -> Tensor:
    """Return the patches themselves: their places, sizes and mirrors are random already."""
    return patches


ABOUT = f"""\
A small class-conditional diffusion model of colour patches of pictures, really trained, for benchmarks of sampling
schedules. Labels 0 to {CLASSES - 1} are the pictures {", ".join(PICTURES)};
label {CLASSES} means "no class", for classifier-free guidance."""

TRAINING = f"""\
The data are `hso.models.datasets.colour_patches`: {TRAIN} patches of 16x16 in [-1, 1], as many of every picture. A patch
covers 16, 32, 48 or 64 pixels of the picture (more of a large picture) along a side, at a random place, mirrored or
not; patches with hardly more than one colour are left out. Both networks see all of them. The classifier is tested on
{TEST} others, which overlap them: it knows the pictures."""

LIMITS = """\
For benchmarks of schedules on a CPU in minutes. It draws patches of these pictures and nothing else."""

LICENCE = """\
- china, flower (from scikit-learn): CC BY 2.0, https://www.flickr.com/photos/danielbuechele/6061409035 and
  https://www.flickr.com/photos/vultilion/6056698931, whose owners are to be credited.
- astronaut, rocket (from scikit-image): public domain, by NASA (https://flic.kr/p/r9qvLn) and SpaceX
  (https://www.flickr.com/photos/spacexphotos/16511594820).
- coffee, cat, retina (from scikit-image): CC0.
- immunohistochemistry (from scikit-image): no known copyright restrictions, Center for Microscopy and Molecular Imaging.

The pictures were cut, shrunk and mirrored."""

CARD = Card(
    tags="diffusion, class-conditional, patches",
    title="Colour patches, 16x16",
    about=ABOUT,
    training=TRAINING,
    limits=LIMITS,
    licence=LICENCE,
    thing="picture",
    halves="classifier's test images",
    folder='Path("benchmarks/models/patches")',
)


def read_recipe(seed: int) -> training.Recipe:
    """Return the recipe of the model of patches."""
    data, others = read_data(TRAIN, seed), read_data(TEST, seed + 1)
    return training.Recipe(
        data=data,
        train=data,
        test=others,
        halves=others,
        view=training.View(unchanged, unchanged, unchanged),
        unet={"block_out_channels": (32, 32, 48), "layers_per_block": 2},
        classes=CLASSES,
        classifier_steps=4000,
        card=CARD,
    )


def main(
    out: training.Out,
    steps: training.Steps = 8000,
    samples: training.Samples = 1000,
    seed: training.Seed = 0,
    threads: training.Threads = 1,
) -> None:
    """Train, measure and store the model of colour patches."""
    training.make(read_recipe, out, steps, samples, seed, threads)


if __name__ == "__main__":
    typer.run(main)
