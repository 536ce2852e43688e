"""A sampling schedule is immutable, valid, and survives its file."""

import copy
import dataclasses
import json
import math
import os
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hso
from hso import ArgumentError, FileError, NoiseSchedule, SamplingSchedule


@pytest.fixture
def schedule(sd):
    return hso.optimize(sd, 5, solver="unipc", terminal="t_min").schedule


def optimize_from(noise, start, terminal):
    return hso.optimize(noise, 4, terminal=terminal, constraints=hso.Constraints(start=start)).schedule


def remake(schedule, **changes):
    return dataclasses.replace(schedule, **changes)


def test_its_views_describe_the_same_nodes(sd, schedule):
    assert np.allclose(sd.lambda_(schedule.times), schedule.lambdas, rtol=1e-12)
    assert np.allclose(schedule.sigmas, sd.sigmas(schedule.times), rtol=1e-12)
    assert np.abs(schedule.timesteps - (1000 * schedule.times - 1)).max() <= 0.5
    assert schedule.nfe == len(schedule.lambdas) == len(schedule.timesteps) == 5


def test_it_cannot_be_changed(schedule):
    with pytest.raises(ValueError, match="read-only"):
        schedule.times[0] = 0.5
    with pytest.raises(AttributeError):
        schedule.terminal = 3.0
    with pytest.raises(TypeError):
        schedule.provenance["seed"] = 3


def test_copies_and_pickles_are_equal_and_as_immutable(schedule):
    for twin in (copy.copy(schedule), copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule))):
        assert twin == schedule
        assert dict(twin.provenance) == dict(schedule.provenance)
        with pytest.raises(ValueError, match="read-only"):
            twin.times[0] = 0.5


@pytest.mark.parametrize("values", [[], "many", None, [1.0, "x"], [[1.0]], 3.0, [float("nan")]], ids=str)
def test_what_is_no_vector_is_refused(sd, values):
    for make in (SamplingSchedule.from_times, SamplingSchedule.from_timesteps):
        with pytest.raises(ArgumentError, match="a vector of at least one finite number"):
            make(sd, values)
    with pytest.raises(ArgumentError, match="knots: expected a vector"):
        SamplingSchedule.from_knots(sd, values, "clean")


@pytest.mark.parametrize("terminal_time", ["clean", None, -0.1, 1.1, float("nan")], ids=str)
def test_a_terminal_time_that_is_no_time_is_refused(sd, terminal_time):
    with pytest.raises(ArgumentError, match=r"terminal_time: expected a number in \[0, 1\]"):
        SamplingSchedule.from_times(sd, [1.0, 0.5], terminal_time)


def test_timesteps_make_the_schedule_they_came_from(sd):
    timesteps = [999, 749, 499, 249]
    schedule = SamplingSchedule.from_timesteps(sd, timesteps)
    assert schedule.timesteps.tolist() == timesteps
    assert schedule.ends_clean


@given(st.lists(st.floats(1e-3, 1), min_size=1, max_size=30, unique=True))
def test_rounded_timesteps_are_distinct_descending_and_valid(times):
    noise = NoiseSchedule.preset("sd2.1")
    try:
        schedule = SamplingSchedule.from_times(noise, sorted(times, reverse=True))
    except ArgumentError:
        return  # Times that coincide in lambda are no schedule.
    timesteps = schedule.timesteps
    assert np.all(np.diff(timesteps) < 0)
    assert timesteps[0] <= 999
    assert timesteps[-1] >= 0


def test_nodes_that_round_to_one_timestep_are_kept_apart(sd):
    schedule = SamplingSchedule.from_times(sd, [0.5, 0.4999, 0.4998, 0.0012, 0.0011])
    assert schedule.timesteps.tolist() == [499, 498, 497, 1, 0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"lambdas": [0.0, -1, 1, 2, 3]}, "lambdas: expected strictly increasing"),
        ({"lambdas": [0.0, 0, 1, 2, 3]}, "lambdas: expected strictly increasing"),
        ({"lambdas": [0.0, math.nan, 1, 2, 3]}, "lambdas: expected a vector"),
        ({"lambdas": [1.0]}, "times: expected 1 values"),
        ({"lambdas": []}, "lambdas: expected a vector"),
        ({"times": [1, 0.5, 0.5, 0.2, 0.1]}, "times: expected strictly decreasing"),
        ({"times": [1.2, 0.5, 0.4, 0.2, 0.1]}, r"times: expected strictly decreasing values in \[0, 1\]"),
        ({"terminal": -9.0}, "terminal: expected a lambda above"),
        ({"terminal": math.nan}, "terminal: expected a lambda above"),
        ({"terminal_time": 0.9}, "terminal_time: expected a time"),
        ({"terminal": math.inf}, "terminal_time: expected 0 if the terminal is clean"),
        ({"network_timesteps": [9.0, 8, 7, 6]}, "network_timesteps: expected 5 values"),
        ({"network_timesteps": [9.0, 8, 7, 6, 7]}, "network_timesteps: expected strictly decreasing or strictly inc"),
        ({"path": "vp"}, "path: expected a path"),
        ({"start": 0.5}, "start: expected None, or the time of the first node, 0.98"),
        ({"start": "begin"}, "start: expected a number"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule, changes, problem):
    with pytest.raises(ArgumentError, match=problem):
        remake(schedule, **changes)


def test_more_nodes_than_timesteps_cannot_be_rounded():
    noise = NoiseSchedule.from_betas([0.1, 0.2, 0.3])
    schedule = SamplingSchedule.from_times(noise, [1.0, 0.9, 0.6, 0.5])
    with pytest.raises(ArgumentError, match="timesteps: expected at most 3 nodes"):
        _ = schedule.timesteps


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
def test_it_survives_its_file(sd, tmp_path, terminal):
    schedule = hso.optimize(sd, 5, terminal=terminal, seed=7).schedule
    schedule.save(tmp_path / "s.json")
    loaded = SamplingSchedule.load(tmp_path / "s.json")
    assert loaded == schedule
    assert hash(loaded) == hash(schedule)
    assert loaded.terminal == schedule.terminal
    assert loaded.provenance["seed"] == 7
    assert loaded.provenance["strategy"] == "halfway"
    assert loaded.provenance["hso"] == hso.__version__
    assert (loaded.noise_name, loaded.noise_fingerprint) == ("sd2.1", sd.fingerprint)


def test_knots_and_levels_say_where_the_last_step_lands(sd):
    times = [0.9, 0.5, 0.2]
    clean, landing = SamplingSchedule.from_times(sd, times), SamplingSchedule.from_times(sd, times, 0.01)
    assert clean.knots.tolist() == clean.lambdas.tolist() == landing.lambdas.tolist()
    assert clean.levels.tolist() == [*clean.lambdas.tolist(), math.inf]
    assert landing.levels.tolist() == landing.knots.tolist() == [*clean.lambdas.tolist(), float(sd.lambda_(0.01))]
    assert clean.knot_times == pytest.approx(times, abs=1e-12)
    assert landing.knot_times == pytest.approx([*times, 0.01], abs=1e-12)


def test_equality_is_of_nodes_terminal_noise_and_start_and_never_of_provenance(sd, ddpm):
    times = [0.9, 0.5, 0.2]
    schedule = SamplingSchedule.from_times(sd, times)
    twin = remake(schedule, provenance={"strategy": "exact", "start": 0.9}, noise_name="another name")
    assert twin == schedule
    assert hash(twin) == hash(schedule)
    others = [
        SamplingSchedule.from_times(sd, times[:2]),
        SamplingSchedule.from_times(sd, times, 0.01),
        SamplingSchedule.from_times(ddpm, times),
        SamplingSchedule.from_times(sd, times, start=0.9),
        remake(schedule, terminal=5.0),
    ]
    assert len({schedule, *others}) == 6
    assert schedule != "a schedule"


def test_a_negative_zero_is_no_other_level():
    noise = NoiseSchedule.rectified_flow()
    plain, negative = (SamplingSchedule.from_knots(noise, [-2.0, zero, 1.0], "clean") for zero in (0.0, -0.0))
    assert plain == negative
    assert hash(plain) == hash(negative)


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
def test_a_run_that_begins_part_way_says_where(sd, tmp_path, terminal):
    schedule = optimize_from(sd, 0.6, terminal)
    assert schedule.start == 0.6
    assert schedule.times[0] == pytest.approx(0.6, abs=1e-9)
    schedule.save(tmp_path / "s.json")
    for twin in (SamplingSchedule.load(tmp_path / "s.json"), pickle.loads(pickle.dumps(schedule))):
        assert (twin, twin.start, twin.path) == (schedule, 0.6, sd.path)
    assert optimize_from(sd, None, terminal).start is None


def test_the_file_is_what_to_dict_says(schedule, tmp_path):
    schedule.save(tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads(json.dumps(schedule.to_dict()))
    assert schedule.to_dict()["path"] == {"name": "vp"}


def edited(schedule, file, /, **changes):
    schedule.save(file)
    content = json.loads(file.read_text())
    for name, value in changes.items():
        if value is None and name != "timesteps":
            del content[name]
        else:
            content[name] = value
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": "other"}, "format: expected"),
        ({"version": 2}, "version: expected 1, got 2"),
        ({"version": None}, "version: expected 1, got None"),
        ({"lambdas": None}, "missing required field `lambdas`"),
        ({"lambdas": "many"}, r"Expected `array`, got `str` - at `\$.lambdas`"),
        ({"lambdas": [1, "x"]}, r"at `\$.lambdas\[1\]`"),
        ({"lambdas": [3, 2, 1, 0, -1]}, "lambdas: expected strictly increasing"),
        ({"nfe": 4}, "nfe: expected 5"),
        ({"sigmas": [1, 2, 3, 4, 5]}, "sigmas: expected exp"),
        ({"timesteps": [999, 3, 2, 1, 0]}, "timesteps: expected"),
        ({"timesteps": None}, "timesteps: expected"),
        ({"terminal": "dirty"}, "terminal"),
        ({"terminal": "clean"}, "terminal_time: expected 0 if the terminal is clean"),
        ({"noise": "sd"}, r"at `\$.noise`"),
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"train_steps": 0}, "train_steps: expected"),
        ({"path": None}, "missing required field `path` .was the file edited, or written by another release"),
        ({"path": {"name": "vq"}}, "path: expected one of .*did you mean 'vp'"),
        ({"path": {}}, "path: expected one of"),
        ({"path": {"name": "vp", "speed": 3}}, r"path: expected the settings \[\] of path 'vp', got \['speed'\]"),
        ({"path": {"name": "ve", "sigma_data": "much"}}, "sigma_data: expected a number"),
        ({"start": None}, "missing required field `start`"),
        ({"start": 0.2}, "start: expected None, or the time of the first node"),
    ],
    ids=str,
)
def test_an_edited_file_is_refused_and_the_field_named(schedule, tmp_path, changes, problem):
    path = edited(schedule, tmp_path / "s.json", **changes)
    with pytest.raises(FileError, match=problem) as raised:
        SamplingSchedule.load(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "\x00\x01", "[" * 100_000, '{"nfe": NaN}', '{"format": "hso-schedule", "version": 1'],
)
def test_a_truncated_or_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "s.json"
    path.write_text(content)
    with pytest.raises(FileError, match=r"s\.json"):
        SamplingSchedule.load(path)


def test_a_missing_file_and_an_unwritable_place_are_named(schedule, tmp_path):
    with pytest.raises(FileError, match="No such file"):
        SamplingSchedule.load(tmp_path / "absent.json")
    with pytest.raises(FileError, match="cannot write: No such file or directory"):
        schedule.save(tmp_path / "absent" / "s.json")
    with pytest.raises(FileError, match="cannot write: Is a directory"):
        schedule.save(tmp_path)


def test_an_interrupted_write_leaves_the_old_file_and_no_litter(schedule, tmp_path, monkeypatch):
    path = tmp_path / "s.json"
    path.write_text("old")

    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        schedule.save(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link_and_a_pipe_a_pipe(schedule, tmp_path):
    target, link, pipe = tmp_path / "target.json", tmp_path / "link.json", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    schedule.save(link)
    assert link.is_symlink()
    assert SamplingSchedule.load(target) == schedule
    os.mkfifo(pipe)
    reader = threading.Thread(target=pipe.read_bytes)
    reader.start()
    schedule.save(pipe)
    reader.join()
    assert pipe.is_fifo()


def test_a_saved_file_has_ordinary_permissions(schedule, tmp_path):
    (tmp_path / "plain").write_text("")
    schedule.save(tmp_path / "s.json")
    assert (tmp_path / "s.json").stat().st_mode == (tmp_path / "plain").stat().st_mode
