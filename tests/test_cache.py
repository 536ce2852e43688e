"""A service that asks again gets the same schedule without a search."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import hso
from hso.cache import ScheduleCache
from hso.objectives import MEP


def test_what_is_found_again_is_what_optimize_finds():
    cache = ScheduleCache()
    asked = [(name, nfe, start) for name in ("sd2.1", "sd3") for nfe in (2, 5) for start in (None, 0.6)]
    for name, nfe, start in asked * 2:
        constraints = hso.Constraints(start=start)
        found = cache.optimize(hso.NoiseSchedule.preset(name), nfe, constraints=constraints)
        plain = hso.optimize(hso.NoiseSchedule.preset(name), nfe, constraints=constraints)
        assert found.schedule == plain.schedule
        assert found.schedule.noise_name == name


def test_a_search_is_made_once(monkeypatch):
    searched = []
    monkeypatch.setattr("hso.cache.optimize", lambda *given, **more: searched.append((given[1], more)))
    cache, noise = ScheduleCache(2), hso.NoiseSchedule.preset("sd2.1")
    for nfe in (4, 5, 4, 5, 6, 5):
        cache.optimize(noise, nfe)
    assert [nfe for nfe, _ in searched] == [4, 5, 6]
    cache.optimize(noise, 5, solver="ddim", objective=MEP(p=1))
    assert searched[-1] == (5, {"solver": "ddim", "objective": MEP(p=1)})


def test_a_list_of_solvers_is_found_again(sd):
    cache = ScheduleCache()
    assert cache.optimize(sd, 5, solver=["ddim"]) is cache.optimize(sd, 5, solver=["ddim"])


def test_models_that_differ_in_what_is_known_of_them_do_not_share(sd):
    cache = ScheduleCache()
    known = hso.NoiseSchedule.preset("sd2.1")
    assert known.fingerprint == sd.fingerprint
    assert known.traits != sd.traits
    found = [cache.optimize(noise, 5).schedule.times for noise in (known, sd)]
    plain = [hso.optimize(noise, 5).schedule.times for noise in (known, sd)]
    np.testing.assert_array_equal(found, plain)


def test_threads_share_one():
    cache, noise = ScheduleCache(), hso.NoiseSchedule.preset("sd2.1")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda nfe: cache.optimize(noise, nfe).schedule, [2, 3, 4, 5] * 8))
    assert [schedule.nfe for schedule in found] == [2, 3, 4, 5] * 8


def test_misuse_is_named(sd):
    with pytest.raises(hso.ArgumentError, match=r"noise: expected a NoiseSchedule, got 'sd2\.1'"):
        ScheduleCache().optimize("sd2.1", 5)
    with pytest.raises(hso.ArgumentError, match="size: expected an integer from 1"):
        ScheduleCache(0)
    with pytest.raises(hso.ArgumentError, match="options: expected names, or objects without arrays"):
        ScheduleCache().optimize(sd, 5, solver=np.array(["unipc"]))
    with pytest.raises(hso.ArgumentError, match="nfe: expected an integer from 1"):
        ScheduleCache().optimize(sd, 0)


def test_what_is_equal_but_unusable_is_refused_though_the_other_is_kept(sd):
    cache = ScheduleCache()
    cache.optimize(sd, 5, seed=1)
    for nfe, seed in ((5.0, 1), (5, True), (5, 1.0)):
        with pytest.raises(hso.ArgumentError):
            cache.optimize(sd, nfe, seed=seed)


def test_what_is_kept_cannot_be_changed_by_who_gets_it(sd):
    cache = ScheduleCache()
    for name in ("lambdas", "times", "sigmas", "timesteps"):
        before = getattr(cache.optimize(sd, 5).schedule, name).copy()
        with contextlib.suppress(ValueError):
            getattr(cache.optimize(sd, 5).schedule, name)[0] = 0
        np.testing.assert_array_equal(getattr(cache.optimize(sd, 5).schedule, name), before)
