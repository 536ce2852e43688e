"""The options that all recipes share.

Without any, a recipe draws 100 images with the bundled digits model at guidance 3 and compares them in the features of the
model's own classifier. With a pipeline it draws as many as the paper did, compares in Inception's features, and needs

- ``--data``: a folder of real images, all of one size (resize and crop them first);
- ``--captions``: a text file with one caption a line, as many as images. Image i is drawn with caption i.

``--images 0`` prints only what needs no model. A stopped run goes on where it was; ``accelerate launch -m`` in place of
``python -m`` shares it among devices.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path

from benchmarks.paper.published import DATASETS, MODELS

from hso.comparison.runs.judge import RESAMPLES
from hso.comparison.runs.settings import PUBLISHED, ComparisonSettings
from hso.comparison.subjects import SUBJECTS, SubjectSettings
from hso.errors import ArgumentError

BUNDLED, BUNDLED_GUIDANCE, BUNDLED_IMAGES, QUICK_IMAGES = "digits", 3.0, 100, 50


@dataclass(frozen=True)
class Options:
    """How a recipe is run.

    Attributes:
        subject: The model, and how it is judged.
        images: Images for each schedule; 0 for none.
        runs: Folder of the run.
        batch: Images that go through the network together.
        processes: Local processes.
        reference_nfe: Evaluations of the many-step reference.
        resamples: Of the bootstrap.
        quick: Whether long searches are cut short.
    """

    subject: SubjectSettings
    images: int
    runs: Path
    batch: int
    processes: int
    reference_nfe: int
    resamples: int
    quick: bool

    def settings(
        self, solvers: tuple[str, ...], budgets: tuple[int, ...], schedules: tuple[str, ...], run: int = 0
    ) -> ComparisonSettings:
        """A comparison in which each solver lands where it was published to; each run has a seed of its own.

        Raises:
            ArgumentError: If something is unusable.
        """
        subject = dataclasses.replace(self.subject, seed=self.subject.seed + run)
        return ComparisonSettings(
            subject, solvers, budgets, schedules, self.images, PUBLISHED, self.reference_nfe, self.batch
        )


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The shared options, to which a recipe adds its own."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(MODELS)
    made.add_argument(
        "--model", default=BUNDLED, help=f"{names}, a pipeline folder, a hub id, or {', '.join(SUBJECTS)}"
    )
    made.add_argument("--data", type=Path, help="folder of real images")
    made.add_argument("--captions", type=Path, help="text file with one caption a line")
    made.add_argument("--guidance", type=float, help="scale; the pipeline's own by default, 3 for the bundled model")
    made.add_argument("--images", type=int, help="for each schedule; the paper's count by default, 0 for none")
    made.add_argument("--seed", type=int, default=0, help="of the initial noise")
    made.add_argument("--features", help="pixels or inception, if not the model's own")
    made.add_argument("--device", default="cpu", help="where torch models run")
    made.add_argument("--batch", type=int, default=10, help="images in one call")
    made.add_argument("--processes", type=int, default=1, help="local processes")
    made.add_argument("--reference-nfe", type=int, help="evaluations of the many-step reference, 20 by default")
    made.add_argument("--resamples", type=int, help="of the bootstrap")
    made.add_argument("--runs", type=Path, help="folder of the run, runs/paper/TABLE by default")
    made.add_argument("--quick", action="store_true", help="few images, and long searches cut short: does it work?")
    return made


def read(given: argparse.Namespace, table: str, dataset: str) -> Options:
    """The options, with the defaults of a table and its dataset.

    Raises:
        ArgumentError: If a pipeline comes without data, or one that the paper does not have without guidance.
    """
    model = MODELS[given.model].hub if given.model in MODELS else given.model
    bundled = model in SUBJECTS
    if given.data is None and not bundled and given.images != 0:
        raise ArgumentError("data", "a folder of real images, to which FID is taken", None)
    images = QUICK_IMAGES if given.quick else BUNDLED_IMAGES if bundled else DATASETS[dataset].images
    guidance = usual_guidance(model) if given.guidance is None else given.guidance
    features = given.features or ("inception" if given.captions else None)
    return Options(
        SubjectSettings(model, guidance, given.seed, given.device, features, given.data, given.captions),
        images=_or(given.images, images),
        runs=given.runs or Path("runs/paper") / table,
        batch=given.batch,
        processes=given.processes,
        reference_nfe=_or(given.reference_nfe, 2 if given.quick else 20),
        resamples=_or(given.resamples, RESAMPLES),
        quick=given.quick,
    )


def paper_model(model: str) -> str | None:
    """The paper's name for a model by its hub id or the name of its folder; None if the paper has it not.

    Example:
        >>> paper_model("/models/stable-diffusion-2-1-base")
        'sd2.1-base'
    """
    last = Path(model).name
    return next((name for name, known in MODELS.items() if Path(known.hub).name == last), None)


def usual_guidance(model: str) -> float:
    """The guidance scale for a model, where none is given.

    Raises:
        ArgumentError: If it is not known.
    """
    if model in SUBJECTS:
        return BUNDLED_GUIDANCE if model == BUNDLED else 1.0
    known = paper_model(model)
    if known is None:
        raise ArgumentError("guidance", f"a number, for a model other than {', '.join(MODELS)}", None)
    return MODELS[known].guidance


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
