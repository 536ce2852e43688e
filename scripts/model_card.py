"""The model card that the scripts of the small models write."""

from __future__ import annotations

import shlex
import sys
from typing import Any, NamedTuple


class Card(NamedTuple):
    """What a model's card says of this model only.

    ``thing`` is its word for a class, ``halves`` for the images of which two halves are compared, and ``folder`` is what
    the classifier's loader must be given.
    """

    tags: str
    title: str
    about: str
    training: str
    limits: str
    licence: str
    thing: str
    halves: str
    folder: str = ""


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
    "frechet_distance_between_data_halves": "Frechet distance between random halves of the {halves}, {thing} by {thing}",
    "samples": "samples drawn for each row below, as many of every {thing}",
    "sample_accuracy_guidance_1": "share classified as the {thing} asked for, 50 DDIM steps, guidance 1",
    "frechet_distance_guidance_1": "Frechet distance of these samples to all real images",
    "sample_accuracy_guidance_3": "share classified as the {thing} asked for, 50 DDIM steps, guidance 3",
    "frechet_distance_guidance_3": "Frechet distance of these samples to all real images",
}

TEMPLATE = """\
---
library_name: diffusers
tags: [{tags}]
---

# {title}

{about}

It predicts noise on Stable Diffusion's schedule (scaled-linear betas from 0.00085 to 0.012, 1000 steps).

- `unet`, `scheduler`, `model_index.json`: a diffusers pipeline folder. Weights are float16 with 7 bits
  after the leading one.
- `classifier`: a small convolutional classifier; `hso.models.load_digits_classifier({folder})` loads it.
- `reference_features.npz`: mean and covariance of the classifier's features over all {images} real images.
- `metrics.json`: the numbers below.

## Training

{training}

A share of {dropout:.0%} of the U-Net's labels is replaced by "no class". Both networks are trained by AdamW with a
learning rate that falls to zero as a cosine (from {rate} at its peak for the U-Net); the U-Net's matrix products are in
bfloat16, and its stored weights are a moving average (decay {decay}). Command:

    {command}

## Measured

| Name | Value | Meaning |
| --- | --- | --- |
{table}

Sampling starts from unit normal noise and clamps the result to [-1, 1]. Frechet distances are squared, as FID is, and
between normal distributions fitted to the classifier's 64 penultimate features: they compare samples of this model with
each other, not with other models' FID.

## Intended use and limits

{limits}

As in Stable Diffusion, the last training step still holds about 7 % of the signal's amplitude, so that starting from
unit noise is slightly off what the model was trained on. The Frechet distances are no absolute judgement of quality:
both networks saw the real images in training.

## Licence of the data

{licence}
"""


def render(card: Card, metrics: dict[str, float], settings: dict[str, Any]) -> str:
    """Return the text of the card, which shows every metric.

    ``settings`` are the number of ``images``, the labels' ``dropout``, the peak ``rate`` and the average's ``decay``.
    """
    words = card._asdict()
    rows = (f"| `{name}` | {metrics[name]} | {meaning.format(**words)} |" for name, meaning in MEANINGS.items())
    command = shlex.join(["python", *sys.argv])
    return TEMPLATE.format(**words, **settings, command=command, table="\n".join(rows))
