"""What the network is told is found by real runs, and never makes a student worse on them."""

import numpy as np
import pytest

import hso
from hso.errors import ArgumentError
from hso.models.recording import Trial
from hso.rules import rule_schedule
from hso.schedule import SamplingSchedule
from hso.search.told import ranges
from hso.solvers import Learned, make_solver
from hso.tuning.tell import shifts_of
from tests.tuning.helpers import MODEL, NOISE, panel, states

SETTINGS = {"nfe": 4, "solver": "ddim", "prediction": "sample", "points": 20}


def tuned(**settings):
    return hso.tune(MODEL.x0, NOISE, states(36), **{**SETTINGS, **settings})


def told(trial, shifts):
    schedule = trial.schedule.telling(NOISE, NOISE.time(trial.schedule.lambdas + shifts))
    return Trial(trial.solver, schedule)


@pytest.mark.parametrize("features", [None, lambda images: images.reshape(len(images), -1)[:, :3]])
def test_the_tangent_is_that_of_the_ends(features):
    run, step = panel(features=features), 1e-4
    trial = Trial(make_solver("unipc"), rule_schedule("uniform_lambda", NOISE, 4))
    moved = [told(trial, step * one) for one in np.eye(4)]
    tangent = run.tangent(trial, moved, np.full(4, step), "a test")
    shifts = 1e-3 * np.array([1.0, -0.5, 0.7, -1.0])
    found, true = tangent.ends(shifts), run.rollout(told(trial, shifts), "a test").ends
    here = run.rollout(trial, "a test").ends
    for name in ("powers", "errors", "totals", "rows"):
        one, other, before = (getattr(ends, name) for ends in (found, true, here))
        np.testing.assert_allclose(getattr(tangent.ends(np.zeros(4)), name), before, rtol=1e-9, atol=1e-12)
        assert np.abs(one - other).max(initial=0) <= 0.02 * np.abs(other - before).max(initial=0)


@pytest.mark.parametrize("strategy", ["told", "told:first=learned"])
def test_the_loss_is_not_larger_than_without(strategy):
    plain, found = tuned(strategy="learned" if "learned" in strategy else "free"), tuned(strategy=strategy)
    assert found.loss <= plain.loss
    schedule = found.found.schedule
    assert schedule.told_times is not None
    shifts, (low, high) = shifts_of(NOISE, schedule), ranges(NOISE, schedule.lambdas)
    assert np.all((shifts >= low - 1e-6) & (shifts <= high + 1e-6))
    assert isinstance(found.found.solver, Learned) == ("learned" in strategy)
    np.testing.assert_allclose(schedule.lambdas, plain.found.schedule.lambdas)


def test_calls_are_counted_and_within_the_budget():
    calls = []

    def network(x, node):
        calls.append(len(x))
        return MODEL.x0(x, node)

    found = hso.tune(network, NOISE, states(36), strategy="told", **SETTINGS)
    assert found.calls == sum(calls)
    least = found.calls // 2
    with pytest.raises(ArgumentError, match="budget: expected"):
        tuned(strategy="told", budget=least // 10)


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(tmp_path):
    class StoppedError(Exception):
        pass

    whole, count = tuned(strategy="told"), 0

    def network(x, node):
        nonlocal count
        count += len(x)
        if count > 0.85 * whole.calls:
            raise StoppedError
        return MODEL.x0(x, node)

    with pytest.raises(StoppedError):
        hso.tune(network, NOISE, states(36), strategy="told", folder=tmp_path / "run", **SETTINGS)
    again = tuned(strategy="told", folder=tmp_path / "run")
    assert again.found == whole.found
    assert again.found.schedule.told_times.tolist() == whole.found.schedule.told_times.tolist()
    assert again.calls == whole.calls


def test_the_result_is_run_by_our_loop():
    found = tuned(strategy="told")
    schedule = SamplingSchedule.from_dict(found.found.schedule.to_dict())
    seen = []

    def network(x, node):
        seen.append(node.t)
        return MODEL.x0(x, node)

    hso.solvers.sample(found.found.solver, network, NOISE, schedule, states(4), prediction="sample")
    np.testing.assert_allclose(seen, schedule.told_times, rtol=1e-12)
