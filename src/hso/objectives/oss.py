r"""OSS: how far Euler's student, run by the network, ends from the teacher.

With the nodes :math:`\tilde\sigma_0 > \dots > \tilde\sigma_{N-1}` the student starts from the teacher's noise and takes
Euler's steps, which are DDIM's:

.. math::
    z_{k+1} = D(z_k, \tilde\sigma_k) + \frac{\tilde\sigma_{k+1}}{\tilde\sigma_k} (z_k - D(z_k, \tilde\sigma_k)),
    \qquad J = E |z_N - z^*_{end}|^2

E is the mean over images and coefficients, and :math:`z^*` is the teacher. No table of edge costs gives J, because the
student's own state decides what the network says. Strategy "stepwise" (:mod:`hso.search.stepwise`) searches as the paper
does. Each value of J costs N network calls for each image.

References:
    | Optimal Stepsize for Diffusion Sampling (Pei, Hu and Gu, 2025)
    | https://arxiv.org/abs/2503.21774
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hso.models.exact import Denoiser
from hso.models.recording import LATEST
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.noise.base import Array, as_array
from hso.objectives.base import Ends, KnotFunction
from hso.objectives.measured import Measured
from hso.schedule import SamplingSchedule
from hso.solvers import DDIM, Solver, nodes, sample


@dataclass(frozen=True, eq=False)
class OSS(Measured):
    """The error of Euler's student at its end (Pei et al., 2025).

    Attributes:
        teacher: The model and its trajectories. The authors' program has 256 images and Euler's method with 200 points.

    Example:
        >>> from hso.models.gaussian import GaussianModel
        >>> from hso.models.teacher import Teacher
        >>> from hso.optimize import optimize
        >>> model, noise = GaussianModel(np.zeros(2), np.full(2, 4.0)), NoiseSchedule.linear_vp()
        >>> teacher = Teacher(model, noise, np.random.default_rng(0).standard_normal((8, 2)), points=20)
        >>> optimize(noise, 4, solver="ddim", objective=OSS(teacher)).schedule.nfe
        4
    """

    name = "oss"
    strategy = "stepwise"

    def ends(self, noise: NoiseSchedule, start: float | None = None) -> Ends:
        """Wide ranges, because the search chooses the first node and the last one, too."""
        (low, _), (_, high) = super().ends(noise, start)
        top = high if start is None else min(start, high)
        middle = low + LATEST * (top - low)
        return Ends((low, middle), (middle + (top - middle) / 1000, top))

    def on(self, noise: NoiseSchedule, solver: Solver, terminal: str, start: float | None = None) -> StudentError:
        self.check_noise(noise)
        return StudentError(self.teacher, terminal)


class StudentError(KnotFunction):
    """J for knots of shape (..., K).

    Attributes:
        teacher: The teacher.
        terminal: Where students land.
        noise: The noise schedule.
    """

    def __init__(self, teacher: Teacher, terminal: str) -> None:
        self.teacher, self.terminal, self.noise = teacher, terminal, teacher.noise

    def value(self, knots: Array) -> Array:
        flat = np.asarray(knots).reshape(-1, knots.shape[-1])
        return np.array([self._error(one) for one in flat]).reshape(knots.shape[:-1])

    def noise_at(self, lambdas: Array) -> Array:
        """The teacher's noise as the state z of students that begin at these levels, shape (L, B, D)."""
        teacher = self.teacher
        first = nodes(self.noise, teacher.schedule)[0]
        unit = as_array(teacher.x).reshape(len(teacher.x), -1) / math.hypot(first.alpha, first.sigma)
        alphas, sigmas = np.exp(self.noise.log_alpha(lambdas)), np.exp(self.noise.log_sigma(lambdas))
        return np.asarray((np.hypot(alphas, sigmas) / alphas)[:, None, None] * unit)

    def _error(self, knots: Array) -> float:
        teacher = self.teacher
        schedule = SamplingSchedule.from_knots(self.noise, knots, self.terminal)
        begin, first = nodes(self.noise, schedule)[0], nodes(self.noise, teacher.schedule)[0]
        x = teacher.x * (math.hypot(begin.alpha, begin.sigma) / math.hypot(first.alpha, first.sigma))
        model, prediction = teacher.model, teacher.prediction
        if isinstance(model, Denoiser):
            model, prediction = model.x0, "sample"
        end = as_array(sample(DDIM(), model, self.noise, schedule, x, prediction=prediction)).reshape(len(x), -1)
        if schedule.ends_clean:
            aim, scale = teacher.trajectory.end, 1.0
        else:
            # The teacher's last state stands for its state at the terminal, where the search lands as well.
            aim, scale = teacher.trajectory.states[-1], math.exp(float(self.noise.log_alpha(knots[-1])))
        return float(np.mean((end / scale - aim) ** 2))
