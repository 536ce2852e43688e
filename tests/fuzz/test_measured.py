"""What callers pass where a network is called: solvers, features, networks and teams; and what a cache is asked for."""

from __future__ import annotations

import functools

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

import hso
from hso.cache import ScheduleCache
from hso.models.gaussian import GaussianModel
from hso.solvers import AUTO, UniPC, label_of, make_solver
from tests.fuzz.checks import check_schedule, costly, fuzzed, limited, refused
from tests.fuzz.values import values
from tests.fuzz.words import SOLVERS, named

SHAPE = (36,)
MODEL = GaussianModel.power_law(6)
NOISE = hso.NoiseSchedule.preset("sd2.1")
ODD = [None, True, 3, 2.5, float("nan"), "", "auto", b"ddim", [], {}, ["ddim"], np.array(["ddim", "heun"]), object()]


def states(count: int) -> np.ndarray:
    """Unit noise."""
    return np.random.default_rng(0).standard_normal((count, *SHAPE))


@functools.cache
def calibration() -> hso.Calibration:
    """A calibration of eight images."""
    return hso.calibrate(MODEL.eps, NOISE, states(8), points=8)


solver_names = st.one_of(named(SOLVERS), st.sampled_from([*AUTO, *ODD, UniPC(order=2)]))


@fuzzed
@given(st.one_of(solver_names, st.lists(solver_names, max_size=3)), st.integers(1, 5), st.booleans())
@example("auto", 4, True)
@example(np.array(["ddim"]), 4, True)
def test_solvers_are_refused_or_one_of_them_is_chosen(solver, nfe, calibrated):
    with limited("solvers"):
        try:
            known = calibration() if calibrated else None
            found = hso.optimize(NOISE, nfe, solver=solver, calibration=known)
        except hso.HSOError as error:
            refused("solvers", error)
            return
    several = AUTO if isinstance(solver, str) and solver == "auto" else solver
    asked = several if isinstance(several, list | tuple | np.ndarray) else [several]
    assert label_of(found.solver) in {label_of(make_solver(one)) for one in asked}
    assert found.nfe == nfe
    assert np.isfinite(found.objective)
    check_schedule(found.schedule)


# What a function of images may return instead of a row of finite numbers for each.
RETURNED = {
    "the same": lambda x: x,
    "one column": lambda x: x[:, :1],
    "none": lambda x: x[:, :0],
    "constant": np.zeros_like,
    "large": lambda x: 1e300 * x,
    "too large": lambda x: 1e200 * x**3,
    "small": lambda x: 1e-300 * x,
    "not a number": lambda x: x * np.nan,
    "infinite": lambda x: x + np.inf,
    "too few": lambda x: x[1:],
    "too many": lambda x: np.concatenate((x, x)),
    "more axes": lambda x: x[:, None],
    "fewer axes": lambda x: x.sum(axis=1),
    "whole": lambda x: x.astype(int),
    "complex": lambda x: x.astype(complex),
    "texts": lambda x: x.astype(str),
    "objects": lambda x: x.astype(object),
    "lists": lambda x: x.tolist(),
    "nothing": lambda _: None,
    "a number": lambda _: 1.0,
    "half": lambda x: x.astype(np.float16),
    "all together": lambda x: np.tile(x.mean(axis=0), (len(x), 1)),
    "ragged": lambda x: [row[: index % 3] for index, row in enumerate(x)],
}
returned = st.sampled_from(sorted(RETURNED))
NOT_FUNCTIONS = st.sampled_from([1, "pixels", [], np.zeros(3)])


def check_tuned(kind: str, model: object, **options: object) -> None:
    """Check that a tuning is refused, or ends in a sound schedule."""
    with limited(kind), np.errstate(all="ignore"):
        try:
            found = hso.tune(model, NOISE, states(24), nfe=2, points=8, **options)
        except hso.HSOError as error:
            refused(kind, error)
            return
    assert np.isfinite(found.loss)
    check_schedule(found.schedule)


@costly
@given(st.one_of(returned.map(RETURNED.get), NOT_FUNCTIONS), st.sampled_from(["ddim", "unipc"]))
@example(RETURNED["none"], "ddim")
@example(RETURNED["large"], "ddim")
@example("pixels", "ddim")
def test_features_are_refused_or_used(features, solver):
    check_tuned("features", MODEL.eps, features=features, solver=solver, rules=["trailing"])


@costly
@given(returned, st.integers(0, 40), st.sampled_from(["epsilon", "sample", "v_prediction"]))
def test_a_network_that_says_something_else_is_refused_or_used(name, first, prediction):
    calls = []

    def network(x, node):
        calls.append(node)
        return RETURNED[name](x) if len(calls) > first else MODEL.eps(x, node)

    with limited("network"), np.errstate(all="ignore"):
        try:
            found = hso.calibrate(network, NOISE, states(8), prediction, points=8, batch=4)
            schedule = hso.optimize(NOISE, 3, calibration=found).schedule
        except hso.HSOError as error:
            refused("network", error)
            return
    check_schedule(schedule)


@costly
@given(st.one_of(values, st.sampled_from([*ODD, hso.Team, hso.Team()])))
def test_a_team_is_one_or_is_refused(team):
    with limited("team"):
        try:
            found = hso.calibrate(MODEL.eps, NOISE, states(8), points=8, team=team)
        except hso.HSOError as error:
            refused("team", error, "team: ")
            return
    assert team is None or isinstance(team, hso.Team)
    assert found.images == 8


def outcome(ask, *given, **options):
    """The schedule that is found, or what refuses it."""
    try:
        return ask(*given, **options).schedule
    except hso.HSOError as error:
        return type(error)


numbers = st.one_of(st.integers(1, 6), st.sampled_from([*ODD, 5.0, 10**30, -1]))
OPTIONS = {
    "solver": st.one_of(solver_names, st.lists(solver_names, max_size=2)),
    "seed": numbers,
    "terminal": st.sampled_from(["clean", "t_min", *ODD]),
    "strategy": st.sampled_from(["exact", "local", *ODD]),
}


@fuzzed
@given(st.lists(numbers, min_size=1, max_size=3), st.fixed_dictionaries({}, optional=OPTIONS))
@example([1, True], {})
@example([4], {"solver": ["ddim"]})
@example([4], {"terminal": np.array(["clean", "t_min"])})
def test_a_cache_says_what_a_search_says(budgets, options):
    cache = ScheduleCache()
    with limited("cache"):
        for nfe in budgets * 2:
            found, plain = outcome(cache.optimize, NOISE, nfe, **options), outcome(hso.optimize, NOISE, nfe, **options)
            assert found == plain
