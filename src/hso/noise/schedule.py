r"""The noise schedule of a trained model.

A noisy sample is :math:`x_t = \alpha_t x_0 + \sigma_t \epsilon`. Two things define it:

- the *path* gives :math:`\alpha` and :math:`\sigma` at :math:`\lambda = \log(\alpha / \sigma)` (:mod:`hso.noise.path`), and
- the *clock* is the strictly decreasing map :math:`t \mapsto \lambda(t)` on [0, 1], where t = 1 is noise
  (:mod:`hso.noise.clock`).

All numbers are float64; every method maps arrays elementwise.

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021)
    | https://arxiv.org/abs/2011.13456
    | Variational Diffusion Models (Kingma et al., 2021)
    | https://arxiv.org/abs/2107.00630
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hso.errors import ArgumentError, check_real
from hso.noise.base import MOST_LAMBDA, Array
from hso.noise.clock import TRAINING_INDEX, Clock
from hso.noise.config import read_mapping, read_source
from hso.noise.cosine import CosineClock
from hso.noise.discrete import DiscreteClock
from hso.noise.edm import LogUniformClock
from hso.noise.flow import ShiftedClock
from hso.noise.levels import lambda_of_sigma, sigma_of_lambda
from hso.noise.linear import LinearClock
from hso.noise.path import STRAIGHT, SUB_VP, VP, Path, VarianceExploding, as_path
from hso.noise.presets import find_preset
from hso.noise.table import TableClock
from hso.noise.told import usually_told
from hso.noise.traits import UNKNOWN, Traits

# A level that lies beyond an end by less than this share of it counts as the end.
SLACK = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class NoiseSchedule:
    r""":math:`\alpha_t`, :math:`\sigma_t` and :math:`\lambda_t` of a trained model; this library never chooses them.

    Make one with :meth:`preset`, :meth:`from_config`, :meth:`from_betas`, :meth:`from_alphas_cumprod`,
    :meth:`linear_vp`, :meth:`cosine`, :meth:`sub_vp`, :meth:`edm`, :meth:`rectified_flow` or :meth:`from_table`, or from a
    clock and a path of your own.

    Attributes:
        clock: The map from t to :math:`\lambda`, and what the network is told.
        path: :math:`\alpha` and :math:`\sigma` as functions of :math:`\lambda`.
        name: What to call it in tables and files.
        traits: What else is known about the model.

    Raises:
        ArgumentError: If :math:`|\lambda|` is above 300 at an end of the clock's range.

    Example:
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> float(noise.sigmas(1.0).round(4))
        14.6146
    """

    clock: Clock
    path: Path
    name: str
    traits: Traits = UNKNOWN

    def __post_init__(self) -> None:
        ends = self.clock.lambda_(np.array(self.clock.t_range))
        if not np.abs(ends).max() <= MOST_LAMBDA:
            expected = f"noise levels with lambda within {MOST_LAMBDA:g} of 0"
            raise ArgumentError(
                "noise", expected, ends, f"{self.name} leaves no signal, or no noise, that a float can hold"
            )

    # The clock.

    @property
    def t_range(self) -> tuple[float, float]:
        r"""The smallest and the largest t that can be a node. :math:`\lambda` is finite at both and between them."""
        return self.clock.t_range

    @property
    def train_steps(self) -> int | None:
        """Number of training timesteps; None if the model takes a continuous noise level only."""
        return self.clock.train_steps

    def lambda_(self, t: ArrayLike) -> Array:
        r""":math:`\lambda(t) = \log(\alpha_t / \sigma_t)`, half the log signal-to-noise ratio.

        Raises:
            ArgumentError: If a time is not in [0, 1].
        """
        return self.clock.lambda_(t)

    def time(self, lambda_: ArrayLike) -> Array:
        r"""The t with :math:`\lambda(t)` = ``lambda_``; values beyond the ends are mapped to the ends of [0, 1]."""
        return self.clock.time(lambda_)

    def timestep_of_time(self, t: ArrayLike) -> Array:
        """What the network is told at a time; for most models the training index, or t if they have none."""
        return self.clock.timestep_of_time(t)

    def time_of_timestep(self, timestep: ArrayLike) -> Array:
        """The time at which the network is told this; the inverse of :meth:`timestep_of_time`."""
        return self.clock.time_of_timestep(timestep)

    # The path.

    @property
    def sigma_data(self) -> float:
        """Standard deviation of the data if the path says it, else 1."""
        return self.path.sigma_data

    def log_alpha(self, lambda_: Any) -> Any:
        r""":math:`\log\alpha` at :math:`\lambda`. Complex input is allowed, for derivatives by the complex step."""
        return self.path.log_alpha(lambda_)

    def log_sigma(self, lambda_: Any) -> Any:
        r""":math:`\log\sigma` at :math:`\lambda`. Complex input is allowed, for derivatives by the complex step."""
        return self.path.log_sigma(lambda_)

    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        r"""First and second derivative of :math:`\log\sigma` with respect to :math:`\lambda`."""
        return self.path.log_sigma_derivatives(lambda_)

    def network_log_sigma(self, lambda_: Any) -> Any:
        r""":math:`\log\sigma` of the network's own input; see :mod:`hso.noise.path`. Complex input is allowed."""
        return self.path.network_log_sigma(lambda_)

    def network_log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        r"""First and second derivative of :meth:`network_log_sigma` with respect to :math:`\lambda`."""
        return self.path.network_log_sigma_derivatives(lambda_)

    # What follows from them.

    def sigmas(self, t: ArrayLike) -> Array:
        r""":math:`\tilde\sigma = \sigma_t / \alpha_t = e^{-\lambda(t)}`, which k-diffusion and diffusers call sigmas."""
        return sigma_of_lambda(self.lambda_(t))

    def time_of_sigma(self, sigma: float) -> float:
        r"""The time at which :math:`\tilde\sigma = \sigma / \alpha` has this value; the inverse of :meth:`sigmas`.

        Raises:
            ArgumentError: If the noise schedule has no such level.

        Example:
            >>> round(NoiseSchedule.preset("sd2.1").time_of_sigma(5.0), 4)
            0.7962
        """
        low, high = self.sigmas(self.t_range).tolist()
        level = check_real("sigma", sigma, low * (1 - SLACK), high * (1 + SLACK), "sigma / alpha")
        return float(np.clip(self.time(lambda_of_sigma(level)), *self.t_range))

    def alpha_t(self, t: ArrayLike) -> Array:
        r"""Signal scale :math:`\alpha_t`."""
        return np.asarray(np.exp(self.log_alpha(self.lambda_(t))))

    def sigma_t(self, t: ArrayLike) -> Array:
        r"""Noise scale :math:`\sigma_t`."""
        return np.asarray(np.exp(self.log_sigma(self.lambda_(t))))

    def time_of_index(self, index: ArrayLike) -> Array:
        """Time of a training index: t = (n + 1) / N_train, fractional n included."""
        self.require_train_steps()
        return TRAINING_INDEX.time(np.asarray(index, dtype=np.float64), self.clock)

    def index_of_time(self, t: ArrayLike) -> Array:
        """Fractional training index of a time: n = t N_train - 1."""
        self.require_train_steps()
        return TRAINING_INDEX.timestep(np.asarray(t, dtype=np.float64), self.clock)

    def require_train_steps(self) -> int:
        """Number of training timesteps.

        Raises:
            ArgumentError: If the model takes a continuous noise level only.
        """
        if self.train_steps is None:
            raise ArgumentError("noise", "a schedule with training timesteps", self.name, "use times or sigmas")
        return self.train_steps

    @property
    def boundary_time(self) -> float | None:
        """Time at which the model changes from its first network to its second; None if it has one network."""
        if self.traits.boundary is None or self.train_steps is None:
            return None
        return float(self.time_of_timestep(self.traits.boundary * self.train_steps))

    def with_traits(self, traits: Traits) -> NoiseSchedule:
        """The same noise schedule for a model with these traits."""
        return replace(self, traits=traits)

    @property
    def max_nfe(self) -> int:
        """Most nodes that a sampling schedule may have: one for each training timestep, 1000 if there are none."""
        return self.train_steps or 1000

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that are equal for two noise schedules if clock and path are equal.

        They are the first digits of the SHA-256 of the clock, what the network is told, the path, and their constants.
        """
        kinds = f"{type(self.clock).__name__} {self.clock.told!r} {self.path!r} "
        return hashlib.sha256(kinds.encode() + self.clock.definition()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"NoiseSchedule(name={self.name!r}, path={self.path.name!r}, train_steps={self.train_steps})"

    # Constructors.

    @staticmethod
    def preset(name: str, *, image_seq_len: int | None = None) -> NoiseSchedule:
        """Return the noise schedule of a well-known model. The command ``hso presets`` lists the names.

        Args:
            name: The preset's name.
            image_seq_len: Tokens of the image, for models whose shift depends on it; by default the preset's own.

        Raises:
            ArgumentError: If the name is unknown (the nearest is suggested), or the model was distilled onto fixed
                noise levels.
        """
        preset = find_preset(name)
        return NoiseSchedule(*read_mapping(preset.config, image_seq_len, preset.pipeline or ""), name, preset.traits)

    @staticmethod
    def from_config(config: Any, name: str | None = None, *, image_seq_len: int | None = None) -> NoiseSchedule:
        """Read a diffusers configuration.

        Args:
            config: A ``scheduler_config.json`` or a model folder (path), its content (dict), a scheduler or a pipeline.
            name: What to call it; by default the name of the folder, the class or the object.
            image_seq_len: Tokens of the image, for ``use_dynamic_shifting``; ``max_image_seq_len`` by default.

        Raises:
            ArgumentError: If a field is missing, unknown or impossible, or the model was distilled onto fixed levels.
            FileError: If the file is missing or is not JSON.
        """
        return NoiseSchedule(*read_source(config, name, image_seq_len))

    @staticmethod
    def from_betas(betas: ArrayLike, name: str = "betas") -> NoiseSchedule:
        r"""Discrete variance-preserving schedule with :math:`\alpha_n^2 = \prod_{k \le n} (1 - \beta_k)`.

        Args:
            betas: Shape (N_train,), each in (0, 1).
            name: What to call it.
        """
        return NoiseSchedule(DiscreteClock.from_betas(betas), VP, name)

    @staticmethod
    def from_alphas_cumprod(alphas_cumprod: ArrayLike, name: str = "alphas_cumprod") -> NoiseSchedule:
        r"""Discrete variance-preserving schedule from :math:`\alpha_n^2`, shape (N_train,), strictly decreasing."""
        return NoiseSchedule(DiscreteClock(alphas_cumprod), VP, name)

    @staticmethod
    def linear_vp(beta_0: float = 0.1, beta_1: float = 20.0, train_steps: int | None = 1000) -> NoiseSchedule:
        r"""Continuous variance-preserving schedule with linear :math:`\beta(t)` (Song et al., 2021, Eq. 32)."""
        return NoiseSchedule(LinearClock(beta_0, beta_1, train_steps, VP), VP, f"linear_vp({beta_0:g}, {beta_1:g})")

    @staticmethod
    def cosine(s: float = 0.008, train_steps: int | None = 1000) -> NoiseSchedule:
        """Continuous cosine schedule (Nichol and Dhariwal, 2021, Eq. 17)."""
        return NoiseSchedule(CosineClock(s, train_steps), VP, f"cosine({s:g})")

    @staticmethod
    def sub_vp(beta_0: float = 0.1, beta_1: float = 20.0, train_steps: int | None = 1000) -> NoiseSchedule:
        r"""Continuous sub-VP schedule, :math:`\sigma = 1 - \alpha^2` (Song et al., 2021, Eq. 29)."""
        clock = LinearClock(beta_0, beta_1, train_steps, SUB_VP)
        return NoiseSchedule(clock, SUB_VP, f"sub_vp({beta_0:g}, {beta_1:g})")

    @staticmethod
    def edm(sigma_min: float = 0.002, sigma_max: float = 80.0, sigma_data: float = 0.5) -> NoiseSchedule:
        r"""Variance-exploding schedule with EDM's preconditioning (Karras et al., 2022): :math:`\alpha = 1`.

        Args:
            sigma_min: Cleanest noise level.
            sigma_max: Noisiest noise level.
            sigma_data: Standard deviation of the data, in the same units.
        """
        clock = LogUniformClock(sigma_min, sigma_max)
        return NoiseSchedule(clock, VarianceExploding(sigma_data), f"edm({sigma_min:g}, {sigma_max:g})")

    @staticmethod
    def rectified_flow(
        shift: float = 1.0, *, shift_terminal: float | None = None, train_steps: int = 1000
    ) -> NoiseSchedule:
        r"""Rectified flow, :math:`\alpha = 1 - \sigma`, with a shift of its times.

        Args:
            shift: s in :math:`\sigma = s u / (1 + (s - 1) u)`. If it depends on the resolution,
                :func:`hso.noise.dynamic_shift` computes it.
            shift_terminal: Sigma of the cleanest training timestep, if the model has one.
            train_steps: The network is told sigma times this.
        """
        clock = ShiftedClock(shift, shift_terminal, train_steps)
        return NoiseSchedule(clock, STRAIGHT, f"rectified_flow({clock.shift:g})")

    @staticmethod
    def from_table(
        times: ArrayLike,
        lambdas: ArrayLike,
        *,
        path: str | Path = "vp",
        name: str = "table",
        train_steps: int | None = None,
    ) -> NoiseSchedule:
        r"""A measured or learned schedule: :math:`\lambda` at given times, with a monotone cubic between them.

        Args:
            times: t, shape (M,), strictly increasing within [0, 1].
            lambdas: :math:`\lambda` there, shape (M,), strictly decreasing.
            path: "vp", "sub_vp", "ve" or "flow", or a path object.
            name: What to call it.
            train_steps: Number of training timesteps, if the model has them.
        """
        path = as_path(path)
        return NoiseSchedule(TableClock(times, lambdas, train_steps, usually_told(path)), path, name)
