"""Local search from a rule."""

import numpy as np
import pytest

from hso import optimize
from hso.errors import ArgumentError
from hso.objectives import KnotFunction, make_objective
from hso.objectives.mep import MidpointSum
from hso.rules import Span, rule_schedule
from hso.search import Bilevel, Box, Constraints, Local, Problem, make_strategy
from hso.solvers import UniPC


@pytest.mark.parametrize("objective", ["mep", "dm_nonuniform"])
@pytest.mark.parametrize("nfe", [3, 5, 9])
def test_it_improves_on_its_start_and_keeps_its_ends(sd, objective, nfe):
    result = optimize(sd, nfe, objective=objective, strategy="local", terminal="t_min")
    start = rule_schedule("uniform_t", sd, nfe, "t_min")
    function = make_objective(objective).on(sd, UniPC(), "t_min")
    before = float(function.value(np.append(start.lambdas, start.terminal)))
    assert result.objective < before
    assert result.schedule.times[0] == 1.0
    assert result.schedule.terminal_time == pytest.approx(0.001, abs=1e-12)


def test_for_an_additive_objective_it_finds_the_newton_optimum(ddpm):
    local = Local(rule="edm", span=Span(t_max=0.96, t_min=0.03))
    result = optimize(ddpm, 4, solver="ddim", strategy=local)
    assert result.schedule.times == pytest.approx([0.96, 0.71629, 0.37023, 0.03], abs=1e-4)


def test_with_two_knots_there_is_nothing_to_move(sd):
    result = optimize(sd, 2, solver="ddim", strategy="local")
    assert result.message == "no knots between the ends"


def test_a_rule_without_range_is_refused(sd):
    with pytest.raises(ArgumentError, match=r"rule: expected one of arctan, .*, uniform_lambda, uniform_t"):
        optimize(sd, 4, strategy=Local(rule="trailing"), terminal="t_min")


class ValueOnly(KnotFunction):
    """MEP, of which nothing but the value is known."""

    def __init__(self, noise):
        self.noise = noise

    def value(self, knots):
        return MidpointSum(self.noise).value(knots)


@pytest.mark.parametrize("strategy", [Local(rule="edm", span=Span(t_max=0.96, t_min=0.03)), Bilevel(2, 1)])
def test_a_value_is_enough_for_local_and_bilevel(ddpm, strategy):
    ends = Constraints(Box(t_min=(0.03, 0.03), t_max=(0.96, 0.96)), d_min=0.0)
    knots = [
        strategy.search(Problem(function, 4, "clean", ends), 0).knots
        for function in (ValueOnly(ddpm), MidpointSum(ddpm))
    ]
    assert ddpm.time(knots[0]) == pytest.approx(ddpm.time(knots[1]), abs=1e-4)


@pytest.mark.parametrize("strategy", ["exact", "free"])
def test_other_strategies_say_what_they_miss(ddpm, strategy):
    problem = Problem(ValueOnly(ddpm), 4, "clean", Constraints(Box(), d_min=0.0))
    with pytest.raises(ArgumentError, match=r"objective: expected one with (an edge cost|a gradient) for"):
        make_strategy(strategy).search(problem, 0)
