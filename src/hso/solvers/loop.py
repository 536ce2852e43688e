r"""The sampling loop: one loop for all solvers and all array libraries.

The loop only adds arrays and multiplies them by Python floats. So it runs on NumPy arrays and on torch tensors, keeps
their precision and their device, and lets gradients through.

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022)
    | https://arxiv.org/abs/2206.00364
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError, check_choice
from hso.noise import NoiseSchedule
from hso.schedule import SamplingSchedule
from hso.solvers.base import Level, Solver, StepPlan, levels
from hso.solvers.prediction import PREDICTIONS, to_data

# Real numbers have a kind with one of these in its name, in every array library.
REAL = ("float", "int")


class Node(NamedTuple):
    r"""Where the network is called.

    Attributes:
        index: 0 for the noisiest node.
        t: Time in [0, 1].
        lambda_: :math:`\lambda = \log(\alpha / \sigma)`.
        alpha: Signal scale.
        sigma: Noise scale.
        timestep: Fractional training index; None if the model has no training timesteps.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which has no use here
    t: float
    lambda_: float
    alpha: float
    sigma: float
    timestep: float | None


def nodes(noise: NoiseSchedule, schedule: SamplingSchedule) -> tuple[Node, ...]:
    """The N nodes of a sampling schedule.

    Raises:
        ArgumentError: If the sampling schedule was made for another noise schedule.

    Example:
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> [node.timestep for node in nodes(noise, SamplingSchedule.from_timesteps(noise, [999, 499]))]
        [999.0, 499.0]
    """
    timesteps = [None] * schedule.nfe if schedule.train_steps is None else schedule.fractional_timesteps.tolist()
    found = zip(schedule.times.tolist(), levels(noise, schedule)[:-1], timesteps, strict=True)
    return tuple(Node(index, t, *level, timestep) for index, (t, level, timestep) in enumerate(found))


def sample(
    solver: Solver,
    model: Callable[[Any, Node], Any],
    noise: NoiseSchedule,
    schedule: SamplingSchedule,
    x: Any,
    *,
    prediction: str = "epsilon",
    noise_source: Callable[[Any], Any] | None = None,
    callback: Callable[[Node, Any, Any], None] | None = None,
) -> Any:
    r"""Solve from the first node to the terminal.

    Args:
        solver: The method.
        model: The network: a function of x and the node that returns the prediction, with the shape of x. If the schedule
            tells the network other times than those of its nodes, the model gets the nodes at these times.
        noise: The model's noise schedule.
        schedule: The sampling schedule, made for ``noise``.
        x: State :math:`\alpha x_0 + \sigma \epsilon` at the first node, an array or a tensor of any shape.
        prediction: What the network predicts: "epsilon", "sample", "v_prediction" or "flow_prediction".
        noise_source: Draws standard normal noise with the shape of its argument. Only stochastic solvers call it.
        callback: Called after each network call with the node, the new state and the data :math:`x_0` of this call.

    Returns:
        The state at the terminal, with the type and precision of x.

    Raises:
        ArgumentError: If the schedule was made for another noise schedule, the prediction is unknown, a stochastic solver
            has no source of noise, or the network returns another shape or values that are not finite (the error names
            the node).

    Example:
        >>> from hso.solvers import DDIM
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> schedule = SamplingSchedule.from_timesteps(noise, [999, 499])
        >>> sample(DDIM(), lambda x, node: 0 * x, noise, schedule, np.ones(2)).round(2)
        array([14.65, 14.65])
    """
    check_choice("prediction", prediction, PREDICTIONS)
    if not hasattr(x, "shape"):
        raise ArgumentError("x", "an array or a tensor", type(x).__name__)
    plan = solver.plan(noise, schedule)
    if noise_source is None and any(step.update.noise for step in plan):
        raise ArgumentError("noise_source", "a function that draws noise like x", None, f"{solver} is stochastic")
    places = told = nodes(noise, schedule)
    if schedule.told_times is not None:
        told = nodes(noise, SamplingSchedule.from_times(noise, schedule.told_times))
    terms: deque[Any] = deque(maxlen=memory(plan))
    anchor = x
    for step in plan:
        node = places[step.node]
        data = to_data(prediction, check_output(model(x, told[step.node]), x, node), x, node.alpha, node.sigma)
        terms.appendleft(solver.term(data, x, Level(node.lambda_, node.alpha, node.sigma)))
        anchor = x if step.anchor is None else step.anchor.of(anchor, terms)
        x = step.update.of(anchor, terms)
        if noise_source is not None and step.update.noise:
            x = x + step.update.noise * noise_source(x)
        if callback is not None:
            callback(node, x, data)
    return x


def memory(plan: Sequence[StepPlan]) -> int:
    """The most terms that any combination of the plan needs."""
    return max(len(made.outputs) for step in plan for made in (step.anchor, step.update) if made is not None)


def check_output(output: Any, x: Any, node: Node) -> Any:
    """What the network returned at a node for x, if it has the shape of x and finite real numbers.

    Raises:
        ArgumentError: If not; the node is named.
    """
    where = f"at node {node.index} (lambda = {node.lambda_:.6g})"
    shape = getattr(output, "shape", None)
    if shape != x.shape:
        came = type(output).__name__ if shape is None else f"shape {tuple(shape)}"
        raise ArgumentError("model", f"an output of shape {tuple(x.shape)} {where}", came)
    if not any(kind in str(output.dtype) for kind in REAL):
        raise ArgumentError("model", f"real numbers {where}", str(output.dtype))
    # inf - inf and nan - nan are nan in every array library.
    with np.errstate(invalid="ignore"):
        finite = bool((output - output == 0).all())
    if not finite:
        raise ArgumentError("model", f"finite output {where}", "nan or inf", "reduced precision overflows first")
    return output
