r"""Trajectories of many steps. Measured objectives use them to find schedules of few steps.

Everything here is in :math:`\tilde\sigma` coordinates, which do not depend on the path: :math:`z = x / \alpha` and
:math:`\tilde\sigma = \sigma / \alpha`. The network's output is converted to the data D, and the ODE is

.. math::
    \frac{dz}{d\tilde\sigma} = d = \frac{z - D(z, \tilde\sigma)}{\tilde\sigma}

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Eq. 3
    | https://arxiv.org/abs/2206.00364
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError, check_choice, check_integer
from hso.models.exact import Denoiser
from hso.noise import NoiseSchedule
from hso.noise.base import Array, as_array
from hso.rules import RANGE_RULES, Span, rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.solvers import Node, make_solver, nodes, sample, to_data

Network = Callable[[Any, Node], Any]


class Trajectory(NamedTuple):
    r"""The states and outputs of a teacher run, in :math:`\tilde\sigma` coordinates and float64.

    Attributes:
        lambdas: :math:`\lambda` of the M points, shape (M,), increasing.
        states: z at the points, shape (M, B, D).
        data: The network's data at the points, shape (M, B, D).
        end: The clean samples, shape (B, D).
    """

    lambdas: Array
    states: Array
    data: Array
    end: Array

    @property
    def sigmas(self) -> Array:
        r""":math:`\tilde\sigma` of the points, shape (M,)."""
        return np.exp(-self.lambdas)

    @property
    def slopes(self) -> Array:
        """d at the points, shape (M, B, D)."""
        return (self.states - self.data) / self.sigmas[:, None, None]


@dataclass(frozen=True, eq=False)
class Teacher:
    r"""A network, and the settings for sampling it with many steps.

    Attributes:
        model: An exact-score model, or a function of x and a node that returns the network's prediction. Switch
            gradients off.
        noise: The model's noise schedule.
        x: B states :math:`\alpha x_0 + \sigma \epsilon` at the first point, an array or a tensor of shape (B, ...).
        prediction: What the network predicts. It has no effect for exact-score models.
        points: M, the number of network evaluations of the trajectory.
        rule: Range rule that spaces the points; GITS used uniform t for Stable Diffusion and ``edm`` in pixel space.
        span: Where the points begin and end; the whole range of the noise schedule by default.
        solver: Method of the trajectory.

    Raises:
        ArgumentError: If a setting is unusable. :func:`hso.solvers.sample` also checks the network's outputs.

    Example:
        >>> from hso.models.gaussian import GaussianModel
        >>> model, noise = GaussianModel(np.zeros(3), np.ones(3)), NoiseSchedule.linear_vp()
        >>> Teacher(model, noise, np.ones((5, 3)), points=20).trajectory.states.shape
        (20, 5, 3)
    """

    model: Denoiser | Network
    noise: NoiseSchedule
    x: Any
    prediction: str = "epsilon"
    points: int = 61
    rule: str = "uniform_t"
    span: Span | None = None
    solver: str = "dpmpp_2m"

    def __post_init__(self) -> None:
        check_choice("rule", self.rule, RANGE_RULES)
        check_integer("points", self.points, 3, self.noise.max_nfe)
        if len(getattr(self.x, "shape", ())) < 2:
            raise ArgumentError("x", "a batch of states, of at least 2 axes", self.x)

    @cached_property
    def schedule(self) -> SamplingSchedule:
        """The points."""
        return rule_schedule(self.rule, self.noise, self.points, CLEAN, self.span)

    @cached_property
    def trajectory(self) -> Trajectory:
        """The trajectories from x. They cost M network evaluations, which are made once."""
        states: list[Array] = []
        data: list[Array] = []
        alphas = [node.alpha for node in self._nodes]

        def watched(x: Any, node: Node) -> Any:
            states.append(_rows(x) / alphas[node.index])
            return self._data(x, node)

        end = sample(
            make_solver(self.solver),
            watched,
            self.noise,
            self.schedule,
            self.x,
            prediction="sample",
            callback=lambda node, x, output: data.append(_rows(output)),
        )
        return Trajectory(self.schedule.lambdas, np.stack(states), np.stack(data), _rows(end))

    def data(self, states: Array, point: int) -> Array:
        """The network's data, shape (B, D), for the states z, shape (B, D), at a point."""
        node = self._nodes[point]
        return _rows(self._data(_like(self.x, states * node.alpha), node))

    def once(self, found: Callable[..., Array], *settings: Any) -> Array:
        """``found(self, *settings)``, computed once and kept, because it does not depend on the number of nodes."""
        key = (found, *settings)
        if key not in self._found:
            self._found[key] = found(self, *settings)
        return self._found[key]

    def provenance(self) -> dict[str, Any]:
        """The facts about this teacher that a schedule's provenance keeps."""
        names = ("prediction", "points", "rule", "solver")
        return {"batch": len(self.x), **{name: getattr(self, name) for name in names}}

    @cached_property
    def _found(self) -> dict[tuple[Any, ...], Array]:
        return {}

    @cached_property
    def _nodes(self) -> tuple[Node, ...]:
        return nodes(self.noise, self.schedule)

    def _data(self, x: Any, node: Node) -> Any:
        if isinstance(self.model, Denoiser):
            return self.model.x0(x, node)
        return to_data(self.prediction, self.model(x, node), x, node.alpha, node.sigma)


def _rows(x: Any) -> Array:
    return as_array(x).reshape(len(x), -1)


def _like(x: Any, rows: Array) -> Any:
    values = rows.reshape(x.shape)
    return x.new_tensor(values) if hasattr(x, "new_tensor") else values
