r"""What can be sampled with a schedule and judged.

Image i starts from standard normal noise :math:`z_i` that depends only on the seed and on i. So the images are the same
however they are divided among processes. A schedule that begins at the scales :math:`\alpha, \sigma` starts from
:math:`\sqrt{\alpha^2 + \sigma^2}\, z_i`. On variance-preserving paths this is unit noise, as in diffusers' pipelines,
wherever the schedule begins.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hso.comparison.statistics.metrics import METRICS
from hso.comparison.statistics.subsets import LEAST
from hso.errors import ArgumentError, check_choice, check_integer, check_real
from hso.models.bundled import Moments
from hso.models.images import Batch, Images
from hso.models.teacher import Network, Teacher
from hso.noise import NoiseSchedule
from hso.noise.base import Array, as_array
from hso.schedule import SamplingSchedule
from hso.solvers import Solver, make_solver, nodes, sample

# Fewer blocks say nothing about how much other images would change the figures.
LEAST_BLOCKS = 5
# The images of teachers, and the first of those that models are calibrated and tuned with; none of them is ever judged.
TEACHER_IMAGES = range(2**40, 2**40 + 64)
CALIBRATION_IMAGES, TUNING_IMAGES = 2**41, 2**42


# The scale of guidance that leaves the model as it is.
NO_GUIDANCE = 1.0


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
        no_class: The label that means "no class", for class-conditional models; by default the last one.

    Raises:
        ArgumentError: If a number is unusable.
    """

    model: str
    guidance: float = NO_GUIDANCE
    seed: int = 0
    device: str = "cpu"
    features: str | None = None
    data: Path | None = None
    captions: Path | None = None
    no_class: int | None = None

    def __post_init__(self) -> None:
        check_real("guidance", self.guidance, 0.0, 1000.0)
        check_integer("seed", self.seed, 0, 2**63 - 1)
        if self.no_class is not None:
            check_integer("no_class", self.no_class, 0, 2**31 - 1)


class Start(NamedTuple):
    """What images begin with: their numbers, and what was drawn for them, one entry for each."""

    images: range
    noise: Any


class Subject(ABC):
    """Something that can be sampled and judged.

    Attributes:
        name: The name in reports.
        noise: The model's noise schedule.
        solvers: Names of the solvers that it can be sampled with; None if any solver will do.
        period: Blocks of the bootstrap have whole groups of this many images, so that all have the same labels; 1 if there
            are no labels, or so many that blocks cannot have them all.
        moments: Mean and covariance of the data's features; None if they are not known.
        data: Makes the features of the data, float64, shape (n, d); None if at most their moments are known.
        prediction: What the network predicts.
        identity: What tells this subject from others with the same settings. A folder keeps runs with the same only.
    """

    name: str
    noise: NoiseSchedule
    solvers: tuple[str, ...] | None = None
    period: int = 1
    moments: Moments | None = None
    data: Callable[[], Array] | None = None
    prediction: str = "epsilon"
    identity: Mapping[str, str] = {}

    @abstractmethod
    def begin(self, images: range) -> Start:
        """What the images with these numbers start from."""

    @abstractmethod
    def sample(self, solver: Solver | str, schedule: SamplingSchedule, start: Start) -> Array:
        """The images, one a row, in the units of the data."""

    @abstractmethod
    def features(self, images: Array) -> Array:
        """Features, float64, shape (n, d)."""

    def batch_of(self, images: range) -> Batch | None:
        """The network for the images with these numbers, and their states at the noisiest time.

        None if the network cannot be called by itself.
        """
        return None

    @property
    def state_features(self) -> Callable[[Any], Array] | None:
        """The features of clean states as the network gives them, one row for each; None if states are not images."""
        return None

    def images(self, first: int, count: int, size: int) -> Images:
        """The images from number ``first`` on, for calibration and tuning; at most ``size`` are sampled together.

        Raises:
            ArgumentError: If the network cannot be called by itself.
        """

        def batch(images: range) -> Batch:
            found = self.batch_of(range(first + images.start, first + images.stop))
            if found is None:
                raise ArgumentError("model", "a model whose network can be called by itself", self.name)
            return found

        return Images(count, batch, size)

    def teacher(self) -> Teacher | None:
        """What schedules can be measured on; None if the network cannot be called by itself."""
        found = self.batch_of(TEACHER_IMAGES)
        return None if found is None else Teacher(found.model, self.noise, found.x, prediction=self.prediction)

    def pictures(self, images: Array) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The images to look at, shape (n, height, width) or (n, height, width, 3); none if they cannot be shown."""
        if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] != 3):
            return np.empty((0, 1, 1), dtype=np.uint8)
        return np.asarray(np.clip(127.5 * (images + 1), 0, 255).round(), dtype=np.uint8)

    def check_samples(self, samples: int) -> None:
        """Refuse a number of images from which no interval can be computed.

        Raises:
            ArgumentError: If there are too few for the blocks of the bootstrap.
        """
        least = LEAST_BLOCKS * self.period
        if samples < least:
            labels = f", {self.period} labels {LEAST_BLOCKS} times each" if self.period > 1 else ""
            raise ArgumentError("samples", f"at least {least}{labels}", samples)

    def check_solver(self, solver: Solver) -> None:
        """Refuse a solver that the subject cannot be sampled with.

        Raises:
            ArgumentError: If it is not one of ``solvers``, or has other settings.
        """
        if self.solvers is None:
            return
        check_choice("solver", solver.name, self.solvers)
        if solver != make_solver(solver.name):
            raise ArgumentError("solver", f"{solver.name} with its usual settings for {self.name}", solver)


def data_of(subject: Subject, metrics: Sequence[str]) -> Callable[[], Array]:
    """The function that makes the features of the data, after a trial of the metrics that need them.

    Raises:
        ArgumentError: If at most moments of the data are known.
        MissingExtraError: If a metric's library is not installed.
    """
    if subject.data is None:
        known = "no data" if subject.moments is None else "the mean and covariance of its data only"
        raise ArgumentError("also", "data, or the option --data", f"{subject.name}, which knows {known}")
    for name in metrics:
        of = METRICS[name].of
        if of is not None:
            of(np.eye(LEAST), np.eye(LEAST))
    return subject.data


class LoopSubject(Subject):
    """A network that is called node by node in this library's own loop.

    Attributes:
        shape: Shape of one state.
        seed: Seed of the noise.
    """

    shape: tuple[int, ...]
    seed: int

    @abstractmethod
    def network(self, images: range) -> Network:
        """The network for the images with these numbers, whose labels it knows."""

    def begin(self, images: range) -> Start:
        return Start(images, self._as_input(normal(self.seed, images, self.shape)))

    def sample(self, solver: Solver | str, schedule: SamplingSchedule, start: Start) -> Array:
        first = nodes(self.noise, schedule)[0]
        x = start.noise * math.hypot(first.alpha, first.sigma)
        network = self.network(start.images)
        found = sample(make_solver(solver), network, self.noise, schedule, x, prediction=self.prediction)
        return self._as_images(found)

    def batch_of(self, images: range) -> Batch:
        return Batch(self.network(images), self.begin(images).noise * noisiest_scale(self.noise))

    @property
    def state_features(self) -> Callable[[Any], Array]:
        return lambda x: self.features(self._as_images(x))

    def _as_input(self, noise: Array) -> Any:
        """Noise as the network takes it."""
        return noise

    def _as_images(self, x: Any) -> Array:
        """Clean states as images."""
        return as_array(x)


def channels_last(images: Array) -> Array:
    """Images with their channels last, and grey ones without; other arrays unchanged.

    Example:
        >>> channels_last(np.zeros((2, 3, 8, 8))).shape, channels_last(np.zeros((2, 1, 8, 8))).shape
        ((2, 8, 8, 3), (2, 8, 8))
    """
    if images.ndim != 4:
        return images
    return images[:, 0] if images.shape[1] == 1 else np.moveaxis(images, 1, -1)


def noisiest_scale(noise: NoiseSchedule) -> float:
    r""":math:`\sqrt{\alpha^2 + \sigma^2}` at the noisiest time.

    Example:
        >>> round(noisiest_scale(NoiseSchedule.edm(sigma_max=80)), 3)
        80.006
    """
    level = noise.lambda_(noise.t_range[1])
    return math.hypot(math.exp(noise.log_alpha(level)), math.exp(noise.log_sigma(level)))


def at_guidance(noise: NoiseSchedule, scale: float) -> NoiseSchedule:
    """The same noise schedule, which knows how strongly its model is guided."""
    return noise.with_traits(dataclasses.replace(noise.traits, guidance=scale))


def refuse(name: str, settings: SubjectSettings, *arguments: str) -> None:
    """Refuse settings that a subject does not use.

    Raises:
        ArgumentError: If one of them is given.
    """
    for argument in arguments:
        if (value := getattr(settings, argument)) is not None:
            raise ArgumentError(argument, f"none for {name}, which has no use for it", str(value))


def normal(seed: int, images: range, shape: tuple[int, ...]) -> Array:
    """Standard normal noise for each image, shape (n, *shape). That of image i depends only on the seed and on i.

    Example:
        >>> bool((normal(0, range(5, 7), (3,))[0] == normal(0, range(5, 6), (3,))[0]).all())
        True
    """
    return np.stack([np.random.default_rng((seed, index)).standard_normal(shape) for index in images])
