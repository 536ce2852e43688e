"""What libraries compute from features is what the definitions say, and each metric knows which way is better."""

from __future__ import annotations

import numpy as np
import pytest

import hso
from hso.comparison.statistics.metrics import METRICS, ON_SUBSETS, kid, precision, recall

pytest.importorskip("torch")
RNG = np.random.default_rng(0)
IMAGES, DATA = RNG.standard_normal((60, 5)) + 0.4, RNG.standard_normal((60, 5))


@pytest.fixture
def neighbours():
    """Skip where torch-fidelity, or a torchvision that fits torch, is not installed."""
    try:
        precision(IMAGES, DATA)
    except hso.MissingExtraError as error:
        pytest.skip(str(error))


def kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def test_kid_is_the_unbiased_discrepancy_of_the_cubic_kernel():
    m = len(IMAGES)
    within = sum((k.sum() - np.trace(k)) / (m * (m - 1)) for k in (kernel(IMAGES, IMAGES), kernel(DATA, DATA)))
    assert kid(IMAGES, DATA) == pytest.approx(within - 2 * kernel(IMAGES, DATA).mean(), rel=1e-9)


def within_reach(points, others):
    """Which points are no farther from one of the others than that one's third neighbour is."""
    among = np.sort(np.linalg.norm(others[:, None] - others, axis=-1), axis=1)[:, 3]
    return np.any(np.linalg.norm(points[:, None] - others, axis=-1) <= among, axis=1)


@pytest.mark.usefixtures("neighbours")
def test_precision_and_recall_count_who_is_within_reach_of_whom():
    assert precision(IMAGES, DATA) == pytest.approx(within_reach(IMAGES, DATA).mean())
    assert recall(IMAGES, DATA) == pytest.approx(within_reach(DATA, IMAGES).mean())


@pytest.mark.usefixtures("neighbours")
def test_samples_all_alike_have_precision_and_no_recall():
    alike = 0.01 * IMAGES
    assert precision(alike, DATA) == 1
    assert recall(alike, DATA) < 0.1


def test_shares_are_to_be_large_and_distances_small():
    assert {name for name, metric in METRICS.items() if metric.more_is_better} == {"precision", "recall"}
    assert set(ON_SUBSETS) == {"kid", "precision", "recall"}
    assert METRICS["kid"].direction == "less"


def test_a_library_that_is_missing_is_named(monkeypatch):
    def fails(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("importlib.import_module", fails)
    with pytest.raises(hso.MissingExtraError, match=r"torch-fidelity with a torchvision that fits.*hso\[fid\]"):
        recall(IMAGES, DATA)
