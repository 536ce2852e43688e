r"""The linearized student: any solver, run on what a teacher run recorded, without the network.

To first order in the difference between the student's state and the teacher's, the network answers, in each band b and with
:math:`z = x / \alpha`,

.. math::
    D(z, \lambda) = D^*(\lambda) + g_b(\lambda) \, (z - z^*(\lambda))

where :math:`D^*` and :math:`z^*` are the teacher's data and state: the cubic splines through them, in :math:`\lambda` for
the data and in :math:`\tilde\sigma` for the state, which is a straight line there where the data is constant. Solvers are
linear in states and data, so that the student's end is, with numbers :math:`w_b` and :math:`W_{bn}`,

.. math::
    x_{end} = w_b x_{start} + \sum_n W_{bn} r_{bn}, \qquad
    r_{bn} = D^*(\lambda_n) - g_b(\lambda_n) z^*(\lambda_n).

All vectors are rows of coefficients in the recorded vectors u of :mod:`hso.models.recording`.

The gradient of a function of the end needs no second model. Its slope with respect to the end's coefficients turns each
vector into a number; the student that runs on these numbers is a function of the knots whose derivative, by the complex
step, is what the weights contribute. The derivatives of the splines contribute the rest.

References:
    | Fast Sampling of Diffusion Models with Exponential Integrator (Zhang and Chen, 2023)
    | https://arxiv.org/abs/2204.13902
    | On the Trajectory Regularity of ODE-based Diffusion Sampling (Chen et al., 2024)
    | https://arxiv.org/abs/2405.11326
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError
from hso.models.calibration import Calibration
from hso.models.gains import Gains
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives.base import COMPLEX_STEP
from hso.schedule import CLEAN
from hso.solvers import Solver
from hso.solvers.base import batched_levels

# What a student starts from.
NOISE, STATE = "noise", "state"
# Knots may leave the range of the calibration by the rounding of t.
SLACK = 1e-6


class Rows(NamedTuple):
    """Rows of coefficients in u: of the first x, shape (S, V), and of data and states at the nodes, shape (S, N, V)."""

    start: Array
    data: Array
    states: Array


class Run(NamedTuple):
    """The students of S schedules.

    Attributes:
        knots: Shape (S, K).
        gains: At the nodes, shape (S, N, bands).
        weights: w and W, shape (S, bands, 1 + N).
        rows: What the weights apply to.
        difference: Coefficients in u of the student's end minus the teacher's clean end, shape (S, bands, V).
    """

    knots: Array
    gains: Array
    weights: Array
    rows: Rows
    difference: Array


class Student:
    """A solver that runs on a calibration.

    Args:
        calibration: What was recorded.
        noise: Its noise schedule.
        solver: The solver.
        terminal: "clean" or "t_min"; with "t_min" the last knot is the terminal.
        gains: How the network answers.
        begins: "noise": unit noise times the scale of the first node, as programs start; "state": the teacher's own state
            there, as in image-to-image.

    Raises:
        ArgumentError: If the solver is stochastic, or the calibration is that of another noise schedule.
    """

    def __init__(
        self, calibration: Calibration, noise: NoiseSchedule, solver: Solver, terminal: str, gains: Gains, begins: str
    ) -> None:
        calibration.check_noise(noise)
        self.calibration, self.noise, self.solver, self.terminal = calibration, noise, solver, terminal
        self.gains, self.begins = gains, begins

    def run(self, knots: Array) -> Run:
        """The students of schedules with knots of shape (S, K).

        Raises:
            ArgumentError: If a knot is outside of the range of the calibration.
        """
        low, high = self.calibration.lambdas[[0, -1]]
        if not np.all((knots >= low - SLACK) & (knots <= high + SLACK)):
            raise ArgumentError("knots", f"lambdas from {low:.6g} to {high:.6g}, which the calibration covers", knots)
        nodes = self._nodes(knots)
        gains, rows = self.gains(nodes), self._rows(nodes, 0)
        # Every source is a unit vector, so that the end is the vector of the weights.
        unit = np.eye(1 + nodes.shape[1])
        weights = self._end(knots, gains, unit[0], list(unit[1:]))
        of_data = weights[..., 1:]
        difference = of_data @ rows.data - (of_data * gains.swapaxes(1, 2)) @ rows.states
        difference += weights[..., :1] * rows.start[:, None] - self.calibration.end
        return Run(knots, gains, weights, rows, difference)

    def gradient(self, run: Run, slope: Array) -> Array:
        """d / d lambda of a function of the students' ends, shape (S, K).

        Args:
            run: The students.
            slope: The function's derivative with respect to ``run.difference``, of its shape.
        """
        return self._by_weights(run, slope) + self._by_rows(run, slope)

    def _by_weights(self, run: Run, slope: Array) -> Array:
        """What the knots change by the solver's coefficients, the levels and the gains."""
        count = run.knots.shape[1]
        start = np.einsum("sbv,sv->sb", slope, run.rows.start)
        data, states = (slope @ rows.swapaxes(1, 2) for rows in (run.rows.data, run.rows.states))
        # One complex copy of all schedules for each knot.
        knots = run.knots + COMPLEX_STEP * 1j * np.eye(count)[:, None]
        gains = self.gains(self._nodes(knots))
        sources = [(data[..., n] - gains[..., n, :] * states[..., n])[..., None] for n in range(data.shape[-1])]
        ends = self._end(knots, gains, start[..., None], sources)
        return np.asarray(ends.imag.sum(axis=(-1, -2)).T / COMPLEX_STEP)

    def _by_rows(self, run: Run, slope: Array) -> Array:
        """What the knots change by the places on the teacher's trajectory."""
        nodes = self._nodes(run.knots)
        rows = self._rows(nodes, 1)
        weighed = np.einsum("sbn,sbv->snv", run.weights[..., 1:], slope)
        gained = np.einsum("sbn,snb,sbv->snv", run.weights[..., 1:], run.gains, slope)
        found = np.zeros_like(run.knots)
        found[:, : nodes.shape[1]] = (weighed * rows.data - gained * rows.states).sum(axis=-1)
        found[:, 0] += np.einsum("sb,sbv,sv->s", run.weights[..., 0], slope, rows.start)
        return found

    def _nodes(self, knots: Array) -> Array:
        return knots if self.terminal == CLEAN else knots[..., :-1]

    def _end(self, knots: Array, gains: Array, start: Any, sources: Sequence[Any]) -> Array:
        """The solver's end where the data at node n is the gain times z, plus the n-th source.

        Args:
            knots: Shape (..., K), real or complex.
            gains: At the nodes, shape (..., N, bands).
            start: The first x; it broadcasts with (..., bands, F), as every source does.
            sources: One for each node.
        """
        levels = batched_levels(self.noise, knots[..., None, None, :], self.terminal)
        x = start + np.zeros((*gains.shape[:-2], gains.shape[-1], 1), dtype=knots.dtype)
        anchor, terms = x, deque[Any]()
        for step in self.solver.steps(levels):
            level = levels[step.node]
            data = gains[..., step.node, :, None] * (x / level.alpha) + sources[step.node]
            terms.appendleft(self.solver.term(data, x, level))
            anchor = x if step.anchor is None else step.anchor.of(anchor, terms)
            x = step.update.of(anchor, terms)
            if np.any(step.update.noise):
                raise ArgumentError("solver", "a deterministic solver", self.solver, "replay follows single images")
        return np.asarray(x)

    def _rows(self, nodes: Array, derivative: int) -> Rows:
        """The rows of the nodes, or their derivatives in the node's own lambda."""
        sigmas = np.exp(-nodes)
        states = self._state_spline(sigmas, derivative)
        if derivative:
            states = -sigmas[..., None] * states
        return Rows(self._start(nodes[:, 0], derivative), self._data_spline(nodes, derivative), states)

    def _start(self, first: Array, derivative: int) -> Array:
        shifted = first + COMPLEX_STEP * 1j
        alphas, sigmas = np.exp(self.noise.log_alpha(shifted)), np.exp(self.noise.log_sigma(shifted))
        unit = np.eye(1, len(self.calibration.end))
        if self.begins == NOISE:
            scales = np.sqrt(alphas**2 + sigmas**2)
            return np.asarray((scales.imag / COMPLEX_STEP if derivative else scales.real)[:, None] * unit)
        tilde = np.exp(-first)
        states = self._state_spline(tilde, 0)
        if not derivative:
            return np.asarray(alphas.real[:, None] * states)
        slopes = -tilde[:, None] * self._state_spline(tilde, 1)
        return np.asarray(alphas.imag[:, None] / COMPLEX_STEP * states + alphas.real[:, None] * slopes)

    @cached_property
    def _data_spline(self) -> Any:
        from scipy.interpolate import CubicSpline

        return CubicSpline(self.calibration.lambdas, self.calibration.data)

    @cached_property
    def _state_spline(self) -> Any:
        from scipy.interpolate import CubicSpline

        return CubicSpline(np.exp(-self.calibration.lambdas[::-1]), self.calibration.states[-2::-1])
