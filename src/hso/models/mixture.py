r"""Gaussian mixtures: the simplest data with several modes.

With data :math:`x_0 \sim \sum_k w_k \mathcal{N}(\mu_k, C_k)` and :math:`S_k = \alpha^2 C_k + \sigma^2 I`, the noisy sample
has a mixture distribution too. The posterior probability of component k is

.. math::
    r_k(x) \propto w_k \mathcal{N}(x; \alpha \mu_k, S_k),

and the perfect network is the mean of the components' networks, which are linear:

.. math::
    E[x_0 \mid x] = \sum_k r_k \left( \mu_k + \alpha C_k S_k^{-1} (x - \alpha \mu_k) \right), \qquad
    E[\epsilon \mid x] = \sigma \sum_k r_k S_k^{-1} (x - \alpha \mu_k)

In the eigenbasis of :math:`C_k`, :math:`S_k` is diagonal at every noise level. The mean m of the data is
:math:`\sum_k w_k \mu_k`, and the covariance is :math:`\sum_k w_k (C_k + \mu_k \mu_k^T) - m m^T`. The ODE has no closed
form in more than one dimension, so it is integrated. (In one dimension it keeps quantiles.)

References:
    | From Learning Models of Natural Image Patches to Whole Image Restoration (Zoran and Weiss, 2011)
    | https://doi.org/10.1109/ICCV.2011.6126278
    | Classifier-Free Diffusion Guidance (Ho and Salimans, 2022), Eq. 6
    | https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax

from hso.errors import ArgumentError, MissingExtraError, check_integer, check_real
from hso.models.empirical import EmpiricalModel
from hso.models.exact import Denoiser, ExactModel, HasScales, in_blocks
from hso.noise.base import Array


class GaussianMixture(ExactModel):
    r"""The exact network of a mixture of K Gaussians in D dimensions, in float64.

    Args:
        weights: :math:`w_k`, shape (K,), above 0; scaled to sum to 1.
        means: :math:`\mu_k`, shape (K, D).
        covariances: :math:`C_k`, positive definite: variances of shape (K,) or (K, D), or matrices of shape (K, D, D).

    Raises:
        ArgumentError: If shapes do not fit, or a weight or a covariance is not positive.

    Example:
        >>> from hso.models.exact import Scales
        >>> model = GaussianMixture([1, 1], [[-1.0], [1.0]], [0.01, 0.01])
        >>> model.x0(np.array([[0.0], [2.0]]), Scales(alpha=1.0, sigma=1.0)).round(2).tolist()
        [[0.0], [0.97]]
    """

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> None:
        self.means = _finite("means", means, 2)
        self.weights = _finite("weights", weights, 1)
        if self.weights.shape != self.means.shape[:1] or not np.all(self.weights > 0):
            raise ArgumentError("weights", f"{len(self.means)} values above 0, one for each mean", weights)
        self.weights /= self.weights.sum()
        self.covariances = _matrices(covariances, *self.means.shape)
        self._eigenvalues, bases = np.linalg.eigh(self.covariances)
        if not np.all(self._eigenvalues > 0):
            raise ArgumentError("covariances", "positive definite ones", f"an eigenvalue {self._eigenvalues.min():.3g}")
        # All bases are in one matrix, so one matrix product rotates x into each of them.
        self._bases = np.ascontiguousarray(bases.transpose(1, 0, 2).reshape(self.means.shape[1], -1))
        self._centers = np.einsum("kde,kd->ke", bases, self.means)

    @classmethod
    def fit(cls, data: ArrayLike, components: int, seed: int = 0) -> GaussianMixture:
        """The mixture of full Gaussians that scikit-learn's expectation maximization finds for the data, shape (M, D).

        It stops after 50 rounds. Later rounds change little, and the network is exact for every mixture.

        Raises:
            MissingExtraError: If scikit-learn is not installed.
        """
        try:
            from sklearn.exceptions import ConvergenceWarning
            from sklearn.mixture import GaussianMixture as Fit
        except ImportError as error:
            raise MissingExtraError("scikit-learn", extra="compare") from error

        rows = _finite("data", data, 2)
        check_integer("components", components, 1, len(rows))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = Fit(components, reg_covar=1e-4, max_iter=50, random_state=seed).fit(rows)
        return cls(found.weights_, found.means_, found.covariances_)

    def given(self, components: Sequence[int]) -> GaussianMixture:
        """The mixture of some of the components, by index: the data of a class."""
        chosen = list(components)
        return GaussianMixture(self.weights[chosen], self.means[chosen], self.covariances[chosen])

    def x0(self, x: Any, level: HasScales) -> Array:
        def of(rows: Array) -> Array:
            shares, offsets = self._posterior(rows, level)
            return shares @ self.means + level.alpha * self._back(shares, self._eigenvalues * offsets)

        return self._on_rows(of, x)

    def eps(self, x: Any, level: HasScales) -> Array:
        def of(rows: Array) -> Array:
            return level.sigma * self._back(*self._posterior(rows, level))

        return self._on_rows(of, x)

    def moments(self) -> tuple[Array, Array]:
        mean = self.weights @ self.means
        centered = self.means - mean
        within = np.einsum("k,kde->de", self.weights, self.covariances)
        return mean, within + (self.weights[:, None] * centered).T @ centered

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        component = rng.choice(len(self.weights), size=count, p=self.weights)
        roots = np.linalg.cholesky(self.covariances)
        normal = rng.standard_normal((count, self.means.shape[1]))
        data = self.means[component]
        for k, root in enumerate(roots):
            data[component == k] += normal[component == k] @ root.T
        return data

    def _on_rows(self, function: Any, x: Any) -> Array:
        return in_blocks(function, x, self.means.shape[1], self.means.size)

    def _posterior(self, rows: Array, level: HasScales) -> tuple[Array, Array]:
        """Posterior probabilities, shape (B, K), and S^-1 (x - alpha mu) in the eigenbases, shape (B, K, D)."""
        spread = level.alpha**2 * self._eigenvalues + level.sigma**2
        residual = (rows @ self._bases).reshape(len(rows), *self.means.shape) - level.alpha * self._centers
        offsets = residual / spread
        energy = np.sum(residual * offsets, axis=2) + np.log(spread).sum(axis=1)
        return softmax(np.log(self.weights) - energy / 2, axis=1), offsets

    def _back(self, shares: Array, offsets: Array) -> Array:
        """The mean over components of vectors given in their eigenbases."""
        return (shares[:, :, None] * offsets).reshape(len(shares), -1) @ self._bases.T


@dataclass(frozen=True, eq=False)
class Guided(Denoiser):
    r"""Classifier-free guidance: :math:`\epsilon = \epsilon_u + w (\epsilon_c - \epsilon_u)`, and likewise the data.

    There is no data distribution for which this network is perfect, but its ODE can be solved.

    Attributes:
        conditional: The network of the class.
        unconditional: The network of all data.
        guidance: w; 1 is the conditional network.

    Raises:
        ArgumentError: If a network is an ``EmpiricalModel``. With guidance its ODE has no limit at the clean sample.

    Example:
        >>> from hso.models.exact import Scales
        >>> everything = GaussianMixture([1, 1], [[-1.0], [1.0]], [0.01, 0.01])
        >>> Guided(everything.given([1]), everything, 3.0).x0(np.array([[0.0]]), Scales(1.0, 1.0)).round(2).tolist()
        [[2.97]]
    """

    conditional: Denoiser
    unconditional: Denoiser
    guidance: float

    def __post_init__(self) -> None:
        check_real("guidance", self.guidance, 0.0)
        for name in ("conditional", "unconditional"):
            if isinstance(getattr(self, name), EmpiricalModel):
                raise ArgumentError(name, "a model of data with a density", "EmpiricalModel")

    @property
    def scale(self) -> float:
        return self.conditional.scale

    def x0(self, x: Any, level: HasScales) -> Any:
        without = self.unconditional.x0(x, level)
        return without + self.guidance * (self.conditional.x0(x, level) - without)

    def eps(self, x: Any, level: HasScales) -> Any:
        without = self.unconditional.eps(x, level)
        return without + self.guidance * (self.conditional.eps(x, level) - without)


def _finite(name: str, values: ArrayLike, dimensions: int) -> Array:
    array = np.array(values, dtype=np.float64)
    if array.ndim != dimensions or array.size == 0 or not np.all(np.isfinite(array)):
        raise ArgumentError(name, f"finite numbers along {dimensions} axes", f"shape {array.shape}")
    return array


def _matrices(covariances: ArrayLike, count: int, dimension: int) -> Array:
    array = np.array(covariances, dtype=np.float64)
    if array.shape == (count,):
        array = np.repeat(array[:, None], dimension, axis=1)
    if array.shape == (count, dimension):
        array = array[:, :, None] * np.eye(dimension)
    if array.shape != (count, dimension, dimension) or not np.all(np.isfinite(array)):
        expected = f"finite values of shape ({count},), ({count}, {dimension}) or ({count}, {dimension}, {dimension})"
        raise ArgumentError("covariances", expected, f"shape {array.shape}")
    return (array + array.swapaxes(1, 2)) / 2
