r"""What is asked of the knots where the caller does not say: exponent, box and jump.

The paper's settings were fitted to Stable Diffusion: latents, guided, variance preserving, UniPC that lands on t_min and
DDIM that lands on the clean sample. They are the defaults where they were fitted or nothing is known. Elsewhere:

- **p** is 1 for models of pixels, as in DM-NonUniform, and for those known not to be guided; 2 for all others.
- **The box** is in t, and a t means other noise levels on another path. On paths that do not preserve variance the last
  knot's range is that of the published box for Stable Diffusion, in the data's units:

  .. math::
      \tilde\sigma_K \in [0.0936, 0.1673]\, \sigma_{data}

- **The jump** from the last node to the clean sample costs nothing in Eq. 8. Multistep solvers extrapolate across it, which
  guidance punishes: for them, and a guided model, it is costed as an interval that ends at t_min.

What each is worth was measured; see ``docs/families.md``.

References:
    | Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling (Zhu et al., 2026)
    | https://arxiv.org/abs/2511.11688
    | Accelerating Diffusion Sampling with Optimized Time Steps (Xue et al., 2024), for p
    | https://arxiv.org/abs/2402.17376
"""

from __future__ import annotations

import numpy as np

from hso.noise import NoiseSchedule
from hso.schedule import CLEAN
from hso.search.problem import COSTED, FREE, Box

# The published range of t_min, (0.01, 0.03), as sigma / alpha of Stable Diffusion.
LAST_SIGMAS = (0.0936, 0.1673)
# Solvers that carry outputs from step to step. A new one is one word here.
MULTISTEP = ("unipc", "dpmpp_2m", "dpmpp_3m", "deis")


def default_p(noise: NoiseSchedule) -> float:
    """Exponent of the error proxy.

    Example:
        >>> default_p(NoiseSchedule.preset("sd2.1")), default_p(NoiseSchedule.preset("ddpm-cifar10"))
        (2.0, 1.0)
    """
    return 1.0 if noise.traits.space == "pixel" or noise.traits.is_guided is False else 2.0


def default_box(noise: NoiseSchedule, start: float | None = None) -> Box:
    """Ranges of the ends, of a run that may begin part-way at time ``start``.

    Example:
        >>> edm = NoiseSchedule.edm(sigma_data=0.5)
        >>> edm.sigmas(default_box(edm).t_min).round(4).tolist()
        [0.0468, 0.0836]
        >>> default_box(NoiseSchedule.preset("sd2.1")) == Box()
        True
    """
    if noise.path.preserves_variance:
        return Box()
    levels = np.clip(np.array(LAST_SIGMAS) * noise.sigma_data, *noise.sigmas(noise.t_range))
    first, last = map(noise.time_of_sigma, levels.tolist())
    # A noise schedule that is narrow or far from its data, or a run that begins below, has no room there.
    begin = start if isinstance(start, int | float) else Box.t_max[0]
    return Box(t_min=(first, last)) if last < begin else Box()


def default_jump(noise: NoiseSchedule, solver: str, terminal: str) -> str:
    """Whether the jump to the clean sample is free or costed.

    Example:
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> default_jump(noise, "ddim", "clean"), default_jump(noise, "unipc", "clean")
        ('free', 'costed')
    """
    return COSTED if terminal == CLEAN and solver in MULTISTEP and noise.traits.is_guided else FREE
