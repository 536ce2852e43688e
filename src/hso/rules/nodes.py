r"""Grid and node rules give the N nodes only; the terminal is added after them.

The nodes are counted by i = 0, ..., N - 1. The *grid rules* give training indices in 0, ..., :math:`N_{train} - 1`:

- ``trailing``, ``leading`` and ``linspace`` are those of diffusers' ``timestep_spacing``. ``linspace_open`` is what its
  multistep solvers do for "linspace": N + 1 points without the last one.
- ``beta`` is :math:`n_i = (N_{train} - 1) F^{-1}(1 - i / N)`, where F is the distribution function of Beta(0.6, 0.6). It
  is ComfyUI's rule, but the indices are not rounded to whole ones.

The *node rule* ``linear_quadratic`` gives the share of noise :math:`s = \sigma / (\alpha + \sigma)`, which is the flow
sigma. In the first :math:`L = \lfloor N / 2 \rfloor` steps it falls linearly, by :math:`\tau = 0.025` in all:

.. math::
    \frac{s_i}{s_{max}} = 1 - \frac{\tau i}{L}
    - \left(1 - \frac{\tau N}{L}\right) \left(\frac{\max(i - L, 0)}{N - L}\right)^2,

so that the slope is continuous and :math:`s_N = 0`. On variance-preserving paths ComfyUI uses the same formula for
:math:`\tilde\sigma`, which is not bounded by 1, and gets another schedule. Here the share of noise has the same meaning on
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
from hso.noise.flow import GUARD
from hso.rules.ranges import BETA_SHAPE

# Share of the noise that the linear steps remove.
THRESHOLD = 0.025


def trailing(noise: NoiseSchedule, nfe: int) -> Array:
    """Training indices in equal steps, downwards from the noisiest."""
    steps = noise.require_train_steps()
    return np.round(steps - np.arange(nfe) * (steps / nfe)) - 1


def leading(noise: NoiseSchedule, nfe: int) -> Array:
    """Training indices in equal whole steps, upwards from the cleanest."""
    # Stable Diffusion's configurations have steps_offset = 1.
    return np.arange(nfe)[::-1] * (noise.require_train_steps() // nfe) + 1.0


def linspace(noise: NoiseSchedule, nfe: int) -> Array:
    """Training indices from the noisiest to the cleanest in equal steps."""
    return np.round(np.linspace(noise.require_train_steps() - 1, 0, nfe))


def linspace_open(noise: NoiseSchedule, nfe: int) -> Array:
    """Training indices as of :func:`linspace` with N + 1 nodes, without the last."""
    return np.round(np.linspace(noise.require_train_steps() - 1, 0, nfe + 1))[:-1]


def beta(noise: NoiseSchedule, nfe: int) -> Array:
    """Training indices at quantiles of Beta(0.6, 0.6)."""
    from scipy.special import betaincinv

    levels = 1 - np.arange(nfe) / nfe
    return betaincinv(BETA_SHAPE, BETA_SHAPE, levels) * (noise.require_train_steps() - 1)


def linear_quadratic(noise: NoiseSchedule, nfe: int) -> Array:
    r""":math:`\lambda` of the nodes: first linear, then quadratic in the share of noise."""
    first = float(noise.lambda_(noise.t_range[1]))
    linear, step = max(1, nfe // 2), np.arange(nfe)
    bend = (np.maximum(step - linear, 0) / max(1, nfe - linear)) ** 2
    fall = THRESHOLD * step / linear + (1 - THRESHOLD * nfe / linear) * bend
    most = 1 / (1 + np.exp(first))
    # A flow model begins at a share of 1, but for the guard.
    share = np.minimum((1 - fall) * (1.0 if most >= 1 - GUARD else most), most)
    return np.log1p(-share) - np.log(share)
