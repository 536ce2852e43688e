"""A small classifier of 16x16 images. Frechet distances use the features of its last layer but one."""

from __future__ import annotations

import torch
from torch import nn


class DigitsClassifier(nn.Module):
    """A convolutional classifier of 16x16 images scaled to [-1, 1]; the defaults are for digits.

    Args:
        widths: Channels of the three convolutions.
        feature_size: How many features an image has.
        channels: Channels of the images.
        classes: How many classes there are.
    """

    def __init__(
        self, widths: tuple[int, int, int] = (16, 32, 64), feature_size: int = 64, channels: int = 1, classes: int = 10
    ) -> None:
        super().__init__()
        first, second, third = widths
        self.body = nn.Sequential(
            nn.Conv2d(channels, first, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(second, third, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.25),
            nn.Linear(16 * third, feature_size),
            nn.ReLU(),
        )
        self.head = nn.Linear(feature_size, classes)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the penultimate features, one row per image."""
        features: torch.Tensor = self.body(images)
        return features

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the class logits of every image."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits
