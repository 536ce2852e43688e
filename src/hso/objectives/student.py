r"""The linearized student: any solver runs on the recorded teacher run, without the network.

The network's answer is taken to first order in the difference between the student's state and the teacher's. In each
band b and with :math:`z = x / \alpha` it is

.. math::
    D(z, \lambda) = D^*(\lambda) + g_b(\lambda) \, (z - z^*(\lambda))

where :math:`D^*` and :math:`z^*` are the teacher's data and state. Solvers are linear in states and data. So the state
that the network sees at a call, and also the student's end, have the form

.. math::
    w_b x_{start} + \sum_c W_{bc} r_{bc}, \qquad r_{bc} = D^*(\lambda_c) - g_b(\lambda_c) z^*(\lambda_c),

with a sum over the network calls c, and with numbers :math:`w_b` and :math:`W_{bc}` of its own for each state. The
first call of a run from unit noise needs no linearization, because the network's output there was recorded:
:math:`r_{b0}` is this output, and the gain is 0. All vectors are given by coordinates in which the mean square over
images is the sum of squares. With the Gram matrix :math:`G_b = F_b F_b^T` of the recorded vectors u, the combination
:math:`\sum_i c_i u_i` has the coordinates :math:`F_b^T c`.

A student may tell the network the level :math:`\lambda_c + \delta_c` instead. Then :math:`D^*(\lambda_c)` becomes
:math:`D^*(\lambda_c) + h(\lambda_c, \delta_c)`, and the gain becomes G (:mod:`hso.models.told`). For a run from unit noise,
h of the first call is that of the teacher's state there.

A function of the vectors has a gradient with two parts. For the first part, the inner product with the function's
slopes turns each vector into a number. The student runs on these numbers, and the complex step gives the derivative of
the result with respect to the knots: this is the contribution of the weights. For the second part, the splines of the
teacher are differentiated.

References:
    | Fast Sampling of Diffusion Models with Exponential Integrator (Zhang and Chen, 2023)
    | https://arxiv.org/abs/2204.13902
    | On the Trajectory Regularity of ODE-based Diffusion Sampling (Chen et al., 2024)
    | https://arxiv.org/abs/2405.11326
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError
from hso.models.calibration import Calibration
from hso.models.gains import Gains
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives.base import COMPLEX_STEP
from hso.objectives.changes import Changes
from hso.solvers import Solver
from hso.solvers.base import Level, batched_levels
from hso.solvers.march import march

# What a student starts from.
NOISE, STATE = "noise", "state"
# The rounding of t may move knots this far outside the range of the calibration.
SLACK = 1e-6


class Rows(NamedTuple):
    """Coordinates of the first x, shape (S, bands, r), and of data and states at the calls, (S, bands, C, r)."""

    start: Array
    data: Array
    states: Array


class Run(NamedTuple):
    """The students of S schedules. The targets are the student's end and then the state z at each of C calls.

    Attributes:
        knots: Shape (S, K).
        gains: Gains at the calls, shape (S, C, bands).
        rests: Mean square of the part of the answer that the gains do not explain, for a difference of length 1 to the
            teacher's state, shape (S, C, bands).
        weights: w and W of the targets, shape (S, bands, 1 + C, 1 + C).
        rows: The vectors that the weights multiply.
        misses: Coordinates of the targets minus those of the teacher, shape (S, bands, 1 + C, r).
    """

    knots: Array
    gains: Array
    rests: Array
    weights: Array
    rows: Rows
    misses: Array


class Slopes(NamedTuple):
    """Derivatives of a function with respect to ``misses``, the end's ``weights[..., 0, 1:]`` and ``rests`` of a run."""

    misses: Array
    weights: Array
    rests: Array


class Student:
    """A solver that runs on a calibration.

    Args:
        calibration: What was recorded.
        noise: Its noise schedule.
        solver: The solver.
        terminal: "clean" or "t_min"; with "t_min" the last knot is the terminal.
        gains: The gains of the network.
        begins: "noise" starts from unit noise times the scale of the first node, as programs do. "state" starts from
            the teacher's own state there, as in image-to-image.

    Raises:
        ArgumentError: If the calibration is that of another noise schedule.
    """

    def __init__(
        self, calibration: Calibration, noise: NoiseSchedule, solver: Solver, terminal: str, gains: Gains, begins: str
    ) -> None:
        calibration.check_noise(noise)
        self.calibration, self.noise, self.solver, self.terminal = calibration, noise, solver, terminal
        self.gains, self.begins = gains, begins
        self._known_visits: dict[int, list[int]] = {}
        self._splines = calibration.splines.turned(calibration.factors)
        self._starts = calibration.starts.turned(calibration.factors)
        self._shifts: Array | None = None
        self._changes = None if calibration.told is None else Changes(calibration)
        self._unit, self._end = calibration.factors[:, 0], calibration.end @ calibration.factors

    def run(self, knots: Array) -> Run:
        """The students of schedules with knots of shape (S, K).

        Raises:
            ArgumentError: If a knot is outside the range of the calibration, or the solver is stochastic.
        """
        low, high = self.calibration.lambdas[[0, -1]]
        if not np.all((knots >= low - SLACK) & (knots <= high + SLACK)):
            raise ArgumentError("knots", f"lambdas from {low:.6g} to {high:.6g}, which the calibration covers", knots)
        latest = self.calibration.start_lambdas[-1]
        if self.begins == NOISE and not np.all(knots[:, 0] <= latest + SLACK):
            raise ArgumentError("knots", f"a first node of at most {latest:.6g} for a run from noise", knots[:, 0])
        calls = self._calls(knots)
        gains, rests = self._answers(calls)
        data, states = (rows.swapaxes(1, 2) for rows in self._teacher(calls))
        rows = Rows(self._start(knots[:, 0], 0), data, states)
        # If every source is a unit vector, the targets are the weights themselves.
        unit = np.eye(1 + calls.shape[1])
        weights = np.stack(self._targets(knots, gains, unit[0], list(unit[1:])), axis=-2)
        known = np.concatenate((np.broadcast_to(self._end, rows.start.shape)[:, :, None], states), axis=2)
        sources = data - gains.swapaxes(1, 2)[..., None] * states
        misses = weights[..., 1:] @ sources + weights[..., :1] * rows.start[:, :, None] - known
        return Run(knots, gains, rests, weights, rows, misses)

    def gradient(self, run: Run, slopes: Slopes) -> Array:
        """d / d lambda, shape (S, K), of a function of the run, from its derivatives with respect to the run."""
        return self._by_weights(run, slopes) + self._by_rows(run, slopes)

    def by_coefficients(self, run: Run, slopes: Slopes, moved: Solver) -> Array:
        """Derivatives of a function of the run with respect to coefficients of the solver, shape (P, S).

        Args:
            run: The run.
            slopes: The derivatives of the function with respect to the run.
            moved: The solver, with a complex step in one coefficient for each of P copies: its coefficients have shape
                (P, 1, 1, 1).
        """
        return self.with_solver(moved)._complex_step(run.knots, run, slopes)

    def by_shifts(self, run: Run, slopes: Slopes) -> Array:
        """d / d delta, shape (S, K), of a function of the run, from its derivatives with respect to the run."""
        assert self._changes is not None
        assert self._shifts is not None
        count = run.knots.shape[1]
        moved = self.telling(self._shifts + COMPLEX_STEP * 1j * np.eye(count)[:, None])
        found = moved._complex_step(run.knots, run, slopes).T
        changes = self._changes.slopes(self._calls(run.knots), self._calls(self._shifts))[1].swapaxes(1, 2)
        of_sources = (run.weights[..., 1:].swapaxes(2, 3) @ slopes.misses * changes).sum(axis=(1, 3))
        for call, node in enumerate(self._visits(count)):
            found[:, node] += of_sources[:, call]
        return found

    def telling(self, shifts: Array) -> Student:
        """The same student, but it tells the network the level of each node plus a shift. The shifts have shape (..., K).

        Raises:
            ArgumentError: If the calibration does not say what the network does then.
        """
        if self._changes is None:
            cause = "calibrate with tells=True (--tells)"
            raise ArgumentError("calibration", "one whose network was told other levels", self.calibration, cause)
        other = copy.copy(self)
        other._shifts = shifts
        return other

    def with_solver(self, solver: Solver) -> Student:
        """The same student with another solver."""
        other = copy.copy(self)
        other.solver, other._known_visits = solver, {}
        return other

    def _by_weights(self, run: Run, slopes: Slopes) -> Array:
        """The part of the gradient from the solver's coefficients, the levels, the gains and the rests."""
        # The complex step needs one copy of all schedules for each knot.
        return self._complex_step(run.knots + COMPLEX_STEP * 1j * np.eye(run.knots.shape[1])[:, None], run, slopes).T

    def _complex_step(self, knots: Array, run: Run, slopes: Slopes) -> Array:
        """Derivatives along complex steps of the knots or of the solver, where the teacher's vectors do not move."""
        start = (slopes.misses @ run.rows.start[..., None])[..., 0]
        # The inner product of the slope of each target with each source, shape (S, bands, targets, C): one number
        # instead of a vector, so one student with numbers is enough for all coordinates.
        data, states = (slopes.misses @ rows.swapaxes(2, 3) for rows in (run.rows.data, run.rows.states))
        data[:, :, 0] += slopes.weights
        gains, rests = self._answers(self._calls(knots))
        sources = [data[..., c] - gains[..., c, :, None] * states[..., c] for c in range(data.shape[-1])]
        targets = self._targets(knots, gains, start, sources)
        total = sum(target[..., index].imag.sum(axis=-1) for index, target in enumerate(targets))
        return np.asarray((total + (rests.imag * slopes.rests).sum(axis=(-1, -2))) / COMPLEX_STEP)

    def _by_rows(self, run: Run, slopes: Slopes) -> Array:
        """The part of the gradient from the teacher's data and states, which move with the knots."""
        calls, found = self._calls(run.knots), np.zeros_like(run.knots)
        data, states = (rows.swapaxes(1, 2) for rows in self._teacher_slopes(calls))
        of_sources = run.weights[..., 1:].swapaxes(2, 3) @ slopes.misses
        moved = of_sources * (data - run.gains.swapaxes(1, 2)[..., None] * states) - slopes.misses[:, :, 1:] * states
        # A solver may call the network twice at one node, so the parts are added up.
        for call, node in enumerate(self._visits(run.knots.shape[1])):
            found[:, node] += moved[:, :, call].sum(axis=(1, 2))
        of_start = (run.weights[..., 0][..., None] * slopes.misses).sum(axis=2)
        found[:, 0] += (of_start * self._start(run.knots[:, 0], 1)).sum(axis=(1, 2))
        return found

    def _answers(self, calls: Array) -> tuple[Array, Array]:
        """Gains and rests at the calls, shape (..., C, bands). They are 0 for a call that was recorded itself."""
        rests, shifts = self.gains.rests(calls), self._shifts
        gains = self.gains(calls) if shifts is None else self.gains.told(self.noise, calls, self._calls(shifts))
        if self.begins == NOISE:
            gains[..., 0, :] = rests[..., 0, :] = 0.0
        return gains, rests

    def _teacher(self, calls: Array) -> tuple[Array, Array]:
        """Coordinates of data and states at the calls, shape (S, C, bands, r).

        In a run from unit noise, the data of the first call is the network's recorded output for unit noise.
        """
        data, states = self._splines.data(calls), self._splines.states(calls)
        if self.begins == NOISE:
            data[:, 0] = self._starts.data(calls[:, 0])
        if self._changes is not None and self._shifts is not None:
            data = data + self._changes(calls, self._calls(self._shifts))
        return data, states

    def _teacher_slopes(self, calls: Array) -> tuple[Array, Array]:
        """Derivatives of the results of :meth:`_teacher` with respect to the lambda of each call."""
        data, states = self._splines.data_slopes(calls), self._splines.state_slopes(calls)
        if self.begins == NOISE:
            data[:, 0] = self._starts.data_slopes(calls[:, 0])
        if self._changes is not None and self._shifts is not None:
            data = data + self._changes.slopes(calls, self._calls(self._shifts))[0]
        return data, states

    def _visits(self, count: int) -> list[int]:
        """The node of each call. It depends on the number of knots only, not on their values."""
        if count not in self._known_visits:
            places = batched_levels(self.noise, np.linspace(0.0, 1.0, count), self.terminal)
            self._known_visits[count] = [step.node for step in self.solver.steps(places)]
        return self._known_visits[count]

    def _calls(self, knots: Array) -> Array:
        """Lambda of the calls, shape (..., C)."""
        return knots[..., self._visits(knots.shape[-1])]

    def _targets(self, knots: Array, gains: Array, start: Any, sources: Sequence[Any]) -> list[Array]:
        """The end and the states z of the calls, where the data of call c is the gain times z plus the c-th source.

        Args:
            knots: Shape (..., K), real or complex.
            gains: Gains at the calls, shape (..., C, bands).
            start: The first x. It broadcasts with (..., bands, F), and so does every source.
            sources: One for each call.
        """
        levels = batched_levels(self.noise, knots[..., None, None, :], self.terminal)
        size = np.broadcast_shapes((*gains.shape[:-2], gains.shape[-1], 1), np.shape(start))
        first = start + np.zeros(size, dtype=knots.dtype)
        states: list[Any] = []

        def answer(call: int, x: Any, level: Level) -> Any:
            states.append(x / level.alpha)
            return gains[..., call, :, None] * states[-1] + sources[call]

        for step, end in march(self.solver, levels, first, answer):
            if np.any(step.update.noise):
                raise ArgumentError("solver", "a deterministic solver", self.solver, "replay follows single images")
            last = end
        return [last, *states]

    def _start(self, first: Array, derivative: int) -> Array:
        """Coordinates of the first x, or their first derivatives, shape (S, bands, r)."""
        shifted = first + COMPLEX_STEP * 1j
        alphas, sigmas = np.exp(self.noise.log_alpha(shifted)), np.exp(self.noise.log_sigma(shifted))
        if self.begins == NOISE:
            scales = np.sqrt(alphas**2 + sigmas**2)
            return np.asarray((scales.imag / COMPLEX_STEP if derivative else scales.real)[:, None, None] * self._unit)
        states, scale = self._splines.states(first), alphas.real[:, None, None]
        if not derivative:
            return np.asarray(scale * states)
        return np.asarray(
            alphas.imag[:, None, None] / COMPLEX_STEP * states + scale * self._splines.state_slopes(first)
        )
