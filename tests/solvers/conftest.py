"""A path that is not variance preserving, and the solvers in all their settings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hso.noise import Clock, NoiseSchedule
from hso.noise.path import STRAIGHT
from hso.schedule import SamplingSchedule
from hso.solvers import DDIM, DEIS, DPMSolverPP, DPMSolverPP2S, Heun, Solver, UniPC


class UniformClock(Clock):
    """sigma = t, and a network that is told its training index."""

    train_steps = 1000

    @property
    def t_range(self) -> tuple[float, float]:
        return 1e-3, 0.999

    def _lambda(self, t: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log1p(-t) - np.log(t)

    def _time(self, lambda_: Any) -> Any:
        return np.exp(STRAIGHT.log_sigma(lambda_))

    def definition(self) -> bytes:
        return b"uniform"


NOISES = {
    "discrete": NoiseSchedule.preset("sd2.1"),
    "linear": NoiseSchedule.linear_vp(),
    "cosine": NoiseSchedule.cosine(),
    "straight": NoiseSchedule(UniformClock(), STRAIGHT, "straight"),
}
EVERY_SOLVER: tuple[Solver, ...] = (
    DDIM(),
    *(DPMSolverPP(order) for order in (1, 2, 3)),
    DPMSolverPP2S(),
    *(DEIS(order) for order in (1, 2, 3)),
    Heun(),
    *(
        UniPC(order, variant, corrector)
        for order in (1, 2, 3)
        for variant in ("bh1", "bh2")
        for corrector in (True, False)
    ),
)


def _schedule(noise: NoiseSchedule, nfe: int, terminal: str = "clean", seed: int = 0) -> SamplingSchedule:
    """Irregular nodes over the whole range of the noise schedule."""
    gaps = np.random.default_rng(seed).uniform(0.5, 1.5, nfe + 1)
    places = np.cumsum(gaps) / gaps.sum()
    t_min, t_max = noise.t_range
    low, high = noise.lambda_([t_max, t_min])
    knots = low + (high - low) * (places - places[0])
    return SamplingSchedule.from_knots(noise, knots[:-1] if terminal == "clean" else knots, terminal)


@pytest.fixture(scope="session")
def make_schedule() -> Callable[..., SamplingSchedule]:
    return _schedule


@pytest.fixture(scope="session", params=NOISES.values(), ids=NOISES)
def noise(request: pytest.FixtureRequest) -> NoiseSchedule:
    return request.param


@pytest.fixture(scope="session")
def discrete() -> NoiseSchedule:
    return NOISES["discrete"]


@pytest.fixture(scope="session")
def linear() -> NoiseSchedule:
    return NOISES["linear"]


@pytest.fixture(scope="session")
def straight() -> NoiseSchedule:
    return NOISES["straight"]


@pytest.fixture(scope="session", params=EVERY_SOLVER, ids=repr)
def solver(request: pytest.FixtureRequest) -> Solver:
    return request.param


@pytest.fixture(scope="session", params=["clean", "t_min"])
def terminal(request: pytest.FixtureRequest) -> str:
    return request.param
