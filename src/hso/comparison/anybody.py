"""A comparison of anybody's network, in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hso.comparison.outcome import Outcome
    from hso.noise import NoiseSchedule
    from hso.noise.base import Array
    from hso.solvers import Node, Solver


def compare(
    model: Callable[[Any, Node], Any],
    noise: NoiseSchedule,
    x: Any,
    *,
    prediction: str = "epsilon",
    solvers: Sequence[Solver | str] = ("ddim", "unipc", "dpmpp_2m"),
    budgets: Sequence[int] = (4, 5, 6, 8, 10),
    schedules: Sequence[str] = ("all",),
    terminal: str = "clean",
    features: Callable[[Array], Array] | str | None = None,
    data: ArrayLike | None = None,
    also: Sequence[str] = (),
    reference_nfe: int = 100,
    batch: int | None = None,
    name: str = "model",
    resamples: int = 1000,
    folder: str | Path | None = None,
    progress: Callable[[str, int, int], object] | None = None,
) -> Outcome:
    """Find out which sampling schedule is best for a network. ``hso compare`` does the same for models with a name.

    Every schedule is sampled from the states x with every solver and number of network calls. Its images are compared with
    those of a reference with many steps, and with real data if there are some. All figures have intervals. Images are rows
    of the shape of x. Schedules that are measured on the network (such as GITS) are measured on the first batch of x.

    Args:
        model: The network, called as ``model(x, node)`` with a batch of states and a :class:`hso.solvers.Node`.
        noise: The model's noise schedule.
        x: B states at the noisiest time, an array or a tensor of shape (B, ...). B is the number of images.
        prediction: What the network predicts: "epsilon", "sample", "v_prediction" or "flow_prediction".
        solvers: Solvers, or their names.
        budgets: Numbers of network calls.
        schedules: Names of contestants (:mod:`hso.comparison.contestants`), or files of saved schedules; "all" means all.
        terminal: Where all land: "clean", "t_min", or "published" (UniPC on t_min, the others on the clean sample).
        features: In what images are compared: a function from images to rows, shape (B, d), or the name of one:
            "pixels", "inception", "classifier", "transformers:ID_OR_FOLDER". Pixels by default.
        data: Real images of the shape of x, or rows of their features.
        also: Metrics besides the usual ones: "kid", "precision", "recall". They need ``data``.
        reference_nfe: Network calls of the reference.
        batch: Number of states that go through the network together; all by default. A network that knows the labels of
            all states needs all.
        name: The model's name in the report.
        resamples: Number of bootstrap resamples.
        folder: Folder of the run, in which a stopped run goes on; a temporary one by default.
        progress: Called with the stage ("sampling" or "judging"), the amount that was done, and the total.

    Returns:
        The outcome, with ``.best(solver, nfe, metric)``, ``.standings(metric)`` and ``.rows``. Its ``.write(folder)``
        writes the report.

    Raises:
        ArgumentError: If an argument is unusable.
        FileError: If the folder holds another run, or cannot be written.
        MissingExtraError: If an optional dependency is not installed.

    Example:
        >>> import hso, numpy as np
        >>> from hso.models.gaussian import GaussianModel
        >>> model, noise = GaussianModel.power_law(8), hso.NoiseSchedule.preset("sd1.5")
        >>> x = np.random.default_rng(0).standard_normal((100, 64))
        >>> outcome = hso.compare(
        ...     model.x0, noise, x, prediction="sample", solvers=["ddim"], budgets=[4], schedules=["trailing", "arctan"]
        ... )
        >>> outcome.best("ddim", 4, "error").names
        ('arctan',)
    """
    # The comparison imports much that no other part of the library needs.
    from hso.comparison.runs.run import compare_callable
    from hso.comparison.runs.settings import ComparisonSettings
    from hso.comparison.subjects import SubjectSettings
    from hso.comparison.subjects.anybody import CallableSubject

    subject = CallableSubject(model, noise, x, prediction, name, features, data, batch)
    settings = ComparisonSettings(
        SubjectSettings(name, features=features if isinstance(features, str) else None),
        solvers=tuple(solvers),
        budgets=tuple(budgets),
        schedules=tuple(schedules),
        samples=len(x),
        terminal=terminal,
        reference_nfe=reference_nfe,
        batch=len(x) if batch is None else batch,
        also=tuple(also),
    )
    return compare_callable(settings, subject, folder, resamples, progress)
