r"""A solver and a schedule as one matrix.

Because every solver is linear in the state and the data,

.. math::
    x_k = A_k x_T + \sum_n B_{kn} D_n

where :math:`x_k` is the state that the network sees at call k. The last row gives the final sample. :math:`A_k` and
:math:`B_{kn}` depend only on the solver, the noise schedule and the nodes, not on the model.

References:
    | DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models (Lu et al., 2022)
    | https://arxiv.org/abs/2211.01095
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.schedule import SamplingSchedule
from hso.solvers.base import Solver
from hso.solvers.loop import Node, sample


class Coefficients(NamedTuple):
    """Dense coefficients of K network calls.

    Attributes:
        state: A, shape (K + 1,). The last entry belongs to the final sample.
        outputs: B, shape (K + 1, K), zero on and above the diagonal.
    """

    state: Array
    outputs: Array


def coefficients(solver: Solver, noise: NoiseSchedule, schedule: SamplingSchedule) -> Coefficients:
    """Dense coefficients that give every state from the initial state and the data.

    For a stochastic solver they give the mean of the state.

    Raises:
        ArgumentError: If the schedule was made for another noise schedule.

    Example:
        >>> from hso.solvers import DDIM
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> found = coefficients(DDIM(), noise, SamplingSchedule.from_timesteps(noise, [999, 499]))
        >>> found.outputs.round(3).tolist()
        [[0.0, 0.0], [0.469, 0.0], [0.0, 1.0]]
    """
    basis = np.eye(1 + solver.nfe(schedule.nfe))
    seen: list[Array] = []

    def model(x: Any, node: Node) -> Any:
        seen.append(x)
        return basis[len(seen)]

    # The loop runs on coordinates instead of images: the data of call k is the k-th basis vector. So the coefficients
    # are those of the loop itself and cannot differ from it.
    final = sample(solver, model, noise, schedule, basis[0], prediction="sample", noise_source=np.zeros_like)
    rows = np.stack([*seen, final])
    return Coefficients(rows[:, 0], rows[:, 1:])
