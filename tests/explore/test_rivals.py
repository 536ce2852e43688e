"""The rivals are those of the library, and only those that apply."""

from __future__ import annotations

import numpy as np
import pytest

import hso
from hso.errors import ArgumentError
from hso.explore.rivals import RIVALS, rivals
from hso.rules import rule_schedule
from hso.solvers import make_solver


def by_name(noise, nfe=5, solver="ddim", start=None):
    return {rival.name: rival for rival in rivals(noise, nfe, make_solver(solver), start)}


@pytest.mark.parametrize("model", ["sd1.5", "sdxl", "sd3", "svd", "edm-cifar10", "flux-dev", "mochi"])
def test_the_hosts_default_is_that_of_the_models_pipeline(model):
    noise = hso.NoiseSchedule.preset(model)
    found = by_name(noise)["host_default"].schedule
    assert np.array_equal(found.lambdas, rule_schedule(noise.traits.default_rule, noise, 5).lambdas)


def test_tables_are_shown_for_the_noise_schedule_that_they_were_made_for():
    tables = {"sd1.5": {"ays_sd15", "ays_sdxl", "gits_sd15"}, "svd": {"ays_svd"}, "sd3": set(), "ddpm": set()}
    for model, expected in tables.items():
        found = by_name(hso.NoiseSchedule.preset(model))
        assert {
            name for name, one in found.items() if one.schedule and "_s" in name and name != "hso_published"
        } == expected
        assert all(one.reason for one in found.values() if one.schedule is None)


def test_a_table_without_interpolation_has_its_rows_only():
    found = by_name(hso.NoiseSchedule.preset("sd1.5"), nfe=25)["gits_sd15"]
    assert found.schedule is None
    assert found.reason.startswith("nfe: expected a number of steps that gits_sd15 has")


def test_a_run_that_begins_part_way_has_rules_of_a_range_only():
    found = by_name(hso.NoiseSchedule.preset("sd1.5"), start=0.6)
    assert {name for name, one in found.items() if one.schedule} == {"edm", "hso_published"}
    assert all(one.schedule.times[0] == pytest.approx(0.6) for one in found.values() if one.schedule)


def test_the_published_search_is_found_again():
    noise = hso.NoiseSchedule.preset("sd2.1")
    expected = hso.optimize(noise, 4, solver="ddim", strategy="bilevel").schedule
    assert np.allclose(by_name(noise, 4)["hso_published"].schedule.times, expected.times)


def test_a_solver_with_two_calls_for_a_node_has_fewer_nodes():
    found = by_name(hso.NoiseSchedule.preset("sd1.5"), nfe=7, solver="heun")
    assert {one.schedule.nfe for one in found.values() if one.schedule} == {4}
    with pytest.raises(ArgumentError, match="nfe"):
        by_name(hso.NoiseSchedule.preset("sd1.5"), nfe=6, solver="heun")


def test_each_has_one_name():
    assert len({title for title, _ in RIVALS.values()}) == len(RIVALS)
