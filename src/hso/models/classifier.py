"""The small digit classifier whose penultimate features serve Frechet distances."""

from __future__ import annotations

import torch
from torch import nn


class DigitsClassifier(nn.Module):
    """A convolutional classifier of 16x16 one-channel digits scaled to [-1, 1]."""

    def __init__(self, widths: tuple[int, int, int] = (16, 32, 64), feature_size: int = 64) -> None:
        super().__init__()
        first, second, third = widths
        self.body = nn.Sequential(
            nn.Conv2d(1, first, 3, padding=1),
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
        self.head = nn.Linear(feature_size, 10)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the penultimate features, one row per image."""
        features: torch.Tensor = self.body(images)
        return features

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the ten class logits of every image."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits
