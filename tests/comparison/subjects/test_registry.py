"""Subjects come from outside without a change to this package, and worker processes find them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

import hso
from hso.comparison import subjects
from hso.comparison.runs.run import compare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.subjects import SubjectSettings, load_subject, register
from hso.comparison.subjects.exact import ExactSubject
from hso.models.gaussian import GaussianModel


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(subjects, "SUBJECTS", dict(subjects.SUBJECTS))
    return subjects


def four_pixels(settings):
    """Gaussian images of 2 x 2 pixels."""
    return ExactSubject("four-pixels", GaussianModel.power_law(2), settings)


FEW = {
    "solvers": ("ddim",),
    "budgets": (3,),
    "schedules": ("trailing",),
    "samples": 40,
    "batch": 20,
    "reference_nfe": 5,
}


def test_a_registered_name_is_a_model_like_any_other(registry, tmp_path):
    register("four-pixels", four_pixels)
    assert load_subject(SubjectSettings("four-pixels")).shape == (4,)
    outcome = compare(ComparisonSettings(SubjectSettings("four-pixels"), **FEW), tmp_path, resamples=20)
    assert outcome.subject == "four-pixels"
    with pytest.raises(hso.ArgumentError, match="did you mean 'four-pixels'"):
        load_subject(SubjectSettings("four-pixel"))


def test_a_name_can_be_registered_again_but_not_taken(registry):
    register("four-pixels", four_pixels)
    register("four-pixels", four_pixels)
    with pytest.raises(hso.ArgumentError, match="name: expected one that no other subject has, got 'gaussian'"):
        register("gaussian", four_pixels)
    with pytest.raises(hso.ArgumentError, match="name: expected letters, digits, hyphens and underscores"):
        register("four/pixels", four_pixels)


def test_a_factory_that_other_processes_cannot_import_is_refused(registry, tmp_path):
    def local(settings):
        return four_pixels(settings)

    register("local", local)
    settings = ComparisonSettings(SubjectSettings("local"), **FEW)
    with pytest.raises(hso.ArgumentError, match="model: expected a subject made by a function of a module"):
        compare(settings, tmp_path, processes=2)
    assert compare(settings, tmp_path, resamples=20).images == 40


PACKAGE = """
from hso.comparison.subjects.exact import ExactSubject
from hso.models.gaussian import GaussianModel

def nine_pixels(settings):
    return ExactSubject("nine-pixels", GaussianModel.power_law(3), settings)
"""


def test_an_entry_point_of_another_package_is_found_by_all_processes(tmp_path):
    site = tmp_path / "site"
    info = site / "their_package-1.dist-info"
    info.mkdir(parents=True)
    (site / "their_package.py").write_text(textwrap.dedent(PACKAGE))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1\n")
    points = "[hso.subjects]\nnine-pixels = their_package:nine_pixels\nbroken = their_package:absent\n"
    (info / "entry_points.txt").write_text(points)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)])}

    def run(*words):
        few = "--solver ddim --nfe 3 --schedules trailing --samples 40 --batch 20 --reference-nfe 5 --resamples 20"
        command = [sys.executable, "-m", "hso", "compare", *few.split(), "-o", str(tmp_path / "run"), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    done = run("--model", "nine-pixels", "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert "nine-pixels" in done.stdout
    done = run("--model", "broken")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "model: cannot import their_package:absent for broken" in done.stderr
