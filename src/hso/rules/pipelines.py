r"""What diffusers' pipelines run by default: the nodes that each gives its scheduler, and what the scheduler makes of them.

A preset names the rule of its pipeline (``default_rule``). The nodes are counted by i = 0, ..., N - 1; T is the number of
training timesteps, s the model's shift. **For flow models** a rule gives times u, which the shift maps to sigmas:

- ``flow_trailing``: :math:`u_i = 1 - i / N` (most pipelines)
- ``flow_shifted_twice``: sigma in equal steps between the shifted ends :math:`\sigma(1) = 1` and :math:`\sigma(1 / T)`, and
  these sigmas shifted once more (pipelines that pass no sigmas to a flow-matching scheduler: Stable Diffusion 3)
- ``flow_unipc``: :math:`u_i = 1 - (1 - 1 / T) i / N`; a first sigma of 1 is lowered by :math:`10^{-6}` (Wan)
- ``flow_dpm``: :math:`u_i = (1 - 1 / T) (1 - i / N)` (Sana)
- ``flow_whole``: :math:`u_i = \lfloor T - (T - 1) i / (N - 1) \rfloor / T` (CogView4)
- ``flow_whole_open``: :math:`u_i = \lfloor T - (T - 1) i / N \rfloor / T` (GLM-Image)

Three have no times. ``flow_logit_normal`` (Ideogram 4) takes quantiles: with q the standard normal quantile function,
:math:`\lambda_i = -\log s - 1.5\, q(1 - i / N)`, between -9 and 7.5. ``flow_uniform_lambda``
(Stable Audio 3) is :math:`\lambda_i = -6.2 + 8.2\, i / N`, with the first node at the noisiest level. ``flow_edm``
(Cosmos Predict 2.5) is Karras et al.'s rule with exponent 7 between :math:`\tilde\sigma = 200` and 0.01.

**For variance-preserving models**, ``leading_from_0`` and ``leading_open`` give the training indices
:math:`\lfloor T / N \rfloor (N - 1 - i)` and :math:`\lfloor T / (N + 1) \rfloor (N - i) + 1`; ``uniform_t_open`` gives the
times :math:`1 - i / N`. The others are in :mod:`hso.rules.nodes`.

**To the last bit.** diffusers computes with single precision in places. The rules for flow models do the same operations
in the same order with the same precision, so that their sigmas, rounded to float32, are the scheduler's own. One value is
not: sigma = 1 is :math:`1 - 2^{-24}` here, the number before it (see :mod:`hso.noise.flow`).

References:
    | diffusers 0.42: set_timesteps of the schedulers, and __call__ of the pipelines that presets.json names
    | https://github.com/huggingface/diffusers
"""

from __future__ import annotations

import numpy as np

from hso.errors import ArgumentError
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.noise.flow import GUARD, ShiftedClock
from hso.noise.levels import lambda_of_flow_sigma
from hso.noise.shift import DynamicShift
from hso.rules.ranges import edm_lambdas

UNIPC_GUARD = 1e-6


def flow_trailing(noise: NoiseSchedule, nfe: int) -> Array:
    """u from 1 to 1 / N in equal steps."""
    return _shifted(noise, np.linspace(1.0, 1 / nfe, nfe).astype(np.float32))


def flow_shifted_twice(noise: NoiseSchedule, nfe: int) -> Array:
    """Equal steps in sigma between the shifted ends, shifted again."""
    clock, steps = _clock(noise), noise.require_train_steps()
    ends = np.array([1.0, 1 / steps], dtype=np.float32)
    if not isinstance(clock.shifting, DynamicShift):
        ends = clock.shifting.sigma(ends, nfe)
    first, last = (end * steps for end in ends.tolist())
    return _shifted(noise, np.linspace(first, last, nfe) / steps)


def flow_unipc(noise: NoiseSchedule, nfe: int) -> Array:
    """u from 1 to 1 / T in N equal steps, of which the last ends the run."""
    u = np.linspace(1, 1 / noise.require_train_steps(), nfe + 1)[:-1]
    sigmas = _stretched(_clock(noise), _clock(noise).shifting.sigma(u, nfe))
    if abs(sigmas[0] - 1) < UNIPC_GUARD:
        sigmas[0] -= UNIPC_GUARD
    return _lambdas(sigmas)


def flow_dpm(noise: NoiseSchedule, nfe: int) -> Array:
    """u from 1 - 1 / T to 0 in N equal steps, of which the last ends the run."""
    u = 1.0 - np.linspace(1, 1 / noise.require_train_steps(), nfe + 1)
    return _lambdas(_clock(noise).shifting.sigma(u[:0:-1], nfe))


def flow_whole(noise: NoiseSchedule, nfe: int) -> Array:
    """Whole timesteps from T to 1."""
    return _whole(noise, np.linspace(noise.require_train_steps(), 1.0, nfe))


def flow_whole_open(noise: NoiseSchedule, nfe: int) -> Array:
    """Whole timesteps from T to 1 in N equal steps, of which the last ends the run."""
    return _whole(noise, np.linspace(noise.require_train_steps(), 1.0, nfe + 1)[:-1])


def flow_logit_normal(noise: NoiseSchedule, nfe: int) -> Array:
    """Quantiles of a normal distribution in lambda."""
    from scipy.special import expit, ndtri

    levels = np.log(_clock(noise).shifting.factor(nfe)) + 1.5 * ndtri(np.linspace(0.0, 1.0, nfe + 1))
    clean = np.clip(1.0 - expit(levels), 1 / (1 + np.exp(9.0)), 1 / (1 + np.exp(-7.5)))
    return _lambdas((1.0 - clean)[:0:-1])


def flow_uniform_lambda(noise: NoiseSchedule, nfe: int) -> Array:
    """Equal steps in lambda from -6.2 to 2; the first node is the noisiest level."""
    lambdas = np.linspace(-6.2, 2.0, nfe + 1)[:-1]
    lambdas[0] = noise.lambda_(noise.t_range[1])
    return lambdas


def flow_edm(noise: NoiseSchedule, nfe: int) -> Array:
    """Karras et al.'s rule between sigma~ of 200 and 0.01."""
    return edm_lambdas(-np.log(200.0), -np.log(0.01), 7.0, nfe)


def leading_from_0(noise: NoiseSchedule, nfe: int) -> Array:
    """Training indices in equal whole steps, upwards from 0."""
    stride = noise.require_train_steps() // nfe
    return noise.lambda_(noise.time_of_index(np.arange(nfe)[::-1] * stride))


def leading_open(noise: NoiseSchedule, nfe: int) -> Array:
    """Training indices in N + 1 equal whole steps, upwards from 1, without the cleanest."""
    stride = noise.require_train_steps() // (nfe + 1)
    return noise.lambda_(noise.time_of_index(np.arange(1, nfe + 1)[::-1] * stride + 1.0))


def uniform_t_open(noise: NoiseSchedule, nfe: int) -> Array:
    """Times from 1 to 0 in N equal steps, of which the last ends the run."""
    return noise.lambda_(np.clip(np.linspace(1.0, 0.0, nfe + 1)[:-1], *noise.t_range))


def _clock(noise: NoiseSchedule) -> ShiftedClock:
    if isinstance(noise.clock, ShiftedClock):
        return noise.clock
    raise ArgumentError("noise", "a flow model, with a shift", noise.name)


def _whole(noise: NoiseSchedule, timesteps: Array) -> Array:
    whole = timesteps.astype(np.int64).astype(np.float32)
    return _shifted(noise, whole / np.float32(noise.require_train_steps()))


def _shifted(noise: NoiseSchedule, u: Array) -> Array:
    clock = _clock(noise)
    return _lambdas(_stretched(clock, clock.shifting.sigma(u, len(u))))


def _stretched(clock: ShiftedClock, sigmas: Array) -> Array:
    """The sigmas stretched so that the last of this run is the model's terminal one."""
    if clock.shift_terminal is None:
        return sigmas
    clean = 1 - sigmas
    return np.asarray(1 - clean / (clean[-1] / (1 - clock.shift_terminal)))


def _lambdas(sigmas: Array) -> Array:
    # The scheduler keeps float32.
    return lambda_of_flow_sigma(np.minimum(sigmas.astype(np.float32).astype(np.float64), 1 - GUARD))
