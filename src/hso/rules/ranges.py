r"""Range rules: any number of knots from t_max to t_min, evenly spaced in some variable.

The knots are counted by :math:`u = 0, \frac{1}{K}, \dots, 1`, and :math:`\tilde\sigma = e^{-\lambda}`. Each rule has its
own variable, which is linear in u:

- ``uniform_t``: t
- ``quadratic``: :math:`\sqrt t`
- ``uniform_lambda``: :math:`\lambda` (DPM-Solver's "logSNR"; k-diffusion's and diffusers' "exponential")
- ``polyexponential``: :math:`(\lambda_K - \lambda)^{1 / \rho}`, so that
  :math:`\lambda = \lambda_K + (\lambda_0 - \lambda_K) (1 - u)^\rho`; with :math:`\rho = 1`, its default, it is
  ``uniform_lambda``
- ``edm``: :math:`\tilde\sigma^{1 / \rho}`, Eq. 2
- ``arctan``: :math:`\arctan(\tilde\sigma / c)`, where c is the standard deviation of the data
- ``beta_sigma``: :math:`\tilde\sigma = \tilde\sigma_K + (\tilde\sigma_0 - \tilde\sigma_K) F^{-1}(1 - u)`, F the
  distribution function of Beta(0.6, 0.6)

Why ``arctan``: let the data be Gaussian with standard deviation c, and :math:`\theta = \arctan(\tilde\sigma / c)`. Then N
steps of DDIM from :math:`\tilde\sigma_0` to :math:`\tilde\sigma_N` multiply the sample by

.. math::
    \frac{\cos\theta_0}{\cos\theta_N} \prod_i \cos(\theta_i - \theta_{i+1}),

where the fraction is the exact factor. The product is at most 1 and largest if all differences of angles
are equal, so ``arctan`` is then optimal.

``beta_sigma`` is diffusers' ``use_beta_sigmas``. The paper that diffusers cites takes the quantiles in time instead; that
is the rule ``beta`` of :mod:`hso.rules.nodes`.

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), Eq. 5
    | https://arxiv.org/abs/2206.00364
    | k-diffusion, get_sigmas_exponential and get_sigmas_polyexponential (Crowson, 2022)
    | https://github.com/crowsonkb/k-diffusion
    | Align Your Steps: Optimizing Sampling Schedules in Diffusion Models (Sabour et al., 2024)
    | https://arxiv.org/abs/2404.14507
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hso.errors import check_real
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.rules.span import Span

# Both shape parameters of the Beta distribution, in every program that has such a rule.
BETA_SHAPE = 0.6


def edm_lambdas(first: Any, last: Any, rho: Any, count: int) -> Array:
    r"""Eq. 2 in :math:`\lambda`: ``count`` knots from ``first`` to ``last``, shape (..., count); the ends are exact.

    As printed in the paper, the index runs from the smallest to the largest noise level. Here it runs in the order of
    sampling, as in Karras et al. (2022). The arguments broadcast.

    Example:
        >>> edm_lambdas(0.0, 2.0, 1.0, 3).round(3).tolist()
        [0.0, 0.566, 2.0]
    """
    first, last, rho = (np.asarray(x, dtype=np.float64)[..., None] for x in (first, last, rho))
    u = np.linspace(0.0, 1.0, count)
    knots = -rho * np.log(np.exp(-first / rho) * (1 - u) + np.exp(-last / rho) * u)
    return _with_ends(knots, first, last)


def arctan_lambdas(first: float, last: float, sigma_data: float, count: int) -> Array:
    r""":math:`\lambda` of ``count`` knots at equal angles :math:`\arctan(\tilde\sigma / c)`; the ends are exact.

    Example:
        >>> np.exp(-arctan_lambdas(-np.log(np.tan(1.2)), -np.log(np.tan(0.4)), 1.0, 3)).round(3).tolist()
        [2.572, 1.03, 0.423]
    """
    start, stop = np.arctan(np.exp([-first, -last]) / sigma_data).tolist()
    angles = np.linspace(start, stop, count)
    return _with_ends(-np.log(sigma_data * np.tan(angles)), first, last)


def uniform_t(noise: NoiseSchedule, count: int, span: Span) -> Array:
    """Equal steps in t."""
    return noise.lambda_(np.linspace(*span.ends(noise), count))


def uniform_lambda(noise: NoiseSchedule, count: int, span: Span) -> Array:
    r"""Equal steps in :math:`\lambda`."""
    return np.linspace(*span.lambdas(noise), count)


def quadratic(noise: NoiseSchedule, count: int, span: Span) -> Array:
    r"""Equal steps in :math:`\sqrt t`."""
    t_max, t_min = span.ends(noise)
    times = np.linspace(t_max**0.5, t_min**0.5, count) ** 2
    return noise.lambda_(np.clip(times, t_min, t_max))


def edm(noise: NoiseSchedule, count: int, span: Span) -> Array:
    r"""Equal steps in :math:`\tilde\sigma^{1/\rho}`, by default with :math:`\rho = 7`."""
    return edm_lambdas(*span.lambdas(noise), _rho(span, 7.0), count)


def polyexponential(noise: NoiseSchedule, count: int, span: Span) -> Array:
    r"""Equal steps in :math:`(\lambda_K - \lambda)^{1/\rho}`, by default with :math:`\rho = 1`."""
    first, last = span.lambdas(noise)
    knots = last + (first - last) * np.linspace(1.0, 0.0, count) ** _rho(span, 1.0)
    return _with_ends(knots, first, last)


def arctan(noise: NoiseSchedule, count: int, span: Span) -> Array:
    r"""Equal steps in :math:`\arctan(\tilde\sigma / c)`. With c = 1 this is ComfyUI's "kl_optimal"."""
    sigma_data = check_real("sigma_data", span.sigma_data, 1e-6)
    return arctan_lambdas(*span.lambdas(noise), sigma_data, count)


def beta_sigma(noise: NoiseSchedule, count: int, span: Span) -> Array:
    r"""Quantiles of Beta(0.6, 0.6) in :math:`\tilde\sigma`."""
    from scipy.special import betaincinv

    first, last = span.lambdas(noise)
    quantiles = betaincinv(BETA_SHAPE, BETA_SHAPE, np.linspace(1.0, 0.0, count))
    sigmas = np.exp(-last) + (np.exp(-first) - np.exp(-last)) * quantiles
    return _with_ends(-np.log(sigmas), first, last)


def _rho(span: Span, default: float) -> float:
    return default if span.rho is None else check_real("rho", span.rho, 0.1)


def _with_ends(knots: Array, first: Any, last: Any) -> Array:
    # In this order, so that a single knot is at the first end.
    knots[..., -1:] = last
    knots[..., :1] = first
    return knots
