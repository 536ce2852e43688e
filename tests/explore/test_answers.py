"""From a state to what the page is told: numbers that JSON can hold, and errors in the core's own words."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hso
from hso.errors import ArgumentError, FileError
from hso.explore.answers import FILE, Explorer
from hso.explore.state import State
from hso.hosts import HOSTS
from hso.hosts.text import from_text, to_text
from hso.noise import presets

from .conftest import NOISE


def asked(**values):
    return State.read({"noise": "sd2.1", "nfe": 5, **values})


@pytest.fixture(scope="module")
def explorer():
    return Explorer()


def test_every_preset_can_be_picked(explorer):
    names = [model["name"] for model in explorer.catalogue()["models"]]
    assert set(presets()) | {"digits"} == set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", list(presets()))
def test_every_preset_can_be_seen(explorer, name):
    view = explorer.view(asked(noise=name, solver="ddim"))
    json.dumps(view, allow_nan=False)
    curve = view["noise"]["curve"]
    assert np.all(np.diff(curve["t"]) < 0)
    assert np.all(np.diff(curve["lambda"]) > 0)
    noise = hso.NoiseSchedule.preset(name)
    assert [curve["t"][-1], curve["t"][0]] == pytest.approx(list(noise.t_range), abs=1e-6)


def test_the_view_is_what_optimize_gives(explorer):
    view = explorer.view(asked(solver="unipc"))
    result = hso.optimize(NOISE, 5, solver="unipc")
    assert view["schedule"]["t"] == result.schedule.times.tolist()
    assert view["schedule"]["timesteps"] == result.schedule.timesteps.tolist()
    assert view["best"] == view["judged"]["objective"] == pytest.approx(result.objective)


def test_without_a_name_the_solver_is_the_models_own(explorer):
    assert explorer.view(asked(noise="sdxl"))["solver"] == presets()["sdxl"].solver
    assert explorer.view(asked(noise="digits"))["solver"] == "unipc"


def test_moved_nodes_keep_what_is_best(explorer):
    moved = explorer.view(asked(solver="ddim", times=[0.97, 0.7, 0.5, 0.3, 0.05]))
    assert moved["schedule"]["t"] == pytest.approx([0.97, 0.7, 0.5, 0.3, 0.05])
    assert moved["best"] == explorer.view(asked(solver="ddim"))["judged"]["objective"]
    assert explorer.judge(asked(solver="ddim", times=[0.97, 0.7, 0.5, 0.3, 0.05]))["judged"] == moved["judged"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nfe": 0}, "nfe: expected an integer from 1 to 1000, got 0"),
        ({"nfe": 5.5}, "nfe: expected an integer from 1 to 1000, got 5.5"),
        ({"nfe": "five"}, "nfe: expected an integer from 1 to 1000, got 'five'"),
        ({"nfe": None}, "nfe: expected an integer from 1 to 1000, got None"),
        ({"nfe": 10**30}, "nfe: expected an integer from 1 to 1000, got 1000"),
        ({"solver": "unipcc"}, "solver: expected one of .*did you mean 'unipc'"),
        ({"solver": "auto"}, "solver: expected one solver for objective mep"),
        ({"solver": "heun", "nfe": 6}, "nfe"),
        ({"noise": "sd2.2"}, "noise: expected one of .*did you mean 'sd2.1'"),
        ({"noise": "/etc/passwd"}, "noise: expected one of"),
        ({"noise": "{"}, "noise: expected a scheduler configuration in JSON"),
        ({"noise": "{}"}, "config: expected a known _class_name"),
        ({"noise": "[" * 100_000}, "noise: expected one of"),
        ({"noise": "{" + '"a":[' * 100_000}, "noise: expected a scheduler configuration in JSON"),
        ({"start": 0.0}, "start: expected a time above"),
        ({"boundary": 0.5, "per_expert": 3}, "boundary: expected at most 2 nodes on each side"),
        ({"calibrated": True}, "calibration: expected a file on the command line"),
    ],
)
def test_errors_are_those_of_the_core(explorer, values, message):
    with pytest.raises(ArgumentError, match=message):
        explorer.view(asked(**values))


def test_what_was_asked_before_makes_no_wrong_number_right(explorer):
    explorer.view(asked(nfe=1))
    for nfe in (1.0, True):
        with pytest.raises(ArgumentError, match="nfe: expected an integer from 1 to 1000"):
            explorer.view(asked(nfe=nfe))


def test_the_text_of_a_configuration_is_a_model(explorer):
    config = presets()["sdxl"].config
    view = explorer.view(asked(noise=json.dumps(config), solver="unipc"))
    assert view["noise"]["name"] == "opened file"
    assert view["noise"]["curve"] == explorer.view(asked(noise="sdxl"))["noise"]["curve"]


def test_a_model_that_was_given_goes_before_a_preset_of_its_name():
    own = hso.NoiseSchedule.rectified_flow(3.0)
    explorer = Explorer({"sd2.1": own})
    assert [one["group"] for one in explorer.catalogue()["models"] if one["name"] == "sd2.1"] == ["Your own"]
    assert explorer.noise("sd2.1") is own


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_exported_is_what_convert_writes(explorer, host):
    state = asked(noise="sd2.1", solver="ddim")
    schedule = hso.optimize(NOISE, 5, solver="ddim").schedule
    assert outcome(lambda: explorer.text(state, host)["text"]) == outcome(lambda: to_text(schedule, host))


def outcome(function):
    """What a function returns, or the words of its error."""
    try:
        return function()
    except hso.HSOError as error:
        return str(error)


def test_moved_nodes_are_exported(explorer):
    times = [0.97, 0.7, 0.5, 0.3, 0.05]
    text = explorer.text(asked(times=times), "comfyui")["text"]
    assert from_text(text, "comfyui", NOISE).times == pytest.approx(times)


def test_the_schedule_file_can_be_loaded(explorer, tmp_path):
    found = explorer.text(asked(solver="ddim"), FILE)
    path = tmp_path / found["file"]
    path.write_text(found["text"])
    assert path.name == "sd2.1-ddim-5.json"
    assert hso.SamplingSchedule.load(path) == hso.optimize(NOISE, 5, solver="ddim").schedule


def test_a_schedule_that_was_moved_says_so(explorer):
    content = json.loads(explorer.text(asked(times=[0.97, 0.7, 0.5, 0.3, 0.05]), FILE)["text"])
    assert content["provenance"]["strategy"] == "moved by hand"
    assert json.loads(explorer.text(asked(), FILE)["text"])["provenance"]["strategy"] == "halfway"


def test_names_of_files_have_no_path_in_them():
    own = hso.NoiseSchedule.from_betas(np.linspace(1e-4, 0.02, 100), name="../../evil name")
    explorer = Explorer({"own": own})
    assert explorer.text(asked(noise="own"), FILE)["file"] == "..-..-evil-name-unipc-5.json"


def test_an_unknown_host_is_named(explorer):
    with pytest.raises(ArgumentError, match="to: expected one of"):
        explorer.text(asked(), "nowhere")


def test_all_schedules_are_compared_by_the_same_objective(explorer):
    state = asked(noise="sd1.5", solver="ddim")
    view, others = explorer.view(state), explorer.compared(state)
    json.dumps(others, allow_nan=False)
    # The table of Align Your Steps has its first node at t = 1 and its last below the box, so its J is more.
    ays = next(one for one in others if one["name"] == "ays_sd15")
    assert ays["judged"]["objective"] > view["best"]
    assert all((one["schedule"] is None) == bool(one["reason"]) for one in others)


def test_a_calibration_is_offered_where_it_fits(calibration):
    explorer = Explorer(calibration=calibration)
    assert explorer.view(asked())["calibration_fits"]
    assert not explorer.view(asked(noise="sd3"))["calibration_fits"]
    assert explorer.view(asked(calibrated=True))["objective"] == "replay"
    with pytest.raises(ArgumentError, match="calibration: expected a calibration made for sd3"):
        explorer.view(asked(noise="sd3", calibrated=True))


def test_nodes_outside_of_the_calibration_have_no_objective_and_a_reason(calibration):
    explorer = Explorer(calibration=calibration)
    low = explorer.view(asked(calibrated=True))["limits"][0]
    judged = explorer.judge(asked(calibrated=True, nfe=2, times=[0.9, low / 2]))["judged"]
    assert judged["objective"] is None
    assert "which the calibration covers" in judged["note"]


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["sd2.1", "wan2.2", "edm-cifar10", "unipc", "heun", "auto", '{"shift": 3}']),
    st.lists(st.floats(0, 1), max_size=6),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(content=st.dictionaries(st.sampled_from([field.name for field in dataclasses.fields(State)]), ODD))
def test_odd_states_are_answered_or_refused_in_one_line(explorer, content):
    def answers():
        state = State.read({"noise": "sd2.1", "nfe": 4, **content})
        found = [explorer.view(state), explorer.judge(state), explorer.text(state, "comfyui")]
        return json.dumps(found, allow_nan=False)

    assert len(outcome(answers).splitlines()) == 1


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(FileError, match="expected the folder of a comparison"):
        Explorer(run=tmp_path)
