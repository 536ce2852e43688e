"""All peers stand behind one registry, each once, and say why where they cannot serve."""

import numpy as np
import pytest

import hso
from hso.evaluation.contestants import ALL, CLOSED_FORMS, CONTESTANTS, OPTIMIZED, Case, check_names, enter
from hso.evaluation.peers import PEERS
from hso.rules import ALIASES, RULES, TABLES
from hso.search import STRATEGIES

SLOW = ("hso_published", "dm_nonuniform_bilevel")


def test_every_rule_table_strategy_and_peer_stands_once(sd):
    assert set(CONTESTANTS) >= {*RULES, *PEERS, *(f"hso_{name}" for name in STRATEGIES)}
    assert not set(CONTESTANTS) & set(ALIASES)
    assert not set(CLOSED_FORMS) & set(TABLES)
    assert check_names((ALL,)) == tuple(CONTESTANTS)


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
def test_all_have_the_nodes_and_the_terminal_that_were_asked_for(sd, terminal):
    names = [name for name in CONTESTANTS if name not in SLOW]
    groups, refused = enter(names, Case(sd, 5, terminal))
    assert all(group.schedule.nfe == 5 for group in groups)
    assert all(group.schedule.ends_clean == (terminal == "clean") for group in groups)
    assert sorted([*names]) == sorted([name for g in groups for name in g.names] + [r.name for r in refused])


def test_what_cannot_serve_says_why(sd):
    groups, refused = enter(["gits_sd15", "ays_svd", "gits", "trailing"], Case(sd, 25))
    assert [group.names for group in groups] == [("trailing",)]
    reasons = {refusal.name: refusal.reason for refusal in refused}
    assert "a number of steps that gits_sd15 has" in reasons["gits_sd15"]
    assert "Stable Video Diffusion" in reasons["ays_svd"]
    assert "cannot be called" in reasons["gits"]
    _, refused = enter(["trailing"], Case(hso.NoiseSchedule.edm(), 5))
    assert "training timesteps" in refused[0].reason


def test_the_same_schedule_stands_once_under_all_names(sd):
    groups, _ = enter(["uniform_lambda", "hso_exact", "polyexponential", "hso_bilevel"], Case(sd, 4))
    assert [group.names for group in groups] == [("uniform_lambda", "polyexponential"), ("hso_exact", "hso_bilevel")]


def test_settings_are_those_of_the_papers(sd):
    t = enter(["dm_nonuniform_t"], Case(sd, 5, "t_min"))[0][0].schedule
    expected = np.array([1000, 602, 376, 208, 80]) / 1000
    np.testing.assert_allclose(t.times, expected, atol=2e-3)
    first = enter(["hso_exact_t1"], Case(sd, 5))[0][0].schedule
    assert first.times[0] == 1
    assert all("hso" in name or "dm" in name for name in OPTIMIZED)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(hso.ArgumentError, match="did you mean 'trailing'"):
        check_names(["trailng"])
