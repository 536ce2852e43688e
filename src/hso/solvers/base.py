r"""What a solver is.

Every solver here is linear in the state and in the network's outputs. Its plan has one entry for each network call.
Call i sees the state :math:`x_i` and gives the term :math:`D_i`, which is the data :math:`x_0` unless the solver says
otherwise. Then

.. math::
    y_i = a_i y_{i-1} + \sum_k b_{ik} D_{i-k} \quad \text{or} \quad y_i = x_i, \qquad
    x_{i+1} = c_i y_i + \sum_k d_{ik} D_{i-k} + e_i z_i

where a step starts from the *anchor* y. The anchor is the state itself (one-stage methods), the state corrected by the
network's output at that state (predictor-corrector methods), or the unchanged anchor of the step's first stage
(:math:`a = 1, b = 0`; two-stage methods). z is standard normal noise, and e is 0 for deterministic solvers.

If the data is constant, every deterministic solver takes the same step, and this step is exact. With
:math:`h = \lambda' - \lambda` it is

.. math::
    x' = \frac{\sigma'}{\sigma} x + \alpha' (1 - e^{-h}) D

It has a limit at the clean sample (:math:`\lambda' = \infty, \alpha' = 1, \sigma' = 0`): :math:`x' = D`.

References:
    | DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models (Lu et al., 2022), Eq. 8-9
    | https://arxiv.org/abs/2211.01095
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError
from hso.noise import NoiseSchedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.solvers.elementary import expm1


class Level(NamedTuple):
    r"""A noise level: :math:`\lambda`, :math:`\alpha` and :math:`\sigma`.

    They are Python floats. Arrays of shape (S,) in their place plan a batch of S schedules at once; complex arrays give
    derivatives by the complex step. The clean sample is always ``CLEAN_LEVEL``.
    """

    lambda_: Any
    alpha: Any
    sigma: Any

    @property
    def is_clean(self) -> bool:
        """Whether this is the clean sample."""
        return isinstance(self.lambda_, float) and self.lambda_ == math.inf


CLEAN_LEVEL = Level(math.inf, 1.0, 0.0)


class Combination(NamedTuple):
    """Coefficients of a linear combination of the anchor, the last terms and noise.

    They are Python floats, so that arrays keep their precision; in the plan of a batch of schedules they are arrays.

    Attributes:
        state: Coefficient of the anchor.
        outputs: Coefficients of the terms, the newest first.
        noise: Coefficient of standard normal noise.
    """

    state: Any
    outputs: tuple[Any, ...] = ()
    noise: Any = 0.0

    def of(self, anchor: Any, outputs: Sequence[Any]) -> Any:
        """The combination without its noise; ``outputs`` are the terms, the newest first. More terms do no harm."""
        total = self.state * anchor
        for index, weight in enumerate(self.outputs):
            total = total + weight * outputs[index]
        return total


# The second stage of a step starts from the same anchor as the first stage.
HOLD = Combination(1.0)


class StepPlan(NamedTuple):
    """What a solver does with one network call.

    Attributes:
        node: Index of the node at which the network is called.
        anchor: Computes the new anchor from the last one. If None, the new anchor is the state that the network saw.
        update: Computes the next state from the anchor.
    """

    node: int
    anchor: Combination | None
    update: Combination


class Solver(ABC):
    """A sampling method: settings that turn a sampling schedule into a table of coefficients.

    Subclasses are frozen dataclasses; a new one is one file and one line in ``hso.solvers.SOLVERS``. The class itself
    says everything that other code needs to know about the solver.

    Attributes:
        terminal: Where the last step lands by default: "clean" or "t_min".
        carries_outputs: Whether a step uses network outputs of the steps before it (multistep methods).
    """

    terminal: str = CLEAN
    carries_outputs: bool = False

    @property
    @abstractmethod
    def name(self) -> str:
        """The name that ``--solver`` accepts."""

    @property
    @abstractmethod
    def order(self) -> int:
        """The order in the method's name. The docstring of the class gives the measured order of convergence."""

    @abstractmethod
    def steps(self, levels: Sequence[Level]) -> Iterable[StepPlan]:
        """The plan for the N + 1 levels of the nodes and of the terminal; each level may be a batch of levels."""

    def nfe(self, nodes: int) -> int:
        """Number of network calls for this many nodes. Only methods that visit nodes twice need more calls."""
        return nodes

    def nodes(self, nfe: int) -> int:
        """Number of nodes with which the solver makes exactly this many network calls.

        Raises:
            ArgumentError: If there is no such number; the error names the nearest possible budgets.
        """
        return nfe

    def term(self, data: Any, x: Any, level: Level) -> Any:
        r"""The term that the combinations add up: the data :math:`x_0`, unless a subclass says otherwise."""
        return data

    def plan(self, noise: NoiseSchedule, schedule: SamplingSchedule) -> tuple[StepPlan, ...]:
        """Coefficients of every step in float64, with one entry for each network call.

        Raises:
            ArgumentError: If the sampling schedule was made for another noise schedule.
        """
        return tuple(self.steps(levels(noise, schedule)))


def levels(noise: NoiseSchedule, schedule: SamplingSchedule) -> tuple[Level, ...]:
    """The N + 1 levels of the nodes and of the terminal.

    Raises:
        ArgumentError: If the sampling schedule was made for another noise schedule.

    Example:
        >>> noise = NoiseSchedule.linear_vp()
        >>> levels(noise, SamplingSchedule.from_timesteps(noise, [999, 499]))[-1]
        Level(lambda_=inf, alpha=1.0, sigma=0.0)
    """
    if schedule.noise_fingerprint != noise.fingerprint:
        expected = f"a sampling schedule made for {noise.name}"
        raise ArgumentError("schedule", expected, f"one made for {schedule.noise_name}", "fingerprints differ")
    return levels_of(schedule)


def levels_of(schedule: SamplingSchedule) -> tuple[Level, ...]:
    """The N + 1 levels of the nodes and of the terminal, as the schedule itself knows them from its path."""
    knots = schedule.knots
    alphas, sigmas = np.exp(schedule.path.log_alpha(knots)), np.exp(schedule.path.log_sigma(knots))
    found = [Level(*values) for values in zip(knots.tolist(), alphas.tolist(), sigmas.tolist(), strict=True)]
    return (*found, CLEAN_LEVEL) if schedule.ends_clean else tuple(found)


def batched_levels(noise: NoiseSchedule, knots: Any, terminal: str) -> tuple[Level, ...]:
    """Levels of the nodes and of the terminal of many schedules at once.

    Args:
        noise: The noise schedule.
        knots: Shape (..., K), real or complex. If the terminal is "t_min", the last knot is the terminal.
        terminal: "clean" or "t_min".
    """
    alphas, sigmas = np.exp(noise.log_alpha(knots)), np.exp(noise.log_sigma(knots))
    found = [Level(knots[..., k], alphas[..., k], sigmas[..., k]) for k in range(knots.shape[-1])]
    return (*found, CLEAN_LEVEL) if terminal == CLEAN else tuple(found)


def first_order(start: Level, end: Level) -> Combination:
    """The step that is exact if the data is constant; ``end`` may be the clean sample.

    Example:
        >>> first_order(Level(0.0, 0.5, 0.5), Level(math.inf, 1.0, 0.0))
        Combination(state=0.0, outputs=(1.0,), noise=0.0)
    """
    return Combination(end.sigma / start.sigma, (end.alpha * data_weight(start, end),))


def data_weight(start: Level, end: Level) -> Any:
    r""":math:`1 - e^{-h}`, the weight of constant data in a step; ``end`` may be the clean sample."""
    return 1.0 if end.is_clean else -expm1(start.lambda_ - end.lambda_)
