"""What a comparison measures, which way is better, and the libraries that say so.

Frechet distances and the error come from sums (:mod:`hso.comparison.statistics.blocks`) and are always there. The other
metrics need the features of the images themselves, and those of the data. They are computed only if they are asked for by
name, on subsets of images (:mod:`hso.comparison.statistics.subsets`), by a library's function of two sets of features.

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
        meaning: What it says, in a sentence or two.
        of: The figure for features of images and of as many data, shape (m, d) each; None where sums are enough.
        more_is_better: Whether a higher figure is better.
        of_data: Whether it says something of the reference too.
    """

    title: str
    meaning: str
    of: Callable[[Array, Array], float] | None = None
    more_is_better: bool = False
    of_data: bool = True

    @property
    def direction(self) -> str:
        """Of which there should be: "more" or "less"."""
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
    """The share of images that are no farther from a datum than its third neighbour is, by torch-fidelity.

    Raises:
        MissingExtraError: If torch-fidelity is not installed.
    """
    return _neighbours(images, data)["precision"]


def recall(images: Array, data: Array) -> float:
    """The share of data that are no farther from an image than its third neighbour is, by torch-fidelity.

    Raises:
        MissingExtraError: If torch-fidelity is not installed.
    """
    return _neighbours(images, data)["recall"]


# A new metric is one line: a function of the features of images and of as many data.
METRICS: Mapping[str, Metric] = {
    "reference": Metric(
        "Frechet to reference",
        "Frechet distance between the schedule's samples and those of the reference, which takes many steps from "
        "the same noise: what the schedule costs, for someone who wants what the model gives with many steps.",
        of_data=False,
    ),
    "data": Metric(
        "Frechet to data",
        "Frechet distance between the schedule's samples and the data. Under guidance the model's own distribution is "
        "far from the data, and what the reference has of it is no lower bound.",
    ),
    "error": Metric(
        "RMS error",
        "Root mean square difference from the reference's samples, image by image from the same noise.",
        of_data=False,
    ),
    "kid": Metric(
        "KID", "Kernel distance between the samples and the data, on average 0 where nothing tells them apart.", kid
    ),
    "precision": Metric(
        "precision",
        "Share of the samples that lie among the data. Samples all alike can have more of it than the reference.",
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
