"""Images that are sampled from given noise, and the network that samples each of them.

A network with prompts or labels is a different function for each image. So code that runs a network on many images asks
for a range of images, and gets the network and the states for exactly these images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from hso.errors import ArgumentError, check_integer
from hso.models.recording import Model


class Batch(NamedTuple):
    """Images that are sampled together.

    Attributes:
        model: The network for these images: a function of x and a node that returns the prediction.
        x: Their states at the noisiest time, an array or a tensor of shape (B, ...).
    """

    model: Model
    x: Any


@dataclass(frozen=True)
class Images:
    """A number of images.

    Attributes:
        count: How many there are.
        batch: Returns the network and the states for the images with the given indices. For one image it must always
            return the same, in every range.
        size: The largest number of images that are sampled together.

    Raises:
        ArgumentError: If a number is unusable.
    """

    count: int
    batch: Callable[[range], Batch]
    size: int

    def __post_init__(self) -> None:
        check_integer("images", self.count, 1, 2**40)
        check_integer("batch", self.size, 1, 2**40)

    @classmethod
    def of(cls, model: Model, x: Any, size: int | None = None) -> Images:
        """Images that one network samples.

        Args:
            model: The network. Its output for an image must not depend on the position of the image in x, unless all
                images are sampled together.
            x: States at the noisiest time, an array or a tensor of shape (B, ...).
            size: The largest number of images that are sampled together; all by default.

        Raises:
            ArgumentError: If x is not a batch.
        """
        if len(getattr(x, "shape", ())) < 2:
            raise ArgumentError("x", "a batch of states, of at least 2 axes", x)
        count = len(x)
        return cls(count, lambda images: Batch(model, x[images.start : images.stop]), size or max(count, 1))

    def part(self, images: range) -> Images:
        """Some of the images, counted from 0."""
        first = images.start
        return Images(
            len(images), lambda wanted: self.batch(range(first + wanted.start, first + wanted.stop)), self.size
        )

    def cut(self, images: range) -> Iterator[range]:
        """Cut the images into ranges that are sampled together."""
        for first in range(images.start, images.stop, self.size):
            yield range(first, min(first + self.size, images.stop))
