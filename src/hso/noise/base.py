r"""The noise schedule of a trained model.

A noisy sample is :math:`x_t = \alpha_t x_0 + \sigma_t \epsilon`. Everything the library needs to know about a model is

- the *path*, how :math:`\alpha` and :math:`\sigma` follow from :math:`\lambda = \log(\alpha / \sigma)`, and
- the *clock*, the strictly decreasing map :math:`t \mapsto \lambda(t)` on [0, 1], where t = 1 is noise.

A family of models is a subclass that gives both. Nothing outside the subclasses may assume more, in particular not
:math:`\alpha^2 + \sigma^2 = 1`. All numbers are float64; every method maps arrays elementwise.

References:
    | Score-Based Generative Modeling through Stochastic Differential Equations (Song et al., 2021)
    | https://arxiv.org/abs/2011.13456
    | Variational Diffusion Models (Kingma et al., 2021)
    | https://arxiv.org/abs/2107.00630
"""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hso.errors import ArgumentError, check_real
from hso.noise.traits import Traits

Array = NDArray[np.floating[Any]]
# A level beyond the noisiest or the cleanest by less, relatively, is meant to be that one.
SLACK = 1e-9


class NoiseSchedule(ABC):
    r""":math:`\alpha_t`, :math:`\sigma_t` and :math:`\lambda_t` of a trained model; never chosen by this library.

    Make one with :meth:`preset`, :meth:`from_config`, :meth:`from_betas`, :meth:`from_alphas_cumprod`,
    :meth:`linear_vp`, :meth:`cosine`, :meth:`sub_vp`, :meth:`edm`, :meth:`rectified_flow` or :meth:`from_table`.

    Attributes:
        name: What to call it in tables and files.
        train_steps: Number of training timesteps; None where the model takes a continuous noise level only.
        traits: What else is known of the model.
        sigma_data: Standard deviation of the data, where the model says it.

    Example:
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> float(noise.sigmas(1.0).round(4))
        14.6146
    """

    name: str
    train_steps: int | None
    traits: Traits = Traits()
    sigma_data: float = 1.0

    # The clock.

    @property
    @abstractmethod
    def t_range(self) -> tuple[float, float]:
        r"""The closed range of t in which :math:`\lambda` is finite and can be a node."""

    @abstractmethod
    def _lambda(self, t: Array) -> Array: ...

    @abstractmethod
    def _time(self, lambda_: Array) -> Array: ...

    # The path.

    @abstractmethod
    def log_alpha(self, lambda_: Any) -> Any:
        r""":math:`\log\alpha` at :math:`\lambda`. Accepts complex input, for derivatives by the complex step."""

    @abstractmethod
    def log_sigma(self, lambda_: Any) -> Any:
        r""":math:`\log\sigma` at :math:`\lambda`. Accepts complex input, for derivatives by the complex step."""

    @abstractmethod
    def log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        r"""First and second derivative of :math:`\log\sigma` with respect to :math:`\lambda`."""

    def network_log_sigma(self, lambda_: Any) -> Any:
        r""":math:`\log\sigma` of the network's own input, whose signal and noise together have unit variance or less.

        The error proxy of Eq. 8 is a statement about the network, and so about this sigma. It is :meth:`log_sigma`
        unless the model scales its input first, as EDM does. Accepts complex input.
        """
        return self.log_sigma(lambda_)

    def network_log_sigma_derivatives(self, lambda_: Array) -> tuple[Array, Array]:
        r"""First and second derivative of :meth:`network_log_sigma` with respect to :math:`\lambda`."""
        return self.log_sigma_derivatives(lambda_)

    @abstractmethod
    def _definition(self) -> bytes:
        """The numbers that define this schedule, for the fingerprint."""

    # What follows from them.

    def lambda_(self, t: ArrayLike) -> Array:
        r""":math:`\lambda(t) = \log(\alpha_t / \sigma_t)`, half the log signal-to-noise ratio.

        Raises:
            ArgumentError: If a time is not in [0, 1].
        """
        t = np.asarray(t, dtype=np.float64)
        if not np.all((t >= 0) & (t <= 1)):
            raise ArgumentError("t", "times in [0, 1], where 1 is noise", t, "a training index? see time_of_index")
        return self._lambda(t)

    def time(self, lambda_: ArrayLike) -> Array:
        r"""The t with :math:`\lambda(t)` = ``lambda_``; what lies beyond the ends maps to the ends of [0, 1]."""
        return self._time(np.asarray(lambda_, dtype=np.float64))

    def sigmas(self, t: ArrayLike) -> Array:
        r""":math:`\tilde\sigma = \sigma_t / \alpha_t = e^{-\lambda(t)}`, which k-diffusion and diffusers call sigmas."""
        return np.exp(-self.lambda_(t))

    def time_of_sigma(self, sigma: float) -> float:
        r"""The time at which :math:`\tilde\sigma = \sigma / \alpha` is this; the inverse of :meth:`sigmas`.

        Raises:
            ArgumentError: If the noise schedule has no such level.

        Example:
            >>> round(NoiseSchedule.preset("sd2.1").time_of_sigma(5.0), 4)
            0.7962
        """
        low, high = self.sigmas(self.t_range).tolist()
        level = check_real("sigma", sigma, low * (1 - SLACK), high * (1 + SLACK), "sigma / alpha")
        return float(np.clip(self.time(-np.log(level)), *self.t_range))

    def alpha_t(self, t: ArrayLike) -> Array:
        r"""Signal scale :math:`\alpha_t`."""
        return np.asarray(np.exp(self.log_alpha(self.lambda_(t))))

    def sigma_t(self, t: ArrayLike) -> Array:
        r"""Noise scale :math:`\sigma_t`."""
        return np.asarray(np.exp(self.log_sigma(self.lambda_(t))))

    def time_of_index(self, index: ArrayLike) -> Array:
        """Time of a training index: t = (n + 1) / N_train, fractional n included."""
        return (np.asarray(index, dtype=np.float64) + 1) / self.require_train_steps()

    def index_of_time(self, t: ArrayLike) -> Array:
        """Fractional training index of a time: n = t N_train - 1."""
        return np.asarray(t, dtype=np.float64) * self.require_train_steps() - 1

    def timestep_of_time(self, t: ArrayLike) -> Array:
        """What the network is told at a time: its training index, or t itself where it has none.

        A family whose network is told something else overrides this and :meth:`time_of_timestep` together.
        """
        return np.asarray(t, dtype=np.float64) if self.train_steps is None else self.index_of_time(t)

    def time_of_timestep(self, timestep: ArrayLike) -> Array:
        """The time at which the network is told this; the inverse of :meth:`timestep_of_time`."""
        return np.asarray(timestep, dtype=np.float64) if self.train_steps is None else self.time_of_index(timestep)

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
        """Time at which the model changes from its first network to its second; None where there is one only."""
        if self.traits.boundary is None or self.train_steps is None:
            return None
        return float(self.time_of_timestep(self.traits.boundary * self.train_steps))

    def with_traits(self, traits: Traits) -> NoiseSchedule:
        """The same noise schedule, of a model with these traits."""
        twin = copy.copy(self)
        twin.traits = traits
        return twin

    @property
    def max_nfe(self) -> int:
        """Most nodes a sampling schedule may have: one for each training timestep, 1000 if there are none."""
        return self.train_steps or 1000

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the family and its constants; equal means same schedule."""
        return hashlib.sha256(type(self).__name__.encode() + self._definition()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, train_steps={self.train_steps})"

    # Constructors. They import their family when called, so that a family can import this class.

    @staticmethod
    def preset(name: str, *, image_seq_len: int | None = None) -> NoiseSchedule:
        """The noise schedule of a well-known model; ``hso presets`` lists the names.

        Args:
            name: The preset's name.
            image_seq_len: Tokens of the image, for models whose shift depends on it; the preset's own by default.

        Raises:
            ArgumentError: If the name is unknown (the nearest is suggested), or the model was distilled onto fixed
                noise levels.
        """
        from hso.noise.presets import load_preset

        return load_preset(name, image_seq_len)

    @staticmethod
    def from_config(config: Any, name: str | None = None, *, image_seq_len: int | None = None) -> NoiseSchedule:
        """Read a diffusers configuration.

        Args:
            config: A ``scheduler_config.json`` or a model folder (path), its content (dict), a scheduler or a pipeline.
            name: What to call it; by default what the source says of itself.
            image_seq_len: Tokens of the image, for ``use_dynamic_shifting``; ``max_image_seq_len`` by default.

        Raises:
            ArgumentError: If a field is missing, unknown or impossible, or the model was distilled onto fixed levels.
            FileError: If the file is missing or is not JSON.
        """
        from hso.noise.config import read_config

        return read_config(config, name, image_seq_len)

    @staticmethod
    def from_betas(betas: ArrayLike, name: str = "betas") -> NoiseSchedule:
        r"""Discrete variance-preserving schedule with :math:`\alpha_n^2 = \prod_{k \le n} (1 - \beta_k)`.

        Args:
            betas: Shape (N_train,), each in (0, 1).
            name: What to call it.
        """
        from hso.noise.discrete import DiscreteVP

        return DiscreteVP.from_betas(betas, name)

    @staticmethod
    def from_alphas_cumprod(alphas_cumprod: ArrayLike, name: str = "alphas_cumprod") -> NoiseSchedule:
        r"""Discrete variance-preserving schedule from :math:`\alpha_n^2`, shape (N_train,), strictly decreasing."""
        from hso.noise.discrete import DiscreteVP

        return DiscreteVP(alphas_cumprod, name)

    @staticmethod
    def linear_vp(beta_0: float = 0.1, beta_1: float = 20.0, train_steps: int | None = 1000) -> NoiseSchedule:
        r"""Continuous variance-preserving schedule with linear :math:`\beta(t)` (Song et al., 2021, Eq. 32)."""
        from hso.noise.linear import LinearVP

        return LinearVP(beta_0, beta_1, train_steps)

    @staticmethod
    def cosine(s: float = 0.008, train_steps: int | None = 1000) -> NoiseSchedule:
        """Continuous cosine schedule (Nichol and Dhariwal, 2021, Eq. 17)."""
        from hso.noise.cosine import CosineVP

        return CosineVP(s, train_steps)

    @staticmethod
    def sub_vp(beta_0: float = 0.1, beta_1: float = 20.0, train_steps: int | None = 1000) -> NoiseSchedule:
        r"""Continuous sub-VP schedule, :math:`\sigma = 1 - \alpha^2` (Song et al., 2021, Eq. 29)."""
        from hso.noise.sub_vp import SubVP

        return SubVP(beta_0, beta_1, train_steps)

    @staticmethod
    def edm(sigma_min: float = 0.002, sigma_max: float = 80.0, sigma_data: float = 0.5) -> NoiseSchedule:
        r"""Variance-exploding schedule with EDM's preconditioning (Karras et al., 2022): :math:`\alpha = 1`.

        Args:
            sigma_min: Cleanest noise level.
            sigma_max: Noisiest noise level.
            sigma_data: Standard deviation of the data, in the same units.
        """
        from hso.noise.edm import EDM

        return EDM(sigma_min, sigma_max, sigma_data)

    @staticmethod
    def rectified_flow(
        shift: float = 1.0, *, shift_terminal: float | None = None, train_steps: int = 1000
    ) -> NoiseSchedule:
        r"""Rectified flow, :math:`\alpha = 1 - \sigma`, on the clock that a shift bends.

        Args:
            shift: :math:`s` of :math:`\sigma = s u / (1 + (s - 1) u)`; :func:`hso.noise.dynamic_shift` computes the one
                that depends on the resolution.
            shift_terminal: Sigma of the cleanest training timestep, where the model has one.
            train_steps: The network is told sigma times this.
        """
        from hso.noise.flow import RectifiedFlow

        return RectifiedFlow(shift, shift_terminal, train_steps)

    @staticmethod
    def from_table(
        times: ArrayLike, lambdas: ArrayLike, *, path: str = "vp", name: str = "table", train_steps: int | None = None
    ) -> NoiseSchedule:
        r"""A measured or learned schedule: :math:`\lambda` at given times, monotone cubic between them.

        Args:
            times: t, shape (M,), strictly increasing within [0, 1].
            lambdas: :math:`\lambda` there, shape (M,), strictly decreasing.
            path: "vp", "sub_vp", "ve" or "flow".
            name: What to call it.
            train_steps: Number of training timesteps, if the model has them.
        """
        from hso.noise.table import table

        return table(times, lambdas, path, name, train_steps)


def describe_source(path: str | Path) -> str:
    """Name of a schedule read from a file: the folder it belongs to."""
    path = Path(path).resolve()
    folder = path if path.is_dir() else path.parent
    return folder.parent.name if folder.name == "scheduler" else folder.name
