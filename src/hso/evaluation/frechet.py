r"""The Frechet distance between two normal distributions.

.. math::
    d^2 = |\mu_a - \mu_b|^2 + \operatorname{tr}(\Sigma_a + \Sigma_b - 2 (\Sigma_a \Sigma_b)^{1/2})

The trace of the last root is the sum of the singular values of :math:`\Sigma_a^{1/2} \Sigma_b^{1/2}`. In this form no
root is taken of a product's eigenvalues, where rounding of size e becomes an error of size sqrt(e), and none comes out
complex. Eigenvalues of a covariance that rounding cannot tell from 0 count as 0, so that singular ones do no harm.

References:
    | The Frechet Distance between Multivariate Normal Distributions (Dowson and Landau, 1982)
    | https://doi.org/10.1016/0047-259X(82)90077-X
    | GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017), Eq. 6
    | https://arxiv.org/abs/1706.08500
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hso.errors import ArgumentError
from hso.noise.base import Array

# Asymmetry and negative eigenvalues up to this, relative to the largest entry, are rounding.
ROUNDING = 1e-6


def frechet_distance(mean_a: ArrayLike, cov_a: ArrayLike, mean_b: ArrayLike, cov_b: ArrayLike) -> float:
    """The *squared* distance, which is what is reported as FID when the normals are fitted to Inception features.

    Args:
        mean_a: Mean of the first normal, shape (D,).
        cov_a: Its covariance, shape (D, D), symmetric and positive semidefinite.
        mean_b: Mean of the second, shape (D,).
        cov_b: Its covariance, shape (D, D).

    Returns:
        The squared distance, at least 0, computed in float64; unit: that of the features, squared.

    Raises:
        ArgumentError: If shapes do not fit, values are not finite, or a covariance is none.

    Example:
        >>> frechet_distance([0.0], [[1.0]], [3.0], [[4.0]])
        10.0
    """
    first, second = _vector("mean_a", mean_a), _vector("mean_b", mean_b)
    if first.shape != second.shape:
        raise ArgumentError("mean_b", f"{len(first)} values, as many as mean_a", f"{len(second)} values")
    root_a = _root("cov_a", cov_a, len(first))
    root_b = _root("cov_b", cov_b, len(first))
    overlap = np.linalg.svd(root_a @ root_b, compute_uv=False).sum()
    # The trace of a covariance is the squared norm of its root.
    spread = np.sum(root_a**2) + np.sum(root_b**2) - 2 * overlap
    return max(0.0, float(np.sum((first - second) ** 2) + spread))


def _vector(name: str, values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0 or not np.all(np.isfinite(array)):
        raise ArgumentError(name, "a vector of finite numbers", f"shape {array.shape}")
    return array


def _root(name: str, values: ArrayLike, size: int) -> Array:
    """The symmetric square root of a covariance."""
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.shape != (size, size) or not np.all(np.isfinite(matrix)):
        raise ArgumentError(name, f"a {size} by {size} matrix of finite numbers", f"shape {matrix.shape}")
    tolerance = ROUNDING * np.abs(matrix).max()
    if np.abs(matrix - matrix.T).max() > tolerance:
        raise ArgumentError(name, "a symmetric matrix", "one that is not")
    eigenvalues, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if eigenvalues[0] < -tolerance:
        raise ArgumentError(name, "a positive semidefinite matrix", f"one with the eigenvalue {eigenvalues[0]:.3g}")
    # The root would turn rounding of a zero eigenvalue, 1e-16, into 1e-8.
    eigenvalues[eigenvalues < size * np.finfo(np.float64).eps * eigenvalues[-1]] = 0
    return np.asarray((vectors * np.sqrt(eigenvalues)) @ vectors.T)
