r"""The Frechet distance between two normal distributions, and its derivative.

.. math::
    d^2 = |\mu_a - \mu_b|^2 + \operatorname{tr}(\Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2})

With factors :math:`\Sigma = F^T F`, the trace of the last root is the sum of the singular values of
:math:`F_a F_b^T = U S V^T`. The usual form takes roots of the eigenvalues of a product. There a rounding of size e becomes
an error of size sqrt(e), and roots can be complex. Singular values have neither problem. An eigenvalue of a covariance
that is not larger than its rounding counts as 0, so singular covariances do no harm. The derivative is

.. math::
    \mathrm{d}(d^2) = 2 (\mu_a - \mu_b)^T \mathrm{d}\mu_a + \operatorname{tr}((I - T_{ab})\, \mathrm{d}\Sigma_a),
    \qquad T_{ab} = K^T K, \quad K = S^{-1/2} V^T F_b

where :math:`T_{ab}` is the linear map that transports a to b at the least cost, restricted to the directions in which a
varies.

References:
    | The Frechet Distance between Multivariate Normal Distributions (Dowson and Landau, 1982)
    | https://doi.org/10.1016/0047-259X(82)90077-X
    | GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017), Eq. 6
    | https://arxiv.org/abs/1706.08500
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hso.errors import ArgumentError
from hso.noise.base import Array

# Asymmetry and negative eigenvalues up to this, relative to the largest entry, are rounding.
ROUNDING = 1e-6
PRECISION = float(np.finfo(np.float64).eps)


class Normal(NamedTuple):
    r"""A normal distribution by its mean, shape (D,), and a factor F of its covariance :math:`F^T F`, shape (r, D)."""

    mean: Array
    factor: Array

    @classmethod
    def of(cls, mean: Array, covariance: Array) -> Normal:
        """The distribution with this mean and this covariance, which are not checked."""
        eigenvalues, vectors = np.linalg.eigh(covariance)
        # A zero eigenvalue has a rounding error of 1e-16, and its root would have an error of 1e-8.
        kept = np.where(eigenvalues > len(mean) * PRECISION * eigenvalues[-1], eigenvalues, 0.0)
        return cls(mean, np.sqrt(kept)[:, None] * vectors.T)

    def distance(self, other: Normal) -> float:
        """The squared distance."""
        return self._squared(other, np.linalg.svd(self.factor @ other.factor.T, compute_uv=False))

    def linearized(self, other: Normal) -> tuple[float, Array, Array]:
        """The squared distance, K of the map to ``other``, shape (r, D), and K of the map from ``other``."""
        left, values, right = np.linalg.svd(self.factor @ other.factor.T, full_matrices=False)
        kept = values > values.max(initial=0.0) * max(self.factor.shape) * PRECISION
        scale = 1 / np.sqrt(values[kept, None])
        there, back = scale * (right[kept] @ other.factor), scale * (left.T[kept] @ self.factor)
        return self._squared(other, values), there, back

    def _squared(self, other: Normal, values: Array) -> float:
        # The trace of a covariance is the squared norm of its factor.
        spread = np.sum(self.factor**2) + np.sum(other.factor**2) - 2 * values.sum()
        return max(0.0, float(np.sum((self.mean - other.mean) ** 2) + spread))


def frechet_distance(mean_a: ArrayLike, cov_a: ArrayLike, mean_b: ArrayLike, cov_b: ArrayLike) -> float:
    """The *squared* distance. It is called FID if the normal distributions are fitted to Inception features.

    Args:
        mean_a: Mean of the first normal, shape (D,).
        cov_a: Its covariance, shape (D, D), symmetric and positive semidefinite.
        mean_b: Mean of the second, shape (D,).
        cov_b: Its covariance, shape (D, D).

    Returns:
        The squared distance, at least 0, in float64. Its unit is that of the features, squared.

    Raises:
        ArgumentError: If shapes do not fit, values are not finite, or a matrix is no covariance.

    Example:
        >>> round(frechet_distance([0.0], [[1.0]], [3.0], [[4.0]]), 12)
        10.0
    """
    first, second = _vector("mean_a", mean_a), _vector("mean_b", mean_b)
    if first.shape != second.shape:
        raise ArgumentError("mean_b", f"{len(first)} values, as many as mean_a", f"{len(second)} values")
    a = Normal.of(first, _covariance("cov_a", cov_a, len(first)))
    return a.distance(Normal.of(second, _covariance("cov_b", cov_b, len(first))))


def _vector(name: str, values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0 or not np.all(np.isfinite(array)):
        raise ArgumentError(name, "a vector of finite numbers", f"shape {array.shape}")
    return array


def _covariance(name: str, values: ArrayLike, size: int) -> Array:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.shape != (size, size) or not np.all(np.isfinite(matrix)):
        raise ArgumentError(name, f"a {size} by {size} matrix of finite numbers", f"shape {matrix.shape}")
    tolerance = ROUNDING * np.abs(matrix).max()
    if np.abs(matrix - matrix.T).max() > tolerance:
        raise ArgumentError(name, "a symmetric matrix", "one that is not symmetric")
    symmetric = (matrix + matrix.T) / 2
    least = float(np.linalg.eigvalsh(symmetric)[0])
    if least < -tolerance:
        raise ArgumentError(name, "a positive semidefinite matrix", f"one with the eigenvalue {least:.3g}")
    return symmetric
