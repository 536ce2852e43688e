r"""What can be sampled with a schedule and judged.

Image i starts from standard normal noise :math:`z_i` that depends on the seed and on i alone, so that any division of the
images among processes gives the same images. A schedule that begins at scales :math:`\alpha, \sigma` starts from
:math:`\sqrt{\alpha^2 + \sigma^2}\, z_i`: unit noise on variance-preserving paths, as in diffusers' pipelines, wherever the
schedule begins.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError, check_integer, check_real
from hso.models.bundled import Moments
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.schedule import SamplingSchedule
from hso.solvers import SOLVERS, Node, make_solver, nodes, sample

Network = Callable[[Any, Node], Any]
# Fewer blocks say nothing about how much other images would change.
LEAST_BLOCKS = 5
# Images of which the peers' teachers are made: far from those that are judged.
TEACHER_IMAGES = range(2**40, 2**40 + 64)


@dataclass(frozen=True)
class SubjectSettings:
    """Which model is judged, and how.

    Attributes:
        model: A name in ``hso.comparison.subjects.SUBJECTS``, a diffusers folder or a hub id; ``NAME@G`` is NAME with
            guidance G.
        guidance: Scale of classifier-free guidance; 1 is none.
        seed: Seed of the initial noise.
        device: Where torch models run.
        features: In what images are compared: a name in ``hso.comparison.subjects.features.FEATURES``, or None for the
            subject's own.
        data: Folder of real images, for models whose data are not known.
        captions: Text file with one prompt a line, for text-to-image models.

    Raises:
        ArgumentError: If a number is unusable.
    """

    model: str
    guidance: float = 1.0
    seed: int = 0
    device: str = "cpu"
    features: str | None = None
    data: Path | None = None
    captions: Path | None = None

    def __post_init__(self) -> None:
        check_real("guidance", self.guidance, 0.0, 1000.0)
        check_integer("seed", self.seed, 0, 2**63 - 1)


class Start(NamedTuple):
    """Where images begin: their indices, and what is drawn for them, one entry for each."""

    images: range
    noise: Any


class Subject(ABC):
    """Something that can be sampled and judged.

    Attributes:
        name: What to call it.
        noise: The model's noise schedule.
        solvers: Solvers that it can be sampled with.
        period: Labels repeat after this many images; 1 where there are none.
        moments: Mean and covariance of the data's features, None where they are not known.
        data: Makes the features of data, float64, shape (n, d); None where no more than moments are known.
    """

    name: str
    noise: NoiseSchedule
    solvers: tuple[str, ...] = tuple(SOLVERS)
    period: int = 1
    moments: Moments | None = None
    data: Callable[[], Array] | None = None

    @abstractmethod
    def begin(self, images: range) -> Start:
        """What the images with these indices start from."""

    @abstractmethod
    def sample(self, solver: str, schedule: SamplingSchedule, start: Start) -> Array:
        """The images, one a row, in the units of the data."""

    @abstractmethod
    def features(self, images: Array) -> Array:
        """Features, float64, shape (n, d)."""

    def teacher(self) -> Teacher | None:
        """What peers are computed from; None where the network cannot be called by itself."""
        return None

    def pictures(self, images: Array) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The images to look at, shape (n, height, width) or (n, height, width, 3)."""
        return np.asarray(np.clip(127.5 * (images + 1), 0, 255).round(), dtype=np.uint8)

    def check_samples(self, samples: int) -> None:
        """Refuse a number of images that no interval can be computed from.

        Raises:
            ArgumentError: If there are too few for the blocks of the bootstrap.
        """
        least = LEAST_BLOCKS * self.period
        if samples < least:
            labels = f", {self.period} labels {LEAST_BLOCKS} times each" if self.period > 1 else ""
            raise ArgumentError("samples", f"at least {least}{labels}", samples)


class LoopSubject(Subject):
    """A network that is called node by node in this library's own loop.

    Attributes:
        prediction: What the network predicts.
        shape: Shape of one image.
        seed: Seed of the noise.
    """

    prediction: str = "epsilon"
    shape: tuple[int, ...]
    seed: int

    @abstractmethod
    def network(self, images: range) -> Network:
        """The network, conditioned on the labels of the images with these indices."""

    def begin(self, images: range) -> Start:
        return Start(images, self._as_input(normal(self.seed, images, self.shape)))

    def sample(self, solver: str, schedule: SamplingSchedule, start: Start) -> Array:
        first = nodes(self.noise, schedule)[0]
        x = start.noise * math.hypot(first.alpha, first.sigma)
        network = self.network(start.images)
        found = sample(make_solver(solver), network, self.noise, schedule, x, prediction=self.prediction)
        return self._as_images(found)

    def teacher(self) -> Teacher:
        level = self.noise.lambda_(self.noise.t_range[1])
        scale = math.hypot(math.exp(self.noise.log_alpha(level)), math.exp(self.noise.log_sigma(level)))
        x = self.begin(TEACHER_IMAGES).noise * scale
        return Teacher(self.network(TEACHER_IMAGES), self.noise, x, prediction=self.prediction)

    def _as_input(self, noise: Array) -> Any:
        return noise

    def _as_images(self, x: Any) -> Array:
        return np.asarray(x, dtype=np.float64)


def at_guidance(noise: NoiseSchedule, scale: float) -> NoiseSchedule:
    """The noise schedule of a model that is known to be guided so strongly."""
    return noise.with_traits(dataclasses.replace(noise.traits, guidance=scale))


def refuse(name: str, settings: SubjectSettings, *arguments: str) -> None:
    """Refuse what a subject has no use for.

    Raises:
        ArgumentError: If one is given.
    """
    for argument in arguments:
        if (value := getattr(settings, argument)) is not None:
            raise ArgumentError(argument, f"none for {name}, which has no use for it", str(value))


def normal(seed: int, images: range, shape: tuple[int, ...]) -> Array:
    """Standard normal noise for each image, shape (n, *shape); that of image i depends on the seed and on i alone.

    Example:
        >>> bool((normal(0, range(5, 7), (3,))[0] == normal(0, range(5, 6), (3,))[0]).all())
        True
    """
    return np.stack([np.random.default_rng((seed, index)).standard_normal(shape) for index in images])
