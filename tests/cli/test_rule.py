"""hso rule."""

from __future__ import annotations

import json

import pytest

import hso as library
from hso.rules import RULES, Span, rule_schedule


@pytest.mark.parametrize("name", RULES)
def test_it_gives_what_the_library_gives(hso, name):
    model = "svd" if name == "ays_svd" else "sd1.5"
    noise = library.NoiseSchedule.preset(model)
    code, out, err = hso(f"rule {name} --noise {model} --nfe 10 --json")
    assert (code, err) == (0, "")
    assert json.loads(out)["lambdas"] == rule_schedule(name, noise, 10).lambdas.tolist()


def test_its_options_reach_the_rule_and_the_file(hso, tmp_path):
    file = tmp_path / "edm.json"
    options = "--noise sd2.1 --nfe 5 --rho 5 --t-max 0.98 --t-min 0.01 --terminal t_min -o"
    code, out, err = hso("rule edm", *options.split(), file)
    assert (code, err) == (0, f"wrote {file}\n")
    assert "5 nodes, terminal t_min = 0.01" in out
    span = Span(t_max=0.98, t_min=0.01, rho=5.0)
    expected = rule_schedule("edm", library.NoiseSchedule.preset("sd2.1"), 5, "t_min", span)
    assert library.SamplingSchedule.load(file) == expected


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("trailing --noise sd2.1 --nfe 0", "--nfe: expected an integer from 1"),
        ("trailling --noise sd2.1 --nfe 4", "rule: expected one of"),
        ("trailing --noise sd2.1 --nfe 4 --t-max 0.9", "span: expected a span without t_max for rule trailing"),
        ("edm --noise sd2.1 --nfe 4 --t-min 0.5 --t-max 0.4", "--t-min: expected a time below t_max"),
        ("ays_svd --noise sd1.5 --nfe 4", "noise: expected a schedule that reaches"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(hso, words, problem):
    code, _, err = hso("rule " + words)
    assert code == 2
    assert problem in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "words", ["trailing --rho 3", "uniform_t --rho 7", "edm --sigma-data 2", "trailing --t-min 0.1", "ays_sd15 --rho 7"]
)
def test_an_option_that_changes_nothing_is_refused(hso, words):
    code, out, err = hso(f"rule {words} --noise sd2.1 --nfe 4")
    assert (code, out) == (2, "")
    assert f"{words.split()[1]}: expected none, because it changes nothing in {words.split()[0]} with 4 nodes" in err


@pytest.mark.parametrize(
    "words",
    [
        "edm --rho 7",
        "edm --rho 2",
        "polyexponential --rho 3",
        "arctan --sigma-data 2",
        "trailing --terminal t_min --t-min 0.005",
    ],
)
def test_an_option_that_changes_something_is_not(hso, words):
    assert hso(f"rule {words} --noise sd2.1 --nfe 4").code == 0
