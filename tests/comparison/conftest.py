"""A small comparison that several tests look at."""

from __future__ import annotations

import pytest

from hso.comparison.runs.run import compare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.subjects import SubjectSettings

SMALL = ComparisonSettings(
    SubjectSettings("gaussian"),
    solvers=("ddim", "dpmpp_2m"),
    budgets=(3, 4),
    schedules=("trailing", "uniform_lambda", "polyexponential", "hso_exact", "gits", "ays_svd"),
    samples=200,
    reference_nfe=40,
    batch=40,
)
# Few, to be quick.
RESAMPLES = 40


@pytest.fixture(scope="session")
def small() -> ComparisonSettings:
    return SMALL


@pytest.fixture(scope="session")
def outcome(tmp_path_factory):
    return compare(SMALL, tmp_path_factory.mktemp("run"), resamples=RESAMPLES)


@pytest.fixture
def captions(tmp_path):
    """A file with twelve prompts."""
    path = tmp_path / "captions.txt"
    path.write_text("".join(f"a picture of {name}\n" for name in "abcdefghijkl"))
    return path
