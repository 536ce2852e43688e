"""The objective that CONTRIBUTING shows works as it says."""

import re
from pathlib import Path

import numpy as np
import pytest

from hso.noise import NoiseSchedule
from hso.rules import Span, rule_schedule
from hso.search import Bilevel, Box, Exact, Problem

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def power():
    source = re.findall(r"```python\n(# src/hso/objectives/power.py\n.*?)```", TEXT, flags=re.DOTALL)[0]
    namespace: dict = {}
    exec(source, namespace)
    return namespace["Power"]


def test_its_derivatives_are_right(power, sd):
    objective = power(sd)
    knots = np.array([-2.0, -1.1, 0.3, 2.0])
    diagonal, off = objective.hessian(knots)
    step = 1e-5
    for i, unit in enumerate(np.eye(4)):
        up, down = objective.gradient(knots + step * unit), objective.gradient(knots - step * unit)
        assert objective.gradient(knots)[i] == pytest.approx(
            float(objective.value(knots + step * unit) - objective.value(knots - step * unit)) / (2 * step), rel=1e-7
        )
        slope = (up - down) / (2 * step)
        assert slope[i] == pytest.approx(diagonal[i], rel=1e-7)
        if i:
            assert slope[i - 1] == pytest.approx(off[i - 1], rel=1e-7)


@pytest.mark.parametrize("strategy", [Exact(), Bilevel()])
def test_every_strategy_finds_the_edm_rule(power, strategy):
    noise = NoiseSchedule.preset("sd2.1")
    box = Box(t_min=(0.03, 0.03), t_max=(0.96, 0.96))
    knots = strategy.search(Problem(power(noise), 6, "clean", box, 0.0), 0).knots
    edm = rule_schedule("edm", noise, 6, "clean", Span(t_max=0.96, t_min=0.03))
    assert np.allclose(knots, edm.lambdas, atol=1e-6)
