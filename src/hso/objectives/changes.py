"""How the teacher's data changes if the network is told other levels: at any level, and for any shift."""

from __future__ import annotations

import numpy as np

from hso.models.calibration import Calibration
from hso.noise.base import Array


class Changes:
    r""":math:`h(\lambda, \delta)` of :mod:`hso.models.told`, in the coordinates of :mod:`hso.objectives.student`.

    Cubic splines in :math:`\lambda` give a and b between the levels that were recorded.

    Args:
        calibration: What was recorded. Its network was told other levels.
    """

    def __init__(self, calibration: Calibration) -> None:
        from scipy.interpolate import CubicSpline

        told = calibration.told
        assert told is not None
        rows = told.rows(calibration.recorded, len(calibration.end))
        self._parts = CubicSpline(told.lambdas, np.einsum("lkv,bvr->lkbr", rows, calibration.factors, optimize=True))

    def __call__(self, lambdas: Array, shifts: Array) -> Array:
        """h, shape (..., bands, r)."""
        parts, shifts = self._parts(lambdas), _wide(shifts)
        return np.asarray(shifts * parts[..., 0, :, :] + shifts**2 * parts[..., 1, :, :])

    def slopes(self, lambdas: Array, shifts: Array) -> tuple[Array, Array]:
        """dh / d lambda and dh / d delta, each of shape (..., bands, r)."""
        parts, moved, shifts = self._parts(lambdas), self._parts(lambdas, 1), _wide(shifts)
        by_level = shifts * moved[..., 0, :, :] + shifts**2 * moved[..., 1, :, :]
        return np.asarray(by_level), np.asarray(parts[..., 0, :, :] + 2 * shifts * parts[..., 1, :, :])


def _wide(shifts: Array) -> Array:
    return np.asarray(shifts)[..., None, None]
