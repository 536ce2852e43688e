"""The benchmarks of calibrations say what sampling says."""

import numpy as np
import pytest
from benchmarks.calibrated import OURS, Cell, lines
from benchmarks.calibration_cost import Judge, Study

from hso.rules import rule_schedule
from hso.schedule import CLEAN


@pytest.fixture(scope="module")
def study():
    return Study(24, 48)


def test_errors_and_losses_are_those_of_images_that_are_sampled(study):
    subject, judge = study.subject("mixture"), study.judge("mixture")
    assert isinstance(judge, Judge)
    start, cell = subject.begin(range(24)), ("unipc", 5)
    teacher = subject.sample("dpmpp_2m", rule_schedule("uniform_lambda", subject.noise, 56, CLEAN), start)
    rules = [rule_schedule(rule, subject.noise, 5, CLEAN) for rule in ("trailing", "edm")]
    for schedule in rules:
        expected = np.sqrt(np.mean((subject.sample("unipc", schedule, start) - teacher) ** 2))
        found = judge.error(cell, schedule)
        assert found.value == pytest.approx(expected, rel=1e-6)
        assert found.low < found.value < found.high
    ratio = judge.ratio(cell, *rules)
    assert ratio.value == pytest.approx(judge.true(cell, rules[0]) / judge.true(cell, rules[1]), rel=1e-9)
    assert ratio.low < ratio.value < ratio.high
    assert judge.ratio(cell, rules[0], rules[0]).value == 1


def test_peers_have_columns_with_their_calls():
    distances = {"trailing": 2.0, "edm": 1.0, "hso": 1.5, "calibrated": 0.9, "tuned": 0.5, "oss": 0.7}
    cell = Cell(
        ("mixture", "ddim", 4), distances, frozenset({"tuned"}), frozenset({"oss"}), {"tuned": 30000, "oss": 16000}
    )
    table = lines([cell], (*OURS, "oss"))
    assert table[0].endswith("| tuned | oss | best other | calls of tuned | calls of oss |")
    assert table[2] == "| mixture | ddim | 4 | 2 | 1.5 | 0.9 | 0.5* | 0.7 | 1 (edm) | 30000 | 16000 |"
    assert table[-1] == "| oss | 0 of 1 | 1 | 1 | 0 | 0 | 0.700 |"
    assert "oss" not in lines([cell])[0]
