r"""Grid and node rules: the N nodes themselves; a terminal comes after them.

With i = 0, ..., N - 1 over the nodes, the *grid rules* give training indices of :math:`N_{train}`:

- ``trailing``, ``leading``, ``linspace``: diffusers' ``timestep_spacing``; ``linspace_open`` is the one of its
  multistep solvers, N + 1 points without the last
- ``beta``: :math:`n_i = (N_{train} - 1) F^{-1}(1 - i / N)`, F the distribution function of Beta(0.6, 0.6), as in
  ComfyUI; not rounded to a row of a table

and ``linear_quadratic`` gives the share of noise :math:`s = \sigma / (\alpha + \sigma)`, which on the flow-matching path
is :math:`\sigma` itself. With :math:`L = \lfloor N / 2 \rfloor` linear steps that remove :math:`\tau = 0.025` of it,

.. math::
    \frac{s_i}{s_{max}} = 1 - \frac{\tau i}{L}
    - \left(1 - \frac{\tau N}{L}\right) \left(\frac{\max(i - L, 0)}{N - L}\right)^2,

so that the slope is continuous and :math:`s_N = 0`. On variance-preserving paths ComfyUI puts the same pattern into
:math:`\tilde\sigma`, which is not bounded by 1, and gets another schedule; here the share of noise has one meaning on
every path.

References:
    | Common Diffusion Noise Schedules and Sample Steps are Flawed (Lin et al., 2024), Table 2
    | https://arxiv.org/abs/2305.08891
    | Beta Sampling is All You Need (Lee et al., 2024)
    | https://arxiv.org/abs/2407.12173
    | Mochi 1, linear_quadratic_schedule (Genmo, 2024)
    | https://github.com/genmoai/mochi
"""

from __future__ import annotations

import numpy as np

from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.rules.ranges import BETA_SHAPE

# Share of the noise that the linear half removes.
THRESHOLD = 0.025


def trailing(noise: NoiseSchedule, nfe: int) -> Array:
    """Training indices from the noisiest down in equal steps."""
    steps = noise.require_train_steps()
    return np.round(steps - np.arange(nfe) * (steps / nfe)) - 1


def leading(noise: NoiseSchedule, nfe: int) -> Array:
    """Training indices in equal whole steps from the cleanest up."""
    # The offset of 1 is what Stable Diffusion's configurations carry.
    return np.arange(nfe)[::-1] * (noise.require_train_steps() // nfe) + 1.0


def linspace(noise: NoiseSchedule, nfe: int) -> Array:
    """Training indices from the noisiest to the cleanest in equal steps."""
    return np.round(np.linspace(noise.require_train_steps() - 1, 0, nfe))


def linspace_open(noise: NoiseSchedule, nfe: int) -> Array:
    """The same with one step more, without the cleanest."""
    return np.round(np.linspace(noise.require_train_steps() - 1, 0, nfe + 1))[:-1]


def beta(noise: NoiseSchedule, nfe: int) -> Array:
    """Quantiles of Beta(0.6, 0.6) over the training indices."""
    from scipy.special import betaincinv

    levels = 1 - np.arange(nfe) / nfe
    return betaincinv(BETA_SHAPE, BETA_SHAPE, levels) * (noise.require_train_steps() - 1)


def linear_quadratic(noise: NoiseSchedule, nfe: int) -> Array:
    r""":math:`\lambda` of the nodes: first linear, then quadratic in the share of noise."""
    first = float(noise.lambda_(noise.t_range[1]))
    linear, step = max(1, nfe // 2), np.arange(nfe)
    bend = (np.maximum(step - linear, 0) / max(1, nfe - linear)) ** 2
    fall = THRESHOLD * step / linear + (1 - THRESHOLD * nfe / linear) * bend
    share = (1 - fall) / (1 + np.exp(first))
    return np.log1p(-share) - np.log(share)
