"""Subjects whose network is exact and whose data have known moments, so that all error is the schedule's or the solver's.

All are judged in pixels, and have Stable Diffusion's noise schedule, for which most tables were published.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import idctn

from hso.comparison.subjects.base import LoopSubject, SubjectSettings, refuse
from hso.errors import ArgumentError
from hso.models.bundled import Moments
from hso.models.datasets import handwritten_digits, image_patches
from hso.models.empirical import EmpiricalModel
from hso.models.exact import ExactModel
from hso.models.gaussian import GaussianModel
from hso.models.mixture import GaussianMixture
from hso.models.teacher import Network
from hso.noise import NoiseSchedule, Traits
from hso.noise.base import Array

NOISE = "sd1.5"
SIZE, COMPONENTS, PATCHES = 8, 10, 5000
# Number of data that are drawn where their features are needed.
DRAWN = 5000


class ExactSubject(LoopSubject):
    """An exact-score model.

    Args:
        name: The name in reports.
        model: The network.
        settings: The seed of the noise; guidance must be 1.

    Raises:
        ArgumentError: If guidance, features of another kind, data, captions or another device are asked for.
    """

    prediction = "sample"

    def __init__(self, name: str, model: ExactModel, settings: SubjectSettings) -> None:
        if settings.guidance != 1:
            raise ArgumentError("guidance", f"1 for {name}, which has no labels", settings.guidance)
        if settings.features not in (None, "pixels"):
            raise ArgumentError("features", f"pixels for {name}", settings.features)
        if settings.device != "cpu":
            raise ArgumentError("device", f"cpu for {name}, which needs no more", settings.device)
        refuse(name, settings, "data", "captions")
        self.name, self.model, self.seed = name, model, settings.seed
        self.noise = NoiseSchedule.preset(NOISE).with_traits(Traits("pixel", settings.guidance))
        mean, covariance = model.moments()
        self.moments = Moments(mean.astype(np.float64), covariance.astype(np.float64))
        self.shape = self.moments.mean.shape
        self.data = self._drawn

    def network(self, images: range) -> Network:
        return self.model.x0

    def features(self, images: Array) -> Array:
        return images

    def _drawn(self) -> Array:
        """Data from the model's own distribution; all data of an empirical model."""
        if isinstance(self.model, EmpiricalModel):
            return self.model.data
        return self.model.sample(DRAWN, np.random.default_rng(self.seed))

    def pictures(self, images: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        side = math.isqrt(images.shape[1])
        return super().pictures(images.reshape(-1, side, side))


class PowerLawGaussian(ExactSubject):
    """Gaussian images with a power-law spectrum, in the basis of their cosine transform."""

    def __init__(self, settings: SubjectSettings) -> None:
        super().__init__("gaussian", GaussianModel.power_law(SIZE), settings)

    def pictures(self, images: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        waves = images.reshape(-1, SIZE, SIZE)
        return super().pictures(idctn(waves, axes=(1, 2), norm="ortho").reshape(len(images), -1))


def gaussian(settings: SubjectSettings) -> ExactSubject:
    """Gaussian images, 8 by 8, whose spectrum falls with the square of the frequency."""
    return PowerLawGaussian(settings)


def mixture(settings: SubjectSettings) -> ExactSubject:
    """A mixture of ten Gaussians fitted to patches, 8 by 8, of two photographs."""
    return ExactSubject("mixture", GaussianMixture.fit(image_patches(SIZE, PATCHES), COMPONENTS), settings)


def digits_empirical(settings: SubjectSettings) -> ExactSubject:
    """The 1797 handwritten digits themselves, 8 by 8: a perfect network of this training set."""
    return ExactSubject("digits-empirical", EmpiricalModel(handwritten_digits()[0]), settings)
