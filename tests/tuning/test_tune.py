"""Tuning: never worse than what it begins with, within its budget, and judged on images that it has not seen."""

import sys

import numpy as np
import pytest
from scipy.optimize import minimize

import hso
from hso.errors import ArgumentError, FileError
from hso.models.gaussian import GaussianModel
from hso.models.images import Batch
from hso.models.recording import Plan, Trial
from hso.objectives import Replay
from hso.rules import rule_schedule
from hso.schedule import CLEAN, SamplingSchedule
from hso.search import Constraints
from hso.solvers import Learned, made_for, make_solver
from hso.tuning.candidates import safe_candidates
from hso.tuning.losses import BandLoss
from hso.tuning.panel import Recorder, Setting
from hso.tuning.store import Ledger, Store
from tests.tuning.helpers import MODEL, NOISE, SIZE, states

# Network calls that are necessary: the teacher, 19 candidates on a third of the images and 7 on all, the verdict.
LEAST = 24 * (20 + 6 + 9) + 19 * 8 * 4 + 7 * 24 * 4 + 12 * (20 + 6 + 2 * 4)
# With six steps of the search.
SETTINGS = {"nfe": 4, "solver": "dpmpp_2m", "prediction": "sample", "points": 20, "budget": LEAST + 6 * 24 * 4}


class StoppedError(Exception):
    """The program is stopped."""


class Network:
    """The mixture's network. It counts its calls, and stops the program after some."""

    def __init__(self, most=10**9):
        self.calls, self.most = 0, most

    def __call__(self, x, node):
        if self.calls + len(x) > self.most:
            raise StoppedError
        self.calls += len(x)
        return MODEL.x0(x, node)


def tuned(network=MODEL.x0, x=None, **settings):
    return hso.tune(network, NOISE, states(36) if x is None else x, **{**SETTINGS, **settings})


@pytest.fixture(scope="module")
def found():
    network = Network()
    return tuned(network), network.calls


def test_it_is_better_than_every_candidate_on_its_own_images(found):
    result, _ = found
    losses = [one.loss for one in result.candidates if not np.isnan(one.loss)]
    assert result.loss < min(losses)
    assert losses == sorted(losses)
    names = {one.name for one in result.candidates}
    assert {"trailing", "ays_sd15", "ays_sdxl", "gits_sd15", "hso", "calibrated"} <= names
    assert result.safe.loss == min(one.loss for one in result.candidates if one.is_safe and not np.isnan(one.loss))


def test_its_calls_are_those_that_were_made(found):
    result, calls = found
    assert result.calls == calls


def test_its_verdict_is_on_fresh_images(found):
    result, _ = found
    assert not result.fell_back
    assert result.gain.low < result.gain.value < result.gain.high
    assert "on 12 fresh images the gain over" in result.message
    # The gain is what anybody measures on these images: the error of the ends is the part that is easy to compute.
    assert result.schedule == result.found.schedule
    assert result.schedule.provenance["gain"]["value"] == result.gain.value


@pytest.mark.parametrize("solver", ["ddim", "dpmpp_2m"])
def test_on_gaussian_data_a_search_without_a_model_finds_nothing_better(solver):
    """Nelder-Mead by true losses, with ten times as many rollouts, from where tuning ended."""
    model, x = GaussianModel.power_law(4), np.random.default_rng(0).standard_normal((48, 16))
    result = hso.tune(model.x0, NOISE, x, nfe=3, solver=solver, prediction="sample")
    setting = Setting(Plan(NOISE, "sample"))
    images, store, ledger = hso.Images.of(model.x0, x[:32]), Store(None, {}), Ledger(0, None)
    panel = Recorder("tuning", setting, images, store, ledger).panel(result.calibration.bands)
    loss, teacher = BandLoss(panel.bands, Replay.kappa), panel.teacher()

    def true(knots):
        if not (np.all(np.diff(knots) > 0) and NOISE.t_range[0] <= NOISE.time(knots[-1]) and NOISE.time(knots[0]) < 1):
            return np.inf
        schedule = SamplingSchedule.from_knots(NOISE, knots, CLEAN)
        return loss.of(panel.rollout(Trial(make_solver(solver), schedule), "Nelder-Mead").ends, teacher)

    assert true(result.found.schedule.knots) == pytest.approx(result.loss, rel=1e-9)
    best = minimize(true, result.found.schedule.knots, method="Nelder-Mead", options={"maxfev": 250})
    assert result.loss <= best.fun + 0.005 * result.safe.loss
    assert result.loss < 0.5 * result.safe.loss


def test_a_budget_is_kept(found):
    with pytest.raises(ArgumentError, match=f"budget: expected an integer from {LEAST} .*840 for the teacher"):
        tuned(budget=LEAST - 1)
    network = Network()
    few = tuned(network, budget=LEAST)
    assert few.calls == network.calls <= LEAST
    assert few.steps < found[0].steps


@pytest.mark.parametrize("most", [100, 700, 1700])
def test_a_run_that_was_stopped_goes_on_and_ends_the_same(tmp_path, found, most):
    stopped = Network(most)
    with pytest.raises(StoppedError):
        tuned(stopped, folder=tmp_path)
    going = Network()
    result = tuned(going, folder=tmp_path)
    assert result.schedule == found[0].schedule
    assert result.gain == found[0].gain
    assert result.calls == found[0].calls
    # At most one batch was lost.
    assert going.calls <= found[0].calls - stopped.calls + 12 * 35
    done = Network(0)
    assert tuned(done, folder=tmp_path).gain == found[0].gain


def test_a_folder_is_for_one_run(tmp_path):
    Store(tmp_path, {"nfe": 4})
    with pytest.raises(FileError, match="holds a run with nfe"):
        Store(tmp_path, {"nfe": 5})
    folder = tmp_path / "run"
    tuned(folder=folder)
    with pytest.raises(FileError, match="holds a run with seed"):
        tuned(folder=folder, seed=1)
    with pytest.raises(FileError, match="holds a calibration with first_state"):
        tuned(folder=folder, x=states(36, seed=9))
    x = np.concatenate((states(1), states(35, seed=9)))
    with pytest.raises(ArgumentError, match="other tuning images"):
        tuned(folder=folder, x=x)


def test_fresh_images_are_not_touched_before_the_verdict():
    asked, stage = [], ["before"]

    def batch(images):
        asked.append((stage[-1], images))
        return Batch(MODEL.x0, states(36)[images.start : images.stop])

    images = hso.Images(36, batch, 36)
    result = hso.tune(images, NOISE, **SETTINGS, progress=lambda name, done, total: stage.append(name))
    assert result.gain is not None
    tuning = [images for name, images in asked if name not in ("search", "verdict")]
    assert max(images.stop for images in tuning) == 24
    fresh = [images for _, images in asked if images.stop > 24]
    assert min(images.start for images in fresh) == 24
    # The last that is asked for is fresh, and none before the first fresh one is.
    first = next(index for index, (_, images) in enumerate(asked) if images.stop > 24)
    assert all(images.start >= 24 for _, images in asked[first:])
    assert list(dict.fromkeys(stage)) == ["before", "calibration", "candidates", "search", "verdict"]


def test_it_falls_back_where_fresh_images_disagree(found):
    """The network of the fresh images is another one: it fails at the last node of the schedule that will be found."""
    last = found[0].found.schedule.lambdas[-1]

    def spoilt(x, node):
        return MODEL.x0(x, node) + 3.0 * (node.lambda_ == last)

    def batch(images):
        return Batch(MODEL.x0 if images.stop <= 24 else spoilt, states(36)[images.start : images.stop])

    result = hso.tune(hso.Images(36, batch, 36), NOISE, **SETTINGS)
    assert result.found == found[0].found
    assert result.gain.high < 0
    assert result.fell_back
    assert result.schedule == result.safe.schedule
    assert f"fell back to {result.safe.name}" in result.message


def test_fresh_images_can_be_given():
    result = tuned(fresh=states(10, seed=3), budget=None)
    assert "on 10 fresh images" in result.message


def test_features_say_what_is_near(found):
    result = tuned(features=lambda x: x[:, :2])
    assert result.loss <= min(one.loss for one in result.candidates if not np.isnan(one.loss))
    assert result.found != found[0].found


def test_constraints_are_kept(monkeypatch):
    result = tuned(constraints=Constraints(d_min=0.15), rules=("uniform_t",))
    assert result.feasible
    assert np.all(-np.diff(result.found.schedule.times) >= 0.15 - 1e-9)
    assert all(np.all(-np.diff(one.schedule.times) >= 0.15 - 1e-9) for one in result.candidates)
    # The default of optimize keeps nearly all that can be kept.
    rules = lambda request, names: [one for one in safe_candidates(request, names) if one.name != "hso"]  # noqa: E731
    monkeypatch.setattr(sys.modules["hso.tuning.tune"], "safe_candidates", rules)
    with pytest.raises(ArgumentError, match="safe schedule keeps"):
        tuned(constraints=Constraints(boundary=hso.Boundary(0.98, 2)))


def test_a_calibration_of_its_own_saves_the_calls_of_trials(found):
    calibration = hso.calibrate(MODEL.x0, NOISE, states(24, seed=7), "sample", points=20)
    result = tuned(calibration=calibration)
    assert result.calibration is not calibration
    assert result.loss <= min(one.loss for one in result.candidates if not np.isnan(one.loss))


def test_single_precision_is_enough(found):
    def network(x, node):
        assert x.dtype == np.float32
        return MODEL.x0(x, node).astype(np.float32)

    result = tuned(network, states(36).astype(np.float32))
    assert result.loss == pytest.approx(found[0].loss, rel=0.2)


def test_misuse_is_named():
    with pytest.raises(ArgumentError, match="16 for tuning and 7 fresh"):
        tuned(x=states(23))
    with pytest.raises(ArgumentError, match="2 nodes or more"):
        tuned(nfe=1, solver="ddim")
    with pytest.raises(ArgumentError, match="start: expected none"):
        tuned(constraints=Constraints(start=0.6))
    with pytest.raises(ArgumentError, match="none with Images"):
        hso.tune(hso.Images.of(MODEL.x0, states(36)), NOISE, states(36), **SETTINGS)
    with pytest.raises(ArgumentError, match="batch of states"):
        tuned(x=3.0)
    with pytest.raises(ArgumentError, match="solver"):
        tuned(solver="unipcc")
    with pytest.raises(ArgumentError, match="rule"):
        tuned(rules=("trailling",))


def test_a_calibration_of_another_model_is_refused():
    def calibrated(model, noise, size):
        x = np.random.default_rng(0).standard_normal((16, size))
        return hso.calibrate(model.x0, noise, x, "sample", points=20)

    flat = GaussianModel(np.zeros(SIZE), np.full(SIZE, 0.01))
    with pytest.raises(ArgumentError, match="fingerprints differ"):
        tuned(calibration=calibrated(MODEL, hso.NoiseSchedule.linear_vp(), SIZE))
    with pytest.raises(ArgumentError, match=r"one of images of shape \(4,\)"):
        tuned(calibration=calibrated(GaussianModel(np.zeros(6), np.ones(6)), NOISE, 6))
    with pytest.raises(ArgumentError, match="times the variance of this model"):
        tuned(calibration=calibrated(flat, NOISE, SIZE))


def test_nan_is_named_with_the_schedule_and_the_node():
    trailing = rule_schedule("trailing", NOISE, 4).lambdas[2]

    def broken(x, node):
        return np.where(node.lambda_ == trailing, np.nan, MODEL.x0(x, node))

    with pytest.raises(ArgumentError, match=r"model: expected finite output at node 2 .* of trailing"):
        tuned(broken)


@pytest.fixture(scope="module")
def known():
    return hso.calibrate(MODEL.x0, NOISE, states(24, seed=5), "sample", points=20)


def test_of_several_solvers_real_runs_choose(known):
    network = Network()
    result = tuned(network, solver=["dpmpp_2m", "ddim", "unipc"], calibration=known, budget=None)
    losses = {one.name: one.loss for one in result.candidates if not one.is_safe and not np.isnan(one.loss)}
    assert {name.split(", ")[1] for name in losses} <= {"dpmpp_2m", "ddim", "unipc"}
    assert result.solver in [make_solver(name) for name in ("dpmpp_2m", "ddim", "unipc")]
    assert result.loss <= min(losses.values(), default=np.inf)
    assert made_for(result.schedule) == result.solver
    assert result.calls == network.calls
    # Safe schedules are run with the first solver.
    assert result.safe.trial.solver == make_solver("dpmpp_2m")


def test_learned_coefficients_are_better_than_knots_alone(known):
    knots = tuned(solver="ddim", calibration=known, budget=None)
    both = tuned(solver="ddim", strategy="learned", calibration=known, budget=None)
    assert isinstance(both.found.solver, Learned)
    assert both.loss < 0.8 * knots.loss
    assert made_for(both.schedule) == both.solver


def test_a_stopped_run_that_learns_ends_as_if_it_had_not_stopped(known, tmp_path):
    settings = {"solver": "ddim", "strategy": "learned", "calibration": known, "budget": None}
    whole = tuned(**settings)
    with pytest.raises(StoppedError):
        tuned(Network(whole.calls // 2), folder=tmp_path, **settings)
    again = tuned(folder=tmp_path, **settings)
    assert again.found == whole.found
    assert again.loss == whole.loss


def test_only_strategies_that_walks_know_are_taken():
    with pytest.raises(ArgumentError, match="strategy: expected free, learned or told, got 'exact'"):
        tuned(strategy="exact")


def test_features_of_another_length_do_not_continue_a_run(tmp_path):
    calls = []

    def stopping(x, node):
        calls.append(node)
        if len(calls) > 200:
            raise KeyboardInterrupt
        return MODEL.x0(x, node)

    with pytest.raises(KeyboardInterrupt):
        tuned(stopping, folder=tmp_path, features=lambda x: x)
    with pytest.raises(ArgumentError, match="features: expected rows"):
        tuned(folder=tmp_path, features=lambda x: x[:, :2])
