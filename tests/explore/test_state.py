"""The state is what a link holds; what is no state is refused in one line."""

from __future__ import annotations

import pytest

from hso.errors import ArgumentError
from hso.explore.state import State
from hso.search import Boundary


def test_what_is_missing_is_left_to_the_model():
    state = State.read({"noise": "sd2.1", "nfe": 5, "start": None})
    assert (state.solver, state.start, state.times, state.calibrated) == ("", None, None, False)


def test_a_moved_state_and_the_question_behind_it_are_two():
    state = State.read({"noise": "sd2.1", "nfe": 2, "times": [0.9, 0.4]})
    assert state.times == (0.9, 0.4)
    assert state.unmoved() == State.read({"noise": "sd2.1", "nfe": 2})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "state: expected a JSON object, got None"),
        ([1], "state: expected a JSON object"),
        ({"noise": 3}, "noise: expected a name, got 3"),
        ({"noise": "sd2.1", "calibrated": 1}, "calibrated: expected true or false, got 1"),
        ({"noise": "sd2.1", "start": "half"}, r"start: expected a number in \[0, 1\], got 'half'"),
        ({"noise": "sd2.1", "start": 1.5}, r"start: expected a number in \[0, 1\], got 1.5"),
        ({"noise": "sd2.1", "boundary": float("nan")}, r"boundary: expected a number in \[0, 1\], got nan"),
        ({"noise": "sd2.1", "times": []}, "times: expected a list of 1 to 1000 times"),
        ({"noise": "sd2.1", "times": [0.5] * 1001}, "times: expected a list of 1 to 1000 times"),
        ({"noise": "sd2.1", "times": "0.5"}, "times: expected a list of 1 to 1000 times"),
        ({"noise": "sd2.1", "times": [0.5, "x"]}, r"times: expected a number in \[0, 1\], got 'x'"),
        ({"noise": "sd2.1", "path": "/etc/passwd"}, "state: expected fields among .*, got 'path'"),
    ],
)
def test_what_is_no_state_is_named(content, message):
    with pytest.raises(ArgumentError, match=message):
        State.read(content)


def test_the_nodes_of_each_network_need_a_boundary():
    state = State.read({"noise": "sd2.1", "per_expert": 2})
    assert state.constraints(0.4).boundary == Boundary(0.4, 2)
    with pytest.raises(ArgumentError, match="per_expert: expected a boundary too"):
        state.constraints(None)
    assert State.read({"noise": "x", "boundary": 0.7}).constraints(0.4).boundary == Boundary(0.7, 1)
    assert State.read({"noise": "x"}).constraints(0.4).boundary is None
