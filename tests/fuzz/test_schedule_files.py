"""Files of schedules: bytes that were changed, and fields that were changed."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

import hso
from hso.solvers.learned import made_for
from tests.fuzz.checks import check_ran, check_schedule, fuzzed, limited, refused, run
from tests.fuzz.values import damaged, edits, kept, numbers, values

FIELDS = (
    *("format", "version", "nfe", "lambdas", "times", "sigmas", "network_timesteps", "timesteps", "terminal"),
    *("terminal_time", "start", "path", "train_steps", "noise", "provenance", "more"),
)


@functools.cache
def whole(name: str = "sd2.1") -> str:
    """A schedule file."""
    return json.dumps(hso.optimize(hso.NoiseSchedule.preset(name), 4).schedule.to_dict())


def check_file(content: bytes) -> None:
    """Check that a file is refused by name, or that its schedule is sound; and that ``hso show`` says the same."""
    with tempfile.TemporaryDirectory() as folder, limited("schedule file"):
        path = Path(folder, "s.json")
        path.write_bytes(content)
        try:
            schedule = hso.SamplingSchedule.load(path)
        except hso.FileError as error:
            refused("schedule file", error, f"{path}: ")
            code = 2
        else:
            check_schedule(schedule)
            code = 0
    ran = run(["show", "s.json"], {"s.json": content})
    check_ran(ran)
    assert ran.code == code, ran


@fuzzed
@given(edits, kept)
def test_changed_bytes(changes, share):
    check_file(damaged(whole().encode(), changes, share))


@fuzzed
@given(st.sampled_from(["sd2.1", "sd3", "edm-cifar10"]), st.dictionaries(st.sampled_from(FIELDS), values, max_size=3))
@example("sd2.1", {"noise": {"name": "\ud800\x1b[2J", "fingerprint": ""}})
@example("sd2.1", {"provenance": {"\ud800": ["\x1b"], "strategy": {}}})
@example("sd2.1", {"lambdas": [float("nan")]})
def test_changed_fields(name, changes):
    check_file(json.dumps({**json.loads(whole(name)), **changes}).encode())


@functools.cache
def learned() -> dict:
    """The schedule of a learned solver."""
    from tests.fuzz.test_measured import NOISE, calibration

    found = hso.optimize(NOISE, 3, solver="ddim", strategy="learned:turns=1", calibration=calibration())
    return found.schedule.to_dict()


OFFSETS = st.lists(st.lists(st.one_of(numbers, st.floats(-1, 1)), max_size=3), max_size=3)


@fuzzed
@given(
    st.sampled_from(["base", "offsets", "name", "more"]), st.one_of(values, OFFSETS, st.sampled_from(["heun", "auto"]))
)
@example("offsets", [[0.1], [0.1, 10**400]])
@example("offsets", [[0.1], [[0.1] * 5, 0.1]])
@example("base", "learned")
def test_the_solver_that_a_file_names_is_refused_or_can_run(field, value):
    content = json.loads(json.dumps(learned()))
    made = content["provenance"]["settings"]["solver"] if field != "name" else content["provenance"]
    made["solver" if field == "name" else field] = value
    with tempfile.TemporaryDirectory() as folder, limited("learned solver"):
        path = Path(folder, "s.json")
        path.write_text(json.dumps(content))
        try:
            schedule = hso.SamplingSchedule.load(path)
            solver = made_for(schedule)
            plan = solver.plan(hso.NoiseSchedule.preset("sd2.1"), schedule)
        except hso.HSOError as error:
            refused("learned solver", error)
            return
    assert len(plan) == solver.nfe(schedule.nfe)


@fuzzed
@given(
    st.sampled_from(["lambdas", "times", "sigmas", "network_timesteps", "timesteps"]), st.integers(0, 3), st.floats()
)
def test_one_changed_number(field, index, number):
    content = json.loads(whole())
    content[field][index] = number
    check_file(json.dumps(content).encode())
