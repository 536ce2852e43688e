"""No malformed schedule reaches the network: each is a named error, at the constructor or at ``attach``."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from benchmarks.recording import HERE, ends_clean, make_scheduler  # noqa: E402

import hso  # noqa: E402
from hso.hosts.diffusers import attach, detach  # noqa: E402

OTHERS = ("Flow", "EDM", "Cosine", "CogVideoX")
VP = [name for name in HERE if not any(other in name for other in OTHERS)]
SCHEDULERS = {name: make_scheduler(name) for name in VP}
NOISE = hso.NoiseSchedule.from_config(SCHEDULERS["DDIMScheduler"])
OTHER = hso.NoiseSchedule.linear_vp()
BAD_NUMBERS = st.sampled_from([math.nan, math.inf, -math.inf])


@st.composite
def good_times(draw):
    """Strictly falling times inside the trained range."""
    indices = draw(st.lists(st.integers(1, 998), min_size=2, max_size=20, unique=True))
    return (np.sort(indices)[::-1] + 1) / 1000


@st.composite
def bad_times(draw):
    """Good times with one thing wrong."""
    times = draw(good_times())
    where = draw(st.integers(0, len(times) - 1))
    kind = draw(st.sampled_from(["twice", "ascending", "swapped", "above", "below", "not a number", "empty", "table"]))
    if kind == "ascending":
        return times[::-1]
    if kind == "swapped":
        other = draw(st.integers(0, len(times) - 1).filter(lambda i: i != where))
        times[[where, other]] = times[[other, where]]
        return times
    if kind == "empty":
        return times[:0]
    if kind == "table":
        return np.stack([times, times])
    value = {
        "twice": times[where],
        "above": draw(st.floats(1.001, 1e9)),
        "below": draw(st.floats(-1e9, -1e-6) | st.floats(1e-6, 9e-4)),
        "not a number": draw(BAD_NUMBERS),
    }[kind]
    if kind == "below":
        return np.append(times, value)
    return np.insert(times, where, value)


@st.composite
def contradictory(draw):
    """Arguments of the constructor, each possible alone, that contradict each other or the model."""
    times = draw(good_times())
    fields = {
        "lambdas": NOISE.lambda_(times),
        "times": times,
        "terminal": math.inf,
        "terminal_time": 0.0,
        "network_timesteps": times * 1000 - 1,
        "path": NOISE.path,
        "train_steps": 1000,
        "noise_name": NOISE.name,
        "noise_fingerprint": NOISE.fingerprint,
    }
    wrong = draw(
        st.sampled_from(
            [
                {"noise_fingerprint": OTHER.fingerprint},
                {"noise_fingerprint": draw(st.text(max_size=16)) + "!"},
                {"train_steps": draw(st.sampled_from([None, 10, 999, 4000]))},
                {"terminal": math.nan},
                {"terminal": -9.0},
                {"terminal_time": math.nan},
                {"terminal_time": times[-1] / 2},
                {"terminal": 6.0, "terminal_time": times[-1] / 2},
                {"terminal": 9.0},
                {"lambdas": NOISE.lambda_(times) + draw(st.floats(1e-3, 5))},
                {"lambdas": NOISE.lambda_(times) * 2},
                {"lambdas": NOISE.lambda_(times)[:-1]},
                {"lambdas": NOISE.lambda_(times)[::-1]},
                {"times": times / 2},
                {"network_timesteps": times * 1000},
                {"network_timesteps": times[:-1]},
                {"network_timesteps": np.full(len(times), math.nan)},
                {"times": times[::-1]},
            ]
        )
    )
    return {**fields, **wrong}


def refused(make, name):
    """Whether making or attaching raises a named error before the network is called."""
    scheduler, calls = SCHEDULERS[name], []
    try:
        with np.errstate(all="ignore"):
            schedule = make()
        attach(scheduler, schedule)
        scheduler.set_timesteps(schedule.nfe)
        calls.extend(scheduler.timesteps.tolist())
    except hso.HSOError as error:
        return "\n" not in str(error)
    finally:
        detach(scheduler)
    return False


malformed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@malformed
@given(times=bad_times(), name=st.sampled_from(VP))
def test_bad_times(times, name):
    assert refused(lambda: hso.SamplingSchedule.from_times(NOISE, times), name)


@malformed
@given(times=bad_times(), name=st.sampled_from(VP))
def test_bad_timesteps(times, name):
    assert refused(lambda: hso.SamplingSchedule.from_timesteps(NOISE, times * 1000 - 1), name)


@malformed
@given(times=bad_times(), name=st.sampled_from(VP), shift=st.floats(0, 20))
def test_bad_knots(times, name, shift):
    def make():
        inside = np.clip(times, 1e-3, 1)
        knots = np.where((times > 1) | (times < 1e-3), np.sign(times - 0.5) * -(20 + shift), NOISE.lambda_(inside))
        return hso.SamplingSchedule.from_knots(NOISE, np.where(np.isfinite(times), knots, times), "clean")

    assert refused(make, name)


@malformed
@given(fields=contradictory(), name=st.sampled_from(VP))
def test_contradictions(fields, name):
    assert refused(lambda: hso.SamplingSchedule(**fields), name)


@settings(max_examples=60, deadline=None)
@given(times=good_times(), name=st.sampled_from(VP), steps=st.integers(0, 60))
def test_other_numbers_of_steps(times, name, steps):
    scheduler = SCHEDULERS[name]
    terminal = 0.0 if ends_clean(name) else 1e-3
    schedule = hso.SamplingSchedule.from_times(NOISE, times, terminal)
    with attach(scheduler, schedule):
        if steps == schedule.nfe:
            scheduler.set_timesteps(steps)
            return
        with pytest.raises(hso.HSOError, match="steps were asked for"):
            scheduler.set_timesteps(steps)


@settings(max_examples=60, deadline=None)
@given(times=good_times(), name=st.sampled_from(VP))
def test_good_times_are_not_refused(times, name):
    terminal = 0.0 if ends_clean(name) else 1e-3
    assert not refused(lambda: hso.SamplingSchedule.from_times(NOISE, times, terminal), name)


FLOW_AND_EDM = [name for name in HERE if name not in VP]
OTHER_LAMBDAS = ([3.0, 1.0], [0.0, 0.0], [-60.0, -50.0], [math.nan, 0.0], [0.0, math.inf], [[0.0, 1.0]], [])


@pytest.mark.parametrize("lambdas", OTHER_LAMBDAS)
@pytest.mark.parametrize("name", FLOW_AND_EDM)
def test_bad_flow_and_edm_levels(name, lambdas):
    def make():
        return hso.SamplingSchedule(
            lambdas=lambdas,
            times=[0.9, 0.1],
            network_timesteps=noise.timestep_of_time([0.9, 0.1]),
            terminal=math.inf,
            terminal_time=0.0,
            path=noise.path,
            train_steps=noise.train_steps,
            noise_name=noise.name,
            noise_fingerprint=noise.fingerprint,
        )

    noise = hso.NoiseSchedule.from_config(SCHEDULERS.setdefault(name, make_scheduler(name)))
    assert refused(make, name)
