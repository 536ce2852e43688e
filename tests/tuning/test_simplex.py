"""Nelder-Mead by rollouts: what tuning would be without a model of the student."""

import numpy as np
import pytest

import hso
from hso.models.gaussian import GaussianModel
from hso.models.images import Batch, Images
from hso.models.recording import Plan
from hso.solvers import make_solver
from hso.tuning.panel import Setting
from hso.tuning.simplex import search_by_rollouts
from tests.tuning.helpers import MODEL, NOISE, POINTS, states

SETTING, SOLVER = Setting(Plan(NOISE, "sample", POINTS)), make_solver("dpmpp_2m")


class Network:
    """The mixture's network, which counts its calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x, node):
        self.calls += len(x)
        return MODEL.x0(x, node)


def searched(further=0, network=MODEL.x0):
    return search_by_rollouts(SETTING, SOLVER, Images.of(network, states(36)), 4, "clean", further)


def test_it_counts_the_calls_that_it_makes_and_spends_what_it_may():
    network = Network()
    found = searched(network=network)
    assert found.calls == network.calls
    run = 24 * 4
    more = searched(further=10 * run)
    assert more.runs == found.runs + 10
    assert more.calls == found.calls + 10 * run
    assert more.loss <= found.loss


def test_it_never_ends_worse_than_the_safe_schedule_on_its_images():
    found = searched(further=5000)
    assert found.loss < found.safe.loss
    assert found.verdict is not None
    assert (found.schedule == found.found) == found.verdict.is_confirmed


def test_its_loss_and_its_safe_schedule_are_those_of_tune():
    """On the same images; the bands are those of the first part of the images in both."""
    found = searched()
    tuned = hso.tune(MODEL.x0, NOISE, states(36), nfe=4, solver="dpmpp_2m", prediction="sample", points=POINTS)
    assert found.safe.name == tuned.safe.name
    assert found.safe.loss == pytest.approx(tuned.safe.loss, rel=1e-9)


def test_it_falls_back_where_fresh_images_disagree():
    last = searched(further=5000).found.lambdas[-1]

    def spoilt(x, node):
        return MODEL.x0(x, node) + 3.0 * (node.lambda_ == last)

    def batch(images):
        return Batch(MODEL.x0 if images.stop <= 24 else spoilt, states(36)[images.start : images.stop])

    found = search_by_rollouts(SETTING, SOLVER, Images(36, batch, 36), 4, "clean", 5000)
    assert found.found.lambdas[-1] == last
    assert not found.verdict.is_confirmed
    assert found.schedule == found.safe.schedule
    assert np.all(np.diff(found.found.knots) > 0)


def test_it_moves_from_a_schedule_that_fills_the_range():
    """Every longer gap would leave the range, and so the others become shorter."""
    gaussian = GaussianModel.power_law(4)
    x = np.random.default_rng(0).standard_normal((48, 16))
    found = search_by_rollouts(SETTING, SOLVER, Images.of(gaussian.x0, x), 8, "clean", 5000)
    # The same as uniform_lambda.
    assert found.safe.name == "polyexponential"
    assert found.runs > 20
    assert found.loss < 0.7 * found.safe.loss
    low, high = NOISE.t_range
    assert np.all((low - 1e-9 <= found.found.times) & (found.found.times <= high))
