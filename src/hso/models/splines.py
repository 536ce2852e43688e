"""A recorded teacher between its points."""

from __future__ import annotations

import numpy as np

from hso.noise.base import Array


class Splines:
    r"""The teacher between its points.

    They are cubic splines, of the data in :math:`\lambda`, and of the states in :math:`\tilde\sigma`, where the state is a
    straight line if the data is constant.

    Args:
        lambdas: :math:`\lambda` of the points, shape (M,).
        data: D at the points, shape (M, ...): coefficients in u, or anything that is linear in them.
        states: z at the points, likewise.
    """

    def __init__(self, lambdas: Array, data: Array, states: Array) -> None:
        from scipy.interpolate import CubicSpline

        self._points = lambdas, data, states
        self._data = CubicSpline(lambdas, data)
        self._states = CubicSpline(np.exp(-lambdas[::-1]), states[::-1])

    def turned(self, matrices: Array) -> Splines:
        """The same with each row of coefficients multiplied by matrices (bands, V, r); rows are then (bands, r)."""
        lambdas, *rows = self._points
        return Splines(lambdas, *(np.einsum("mv,bvr->mbr", values, matrices, optimize=True) for values in rows))

    def data(self, lambdas: Array) -> Array:
        r""":math:`D^*` at any noise levels, shape (..., ...)."""
        return np.asarray(self._data(lambdas))

    def states(self, lambdas: Array) -> Array:
        r""":math:`z^*` at any noise levels, likewise."""
        return np.asarray(self._states(np.exp(-lambdas)))

    def data_slopes(self, lambdas: Array) -> Array:
        """The derivative of :meth:`data` in lambda."""
        return np.asarray(self._data(lambdas, 1))

    def state_slopes(self, lambdas: Array) -> Array:
        """The derivative of :meth:`states` in lambda."""
        sigmas = np.exp(-lambdas)
        slopes = self._states(sigmas, 1)
        return np.asarray(-sigmas.reshape(*sigmas.shape, *(1,) * (slopes.ndim - sigmas.ndim)) * slopes)
