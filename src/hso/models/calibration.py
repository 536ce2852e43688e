r"""A calibration: one measurement of a model, so that schedules can be judged without the model.

It holds, for each band, the Gram matrix of the vectors u that :mod:`hso.models.recording` defines. For a combination
:math:`e = \sum_i c_i u_i`, the mean of :math:`|e|^2` over images is :math:`c^T G c`, and the squared length of the mean
of e over images is :math:`c^T \bar G c`. The size of the matrices depends only on the number of points and bands, not
on the size of the images.

One gain for each band and noise level describes how the network answers to a change of its input,
:math:`D(z + \delta) \approx D(z) + g_b(\lambda) \delta`:

- the *prior* gain is that of the Wiener filter, :math:`P_b / (P_b + \tilde\sigma^2)`, where :math:`P_b` is the variance of
  a coefficient at the teacher's end. It is exact for Gaussian data.
- the *measured* gain of a trial is :math:`\langle \Delta D, \delta \rangle / \langle \delta, \delta \rangle`.

A gain does not explain the whole answer. In trained networks, and especially with guidance, the unexplained part is
most of the answer at strong noise. For a :math:`\delta` of length 1 in all bands together, its mean square in band b is

.. math::
    \rho_b = \frac{\langle \Delta D - g_b \delta, \Delta D - g_b \delta \rangle_b}{\sum_{b'} \langle \delta, \delta
    \rangle_{b'}}

References:
    | Extrapolation, Interpolation, and Smoothing of Stationary Time Series (Wiener, 1949)
    | The Unreasonable Effectiveness of Gaussian Score Approximation for Diffusion Models (Wang and Vastola, 2024)
    | https://arxiv.org/abs/2412.09726
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from hso.errors import ArgumentError, FileError
from hso.models.bands import Bands
from hso.models.recording import GROUPS, Plan, Sums, Trials, data_rows, start_rows
from hso.models.splines import Splines
from hso.models.told import ToldLevels
from hso.noise import NoiseSchedule
from hso.noise.base import MOST_LAMBDA, Array

# If the teacher's own error, relative to the spread of the images, is larger than this, it is no reference for
# students.
CONVERGED = 0.02
# Replay is not reliable if its predicted errors of students are wrong by more than this factor, in either direction.
AGREED = 2.0
# Eigenvalues of a Gram matrix that are smaller than this, relative to the largest one, are rounding errors.
NOTHING = 1e-15
LEAST_IMAGES = 8
# Sums of products may be larger than the sums of squares allow by this much, because both are rounded.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    r"""The measurement of a model on a noise schedule. :func:`hso.calibrate` or :meth:`load` makes one.

    Attributes:
        noise_name: Name of the noise schedule.
        noise_fingerprint: Fingerprint of the noise schedule.
        shape: Shape of one image.
        images: Number of images that were recorded.
        bands: The map to coefficients, and its groups.
        lambdas: :math:`\lambda` of the M points, shape (M,), increasing.
        states: Coefficients in u of :math:`z_0, \dots, z_{M-1}` and of the end, shape (M + 1, V).
        grams: Mean Gram matrices of u over images, shape (bands, V, V).
        mean_grams: Gram matrices of the means of u over images, shape (bands, V, V).
        left_out: ``grams`` without each group of images, shape (groups, bands, V, V), float32.
        left_out_means: ``mean_grams`` without each group of images, shape (groups, bands, V, V), float32.
        start_lambdas: :math:`\lambda` of the noisiest level and of the starts, shape (1 + P,), increasing.
        trial_lambdas: :math:`\lambda` of the nodes of trials, shape (P,).
        trials: The results of the trials, as means over images.
        calls: Network calls that the calibration cost, over all images. A call for B images counts as B calls.
        convergence: Estimated error of the teacher's own end, relative to the spread of the images.
        agreement: The trials' error that replay predicts, divided by their real error; geometric mean over trials.
        guidance: Strength of classifier-free guidance, if it is known.
        told: Where the network was told other noise levels than those of its states; None if it was not.
        provenance: How the calibration was made.
    """

    noise_name: str
    noise_fingerprint: str
    shape: tuple[int, ...]
    images: int
    bands: Bands
    lambdas: Array
    states: Array
    grams: Array
    mean_grams: Array
    left_out: Array
    left_out_means: Array
    start_lambdas: Array
    trial_lambdas: Array
    trials: Trials
    calls: int
    convergence: float = 0.0
    agreement: float = 1.0
    guidance: float | None = None
    told: ToldLevels | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check()
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))

    def _check(self) -> None:
        for name in ("lambdas", "start_lambdas", "trial_lambdas"):
            values = getattr(self, name)
            if np.ndim(values) != 1 or len(values) == 0 or not np.abs(values).max() <= MOST_LAMBDA:
                raise ArgumentError(name, f"a vector of values within {MOST_LAMBDA:g} of 0", values)
        points, count = len(self.lambdas), len(self.bands.sizes)
        vectors, trials = self.recorded + (self.told.count if self.told else 0), (len(self.trial_lambdas), count)
        square = (count, vectors, vectors)
        groups = (*np.shape(self.left_out)[:1], *square)
        shapes = {"states": (points + 1, vectors), "grams": square, "mean_grams": square, "left_out": groups}
        shapes |= {"left_out_means": groups, "cross": trials, "lengths": trials, "answers": trials}
        shapes["errors"] = (*np.shape(self.trials.errors)[:1], count)
        arrays = {**vars(self), **self.trials._asdict()}
        for name, shape in shapes.items():
            values = arrays[name]
            if values.shape != shape or not np.all(np.isfinite(values)):
                raise ArgumentError(name, f"finite numbers of shape {shape}", f"shape {values.shape}, or nan or inf")
        if not (points >= 4 and np.all(np.diff(self.lambdas) > 0)):
            raise ArgumentError("lambdas", "at least 4 strictly increasing values", self.lambdas)
        if not (len(self.start_lambdas) >= 2 and np.all(np.diff(self.start_lambdas) > 0)):
            raise ArgumentError("start_lambdas", "at least 2 strictly increasing values", self.start_lambdas)
        self._check_moments()
        if self.images < 2:
            raise ArgumentError("images", "at least 2, to have a spread", self.images)
        coefficients = math.prod(self.shape)
        if int(self.bands.sizes.sum()) != coefficients:
            raise ArgumentError(
                "bands", f"{coefficients} coefficients, as many as numbers of an image", self.bands.sizes
            )

    def _check_moments(self) -> None:
        """Refuse sums of squares and of products that no images have."""
        cross, lengths, answers, errors = self.trials
        squares = {"lengths": lengths, "answers": answers, "errors": errors}
        squares |= {name: np.diagonal(getattr(self, name), axis1=-2, axis2=-1) for name in ("grams", "mean_grams")}
        for name, values in squares.items():
            if np.any(values < 0):
                raise ArgumentError(name, "sums of squares", f"a negative one, {values.min():g}")
        # The inequality of Cauchy and Schwarz.
        if np.any(np.abs(cross) > (1 + ROUNDING) * np.sqrt(lengths) * np.sqrt(answers)):
            raise ArgumentError("cross", "products no larger than lengths and answers allow", "larger ones")
        if not np.all(self.grams[:, 0, 0] > 0):
            raise ArgumentError("grams", "noise with a positive variance in each band", "bands without")
        if not self.powers.sum() > 0:
            raise ArgumentError("states", "ends that differ from image to image", "ends without a spread")

    @property
    def recorded(self) -> int:
        """Number of vectors u without those of told levels."""
        return len(self.lambdas) + len(self.start_lambdas)

    @cached_property
    def data(self) -> Array:
        """Coefficients in u of the data at the points, shape (M, V)."""
        return data_rows(len(self.lambdas), len(self.end))

    @cached_property
    def splines(self) -> Splines:
        """The teacher's data and states between its points."""
        return Splines(self.lambdas, self.data, self.states[:-1])

    @cached_property
    def starts(self) -> Splines:
        """The network's data for unit noise between ``start_lambdas``, as coefficients in u."""
        rows = start_rows(len(self.lambdas), len(self.end))
        return Splines(self.start_lambdas, rows, np.zeros_like(rows))

    @cached_property
    def factors(self) -> Array:
        """F of the Gram matrices F F^T, without directions that are only rounding errors, shape (bands, V, r)."""
        values, vectors = np.linalg.eigh(self.grams)
        kept = int((values > NOTHING * values[:, -1:]).sum(axis=1).max())
        return np.asarray(vectors[..., -kept:] * np.sqrt(np.maximum(values[:, None, -kept:], 0.0)))

    @property
    def end(self) -> Array:
        """Coefficients in u of the clean end, shape (V,)."""
        return np.asarray(self.states[-1])

    @cached_property
    def powers(self) -> Array:
        """Variance of the teacher's ends over images, summed over the coefficients of each band, shape (bands,)."""
        return np.asarray(self.end @ (self.grams - self.mean_grams) @ self.end)

    @cached_property
    def variances(self) -> Array:
        r""":math:`P_b`, the variance of one coefficient of each band, shape (bands,)."""
        return self.powers / self.bands.sizes * (self.images / (self.images - 1))

    @property
    def caution(self) -> str:
        """A warning if the calibration is not reliable; empty if it is."""
        said = []
        if self.convergence > CONVERGED:
            said.append(
                f"the teacher of {len(self.lambdas)} points has not converged: its own error is about "
                f"{self.convergence:.1%} of the spread of the images; use more points"
            )
        if not 1 / AGREED <= self.agreement <= AGREED:
            said.append(
                f"predicted errors of students are {self.agreement:.2g} times their real errors: "
                "judge schedules by real runs (hso.tune)"
            )
        return "; ".join(said)

    def check_noise(self, noise: NoiseSchedule) -> None:
        """Check that this is the noise schedule of the calibration.

        Raises:
            ArgumentError: If it is another one.
        """
        if noise.fingerprint != self.noise_fingerprint:
            expected = f"a calibration made for {noise.name}"
            raise ArgumentError("calibration", expected, f"one made for {self.noise_name}", "fingerprints differ")

    def save(self, path: str | Path) -> None:
        """Write one file of numbers, without code. The file is complete, or it does not exist.

        Raises:
            FileError: If the file cannot be written.
        """
        from hso.models.calibration_file import write

        write({field.name: getattr(self, field.name) for field in fields(self)}, path)

    @staticmethod
    def load(path: str | Path) -> Calibration:
        """Read a file that :meth:`save` wrote.

        Raises:
            FileError: If the file is missing, malformed or of another version; the error names the field.
        """
        from hso.models.calibration_file import read

        facts = read(path)
        try:
            return Calibration(**facts)
        except ArgumentError as error:
            raise FileError(path, str(error)) from None

    def __repr__(self) -> str:
        parts = f"{self.images} images of shape {self.shape}, {len(self.lambdas)} points, {len(self.grams)} bands"
        return f"Calibration(noise={self.noise_name!r}, {parts})"


def from_sums(plan: Plan, bands: Bands, sums: Sums, shape: tuple[int, ...], **facts: Any) -> Calibration:
    """The calibration from sums over images; ``facts`` are further attributes.

    Raises:
        ArgumentError: If there are too few images.
    """
    images = int(sums.counts.sum())
    if images < LEAST_IMAGES:
        raise ArgumentError("x", f"at least {LEAST_IMAGES} images", images, "a spread over images is measured")
    total, mean = sums.grams.sum(axis=0), sums.means.sum(axis=0)
    filled = [group for group in range(GROUPS) if sums.counts[group]]
    rest = images - sums.counts
    left_out = [(total - sums.grams[group]) / rest[group] for group in filled]
    left_out_means = [_gram((mean - sums.means[group]) / rest[group], bands) for group in filled]
    return Calibration(
        noise_name=plan.noise.name,
        noise_fingerprint=plan.noise.fingerprint,
        shape=shape,
        images=images,
        bands=bands,
        lambdas=plan.schedule.lambdas,
        states=plan.states,
        grams=total / images,
        mean_grams=_gram(mean / images, bands),
        left_out=np.array(left_out, dtype=np.float32),
        left_out_means=np.array(left_out_means, dtype=np.float32),
        start_lambdas=plan.starts.lambdas,
        trial_lambdas=plan.trial_lambdas,
        trials=Trials(*(total / images for total in sums.trials)),
        calls=images * plan.calls,
        told=plan.told,
        **facts,
    )


def _gram(vectors: Array, bands: Bands) -> Array:
    """Gram matrices of vectors (V, F) in each band."""
    return np.stack([vectors[:, places] @ vectors[:, places].T for places in bands.slices])
