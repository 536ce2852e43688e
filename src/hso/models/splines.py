"""A recorded teacher between its points."""

from __future__ import annotations

import numpy as np

from hso.noise.base import Array


class Splines:
    r"""The teacher's data and states between its points.

    Cubic splines give the data as a function of :math:`\lambda` and the states as a function of :math:`\tilde\sigma`.
    With constant data, the state is a straight line in :math:`\tilde\sigma`.

    Args:
        lambdas: :math:`\lambda` of the points, shape (M,).
        data: D at the points, shape (M, ...), as coefficients in u or as anything that is linear in them.
        states: z at the points, in the same form.
    """

    def __init__(self, lambdas: Array, data: Array, states: Array) -> None:
        from scipy.interpolate import CubicSpline

        self._points = lambdas, data, states
        self._data = CubicSpline(lambdas, data)
        self._states = CubicSpline(np.exp(-lambdas[::-1]), states[::-1])

    def turned(self, matrices: Array) -> Splines:
        """These splines with each row of coefficients multiplied by matrices (bands, V, r), to rows of (bands, r)."""
        lambdas, *rows = self._points
        return Splines(lambdas, *(np.einsum("mv,bvr->mbr", values, matrices, optimize=True) for values in rows))

    def data(self, lambdas: Array) -> Array:
        r""":math:`D^*` at any noise levels, shape (..., ...)."""
        return np.asarray(self._data(lambdas))

    def states(self, lambdas: Array) -> Array:
        r""":math:`z^*` at any noise levels, shape (..., ...)."""
        return np.asarray(self._states(np.exp(-lambdas)))

    def data_slopes(self, lambdas: Array) -> Array:
        """The derivative of :meth:`data` with respect to lambda."""
        return np.asarray(self._data(lambdas, 1))

    def state_slopes(self, lambdas: Array) -> Array:
        """The derivative of :meth:`states` with respect to lambda."""
        sigmas = np.exp(-lambdas)
        slopes = self._states(sigmas, 1)
        return np.asarray(-sigmas.reshape(*sigmas.shape, *(1,) * (slopes.ndim - sigmas.ndim)) * slopes)
