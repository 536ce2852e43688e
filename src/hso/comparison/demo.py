"""The main job, done on the bundled model: schedules, samples drawn with them, and figures that compare them.

Every row starts from the same noise and asks for the same digits. The figures of a row are

- *accuracy*: the share of samples that the bundled classifier takes for the digit asked for,
- *frechet*: :func:`hso.objectives.frechet_distance` to the data, in that classifier's features,
- *error*: the root mean square of the difference from the reference, which is a solution with many evaluations.

Sampling runs one thread for each core with whole rows in each, so that figures do not depend on the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hso.errors import check_choice, check_integer, check_real
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.objectives import DMNonUniform
from hso.objectives.frechet import frechet_distance
from hso.objectives.mep import MidpointSum
from hso.optimize import optimize
from hso.rules import rule_schedule
from hso.schedule import CLEAN, TERMINALS, SamplingSchedule
from hso.search import Local
from hso.solvers import Node, make_solver, sample

if TYPE_CHECKING:
    import torch

Advance = Callable[[int], object]
# What diffusers' schedulers of these names use when nobody asks for anything else.
DEFAULT_RULES = {"ddim": "leading", "unipc": "linspace_open"}
REFERENCE = "reference"
REFERENCE_NFE = 24
# The bundled model works on pixels, for which DM-NonUniform takes this exponent and this start.
P, START = 1.0, "uniform_lambda"
# Samples that go through the network together.
BATCH = 50


@dataclass(frozen=True)
class Settings:
    """What the demo does.

    Attributes:
        budgets: Numbers of network evaluations.
        samples: Samples for each row, of the ten digits in turn.
        guidance: Scale of classifier-free guidance; 1 is none.
        terminal: Where the optimized schedules land: "clean" or "t_min".
        seed: Seed of the initial noise.

    Raises:
        ArgumentError: If one is unusable.
    """

    budgets: tuple[int, ...] = (4, 5, 8)
    samples: int = 100
    guidance: float = 3.0
    terminal: str = CLEAN
    seed: int = 0

    def __post_init__(self) -> None:
        for nfe in self.budgets:
            check_integer("nfe", nfe, 2, 100)
        check_integer("samples", self.samples, 10, 10_000)
        check_real("guidance", self.guidance, 0.0, 100.0)
        check_choice("terminal", self.terminal, TERMINALS)
        check_integer("seed", self.seed, 0, 2**63 - 1)


class Row(NamedTuple):
    """A schedule and the solver that samples with it."""

    solver: str
    name: str
    schedule: SamplingSchedule


class Figures(NamedTuple):
    """What is known of a row; see the module's docstring."""

    mep: float
    least_gap: float
    accuracy: float
    frechet: float
    error: float


class Outcome(NamedTuple):
    """All rows, the reference first, with their samples, shape (M, H, W), and figures."""

    noise: NoiseSchedule
    rows: list[Row]
    images: list[Array]
    figures: list[Figures]


def plan(noise: NoiseSchedule, settings: Settings) -> list[Row]:
    """The reference, and for every solver and budget the default, DM-NonUniform's schedule and HSO's."""
    told = noise.with_traits(replace(noise.traits, guidance=settings.guidance))
    # Later steps of UniPC are of order 3, so that few of them solve the equation well.
    rows = [Row("unipc", REFERENCE, rule_schedule("uniform_lambda", noise, REFERENCE_NFE))]
    for solver, rule in DEFAULT_RULES.items():
        for nfe in settings.budgets:
            options: dict[str, Any] = {"solver": solver, "terminal": settings.terminal}
            rival = optimize(noise, nfe, objective=DMNonUniform(p=P), strategy=Local(rule=START), **options)
            rows += [
                Row(solver, f"default ({rule.partition('_')[0]})", rule_schedule(rule, noise, nfe)),
                Row(solver, "DM-NonUniform", rival.schedule),
                Row(solver, "HSO", optimize(told, nfe, **options).schedule),
            ]
    return rows


def work(rows: Sequence[Row], settings: Settings) -> int:
    """Samples times network evaluations, over all rows: the unit of progress."""
    return settings.samples * sum(row.schedule.nfe for row in rows)


def bundled_noise() -> NoiseSchedule:
    """The noise schedule of the bundled model, read from its folder as from any other."""
    from hso.models.bundled import digits_folder

    return NoiseSchedule.from_config(digits_folder())


def run(noise: NoiseSchedule, rows: Sequence[Row], settings: Settings, advance: Advance | None = None) -> Outcome:
    """Sample every row and measure it.

    Args:
        noise: The bundled model's noise schedule.
        rows: What to sample; the first is the reference for the others' error.
        settings: How many samples, and of what.
        advance: Called with the amount of work that was just done.

    Raises:
        MissingExtraError: If torch or diffusers is not installed.
    """
    from hso.models.bundled import load_digits_model

    unet = load_digits_model()
    start, labels = _begin(settings)

    def solve(row: Row, part: slice) -> Array:
        return _solve(_Model(unet, noise, labels[part], settings.guidance, advance), row, start[part])

    parts = [slice(first, first + BATCH) for first in range(0, settings.samples, BATCH)]
    images = _on_all_cores(solve, [(row, part) for row in rows for part in parts])
    batches = [np.concatenate(images[first : first + len(parts)]) for first in range(0, len(images), len(parts))]
    return Outcome(noise, list(rows), [batch[:, 0] for batch in batches], _figures(noise, rows, batches, labels))


def _begin(settings: Settings) -> tuple[torch.Tensor, torch.Tensor]:
    """The initial noise and the labels."""
    import torch

    from hso.models.bundled import SIZE

    generator = torch.Generator().manual_seed(settings.seed)
    start = torch.randn(settings.samples, 1, SIZE, SIZE, generator=generator)
    return start, torch.arange(settings.samples) % 10


class _Model:
    """The network with guidance, as solvers call it; it reports what it has done."""

    def __init__(
        self, unet: Any, noise: NoiseSchedule, labels: torch.Tensor, guidance: float, advance: Advance | None
    ) -> None:
        from hso.models.bundled import guided

        self.predict = guided(unet, labels, guidance)
        self.noise = noise
        self.advance = advance

    def __call__(self, x: torch.Tensor, node: Node) -> torch.Tensor:
        eps = self.predict(x, float(self.noise.index_of_time(node.t)))
        if self.advance is not None:
            self.advance(len(x))
        return eps


def _solve(model: _Model, row: Row, x: torch.Tensor) -> Array:
    """Samples from -1 to 1, shape (M, 1, H, W)."""
    import torch

    with torch.inference_mode():
        images = sample(make_solver(row.solver), model, model.noise, row.schedule, x)
    return np.asarray(images.clamp(-1, 1))


def _on_all_cores(function: Callable[..., Any], jobs: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The results of a torch function, with one thread for each core rather than all cores for each operation.

    Images this small leave the threads of one operation little to do but wait for each other.
    """
    import torch

    cores = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            futures: list[Future[Any]] = [pool.submit(function, *job) for job in jobs]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        torch.set_num_threads(cores)


def _figures(
    noise: NoiseSchedule, rows: Sequence[Row], batches: Sequence[Array], labels: torch.Tensor
) -> list[Figures]:
    import torch

    from hso.models.bundled import load_digits_classifier, load_digits_moments

    classifier, data, mep = load_digits_classifier(), load_digits_moments(), MidpointSum(noise, P)
    figures = []
    for row, images in zip(rows, batches, strict=True):
        features = classifier.features(torch.from_numpy(images))
        right = classifier.head(features).argmax(dim=1) == labels
        rows_of_features = np.asarray(features, dtype=np.float64)
        figures.append(
            Figures(
                mep=float(mep.value(row.schedule.knots)),
                least_gap=float(-np.diff(row.schedule.knot_times).max()),
                accuracy=float(right.double().mean()),
                frechet=frechet_distance(rows_of_features.mean(axis=0), np.cov(rows_of_features.T), *data),
                error=float(np.sqrt(np.mean((images - batches[0]) ** 2, dtype=np.float64))),
            )
        )
    return figures
