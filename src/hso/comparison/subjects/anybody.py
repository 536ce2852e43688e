"""Any callable as a subject: a function of a state and a node, and the states that it starts from."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hso.comparison.subjects.base import LoopSubject, Start, channels_last, noisiest_scale
from hso.comparison.subjects.features import Features, named_features
from hso.errors import ArgumentError, check_choice
from hso.models.bundled import Moments, moments_of
from hso.models.teacher import Network, Teacher
from hso.noise import NoiseSchedule
from hso.noise.base import Array, as_array
from hso.schedule import SamplingSchedule
from hso.solvers import PREDICTIONS, Node, Solver

# Fewer images give no interval.

LEAST_STATES = 10


@dataclass(eq=False)
class CallableSubject(LoopSubject):
    """Somebody's own network, which starts from somebody's own states. Images are rows of these states' shape.

    Attributes:
        model: The network: states and a node of the sampling loop to its prediction.
        noise: Its noise schedule.
        x: States at the noisiest time, an array or a tensor of shape (B, ...).
        prediction: What the network predicts.
        name: The name in reports.
        given_features: A function from images to rows of features, or the name of one; None for pixels.
        given_data: Real images of the same shape, or rows of their features, or None.
        batch: Number of states that go through the network together; None for all.

    Raises:
        ArgumentError: If a value is unusable.
    """

    model: Network
    noise: NoiseSchedule
    x: Any
    prediction: str = "epsilon"
    name: str = "model"
    given_features: Features | str | None = None
    given_data: ArrayLike | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        if not callable(self.model):
            raise ArgumentError("model", "a function of a state and a node", self.model)
        if not isinstance(self.noise, NoiseSchedule):
            raise ArgumentError(
                "noise", "a NoiseSchedule", self.noise, "NoiseSchedule.preset(name) or .from_config(path)"
            )
        check_choice("prediction", self.prediction, PREDICTIONS)
        shape = tuple(getattr(self.x, "shape", ()))
        if len(shape) < 2 or shape[0] < LEAST_STATES:
            expected = f"an array or a tensor of shape (B, ...) with at least {LEAST_STATES} states"
            raise ArgumentError("x", expected, f"shape {shape}" if shape else type(self.x).__name__)
        self.shape = shape[1:]
        self.identity = {"noise": self.noise.fingerprint, "x": hashlib.sha256(as_array(self.x).tobytes()).hexdigest()}
        self._features = self._feature_function()
        self.moments, self.data = self._real_data()

    def begin(self, images: range) -> Start:
        return Start(images, self.x[images.start : images.stop] / noisiest_scale(self.noise))

    def sample(self, solver: Solver | str, schedule: SamplingSchedule, start: Start) -> Array:
        with _without_gradients(start.noise):
            return super().sample(solver, schedule, start)

    def network(self, images: range) -> Network:
        return self.model

    def teacher(self) -> Teacher:
        """Measured on the first batch of the states themselves, since there are no others."""
        return Teacher(self._quiet, self.noise, self.x[: self.batch], prediction=self.prediction)

    def features(self, images: Array) -> Array:
        rows = np.asarray(self._features(images), dtype=np.float64)
        if rows.ndim != 2 or len(rows) != len(images):
            raise ArgumentError("features", f"{len(images)} rows for as many images", f"shape {rows.shape}")
        return rows

    def pictures(self, images: Array) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return super().pictures(channels_last(images))

    def _quiet(self, x: Any, node: Node) -> Any:
        with _without_gradients(x):
            return self.model(x, node)

    def _feature_function(self) -> Features:
        given = "pixels" if self.given_features is None else self.given_features
        if callable(given):
            return given
        named = named_features(given, "cpu")
        return lambda images: named(channels_last(images))

    def _real_data(self) -> tuple[Moments | None, Callable[[], Array] | None]:
        if self.given_data is None:
            return None, None
        given = as_array(self.given_data)
        rows = self.features(given) if given.shape[1:] == self.shape else given
        if rows.ndim != 2 or len(rows) < 2 or not np.all(np.isfinite(rows)):
            expected = f"images of shape (n, {', '.join(map(str, self.shape))}), or rows of features"
            raise ArgumentError("data", expected, f"shape {given.shape}")
        return moments_of(rows), lambda: rows


def _without_gradients(x: Any) -> AbstractContextManager[Any]:
    """Tensors remember every step unless they are told not to, and that fills the memory."""
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None or not isinstance(x, torch.Tensor) else torch.no_grad()
