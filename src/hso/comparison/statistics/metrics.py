"""What a comparison measures, and whether more or less of it is better.

Frechet distances and the error come from sums (:mod:`hso.comparison.statistics.blocks`) and are always measured. The other
metrics need the features of all images and of the data. They are measured only if their names are given, on subsets of
images (:mod:`hso.comparison.statistics.subsets`), with a library's function of two sets of features.

References:
    | Demystifying MMD GANs (Binkowski et al., 2018): KID
    | https://arxiv.org/abs/1801.01401
    | Improved Precision and Recall Metric for Assessing Generative Models (Kynkaanniemi et al., 2019)
    | https://arxiv.org/abs/1904.06991
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hso.errors import MissingExtraError
from hso.noise.base import Array


class Metric(NamedTuple):
    """A metric.

    Attributes:
        title: Heading of its column.
        meaning: What it measures, in a sentence or two.
        of: From the features of images and of equally many data, shape (m, d) each, to the figure; None if sums are enough.
        more_is_better: Whether a higher figure is better.
        of_data: Whether it compares with the data, so that the reference has a figure too.
    """

    title: str
    meaning: str
    of: Callable[[Array, Array], float] | None = None
    more_is_better: bool = False
    of_data: bool = True

    @property
    def direction(self) -> str:
        """What is better: "more" or "less"."""
        return "more" if self.more_is_better else "less"


def kid(images: Array, data: Array) -> float:
    """The squared maximum mean discrepancy under KID's cubic kernel, unbiased, by torchmetrics.

    Raises:
        MissingExtraError: If torchmetrics is not installed.

    Example:
        >>> import numpy as np
        >>> same, far = np.eye(4), np.eye(4) + 1
        >>> kid(same, far) > kid(same, same)
        True
    """
    library = _imported("torchmetrics.image.kid", "torchmetrics", "compare")
    return float(library.poly_mmd(_tensor(data), _tensor(images)))


def precision(images: Array, data: Array) -> float:
    """The share of images that are as near to one of the data as its third neighbour among the data, by torch-fidelity.

    Raises:
        MissingExtraError: If torch-fidelity is not installed.
    """
    return _neighbours(images, data)["precision"]


def recall(images: Array, data: Array) -> float:
    """The share of data that are as near to one of the images as its third neighbour among the images, by torch-fidelity.

    Raises:
        MissingExtraError: If torch-fidelity is not installed.
    """
    return _neighbours(images, data)["recall"]


# A new metric is one line: a function of the features of images and of equally many data.
METRICS: Mapping[str, Metric] = {
    "reference": Metric(
        "Frechet to reference",
        "Frechet distance between the schedule's samples and those of the reference, which takes many steps from the same "
        "noise. It is what few steps cost someone who wants what the model gives with many steps.",
        of_data=False,
    ),
    "data": Metric(
        "Frechet to data",
        "Frechet distance between the schedule's samples and the data. Under guidance the model's own distribution is "
        "far from the data, and a schedule can have less of it than the reference.",
    ),
    "error": Metric(
        "RMS error",
        "Root mean square difference from the reference's samples, image by image from the same noise.",
        of_data=False,
    ),
    "kid": Metric(
        "KID",
        "Kernel distance between the samples and the data. It is 0 on average if their distributions are equal.",
        kid,
    ),
    "precision": Metric(
        "precision",
        "Share of the samples that lie among the data. Samples that are all alike can have more of it than the reference.",
        precision,
        more_is_better=True,
    ),
    "recall": Metric("recall", "Share of the data that lie among the samples.", recall, more_is_better=True),
}
ON_SUBSETS = tuple(name for name, metric in METRICS.items() if metric.of is not None)


def _neighbours(images: Array, data: Array) -> Mapping[str, float]:
    library = _imported("torch_fidelity.metric_prc", "torch-fidelity", "fid")
    return library.prc_features_to_metric(_tensor(images), _tensor(data), verbose=False)


def _imported(module: str, package: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(package, extra) from None
    except RuntimeError:
        raise MissingExtraError(f"{package} with a torchvision that fits torch", extra) from None


def _tensor(rows: Array) -> Any:
    import torch

    return torch.as_tensor(rows, dtype=torch.float64)
