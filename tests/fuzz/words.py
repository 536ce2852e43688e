"""Words of the command line: what people type, and what nobody types on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from hso.hosts import HOSTS
from hso.noise import presets
from hso.objectives import OBJECTIVES
from hso.rules import RULES
from hso.solvers import SOLVERS

Words = st.SearchStrategy[list[str]]
Text = st.SearchStrategy[str]
# Neither may be the name of a file elsewhere: a command could write there.
LETTERS = st.characters(exclude_characters="/\\\0~.", exclude_categories=())
NUMBERS = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["0", "-0", "-1", "1e999", "nan", "inf", "1e-320", "0x10", "1_0", "٣", "9" * 5000, "4.5", "1,2", "", " ", "+5"]
    ),
)
ODD = st.one_of(
    NUMBERS,
    st.text(LETTERS, max_size=30),
    st.sampled_from(["\ud800", "\x1b[31m", "a" * 5000, "--", "-", "*", "$(ls)", "{}", "[bold]", ":x:", "=", ",", ":"]),
)
SMALL, SHARE = st.integers(1, 12).map(str), st.floats(0, 1).map(lambda x: f"{x:.4g}")
PRESETS = st.sampled_from([*presets()])
# The published search takes up to a minute, and so does the bound of DM-NonUniform in a search without edge costs.
STRATEGIES = st.sampled_from(
    ["exact", "exact:grid=training", "bilevel:generations=3,population=3", "local", "free", "free:iterations=20"]
)
SETTINGS = st.sampled_from(
    ["", ":p=1", ":p=1e9", ":p=nan", ":order=2", ":order=9", ":corrector=false", ":x=1", ":=", ":,"]
)


def mixed(usual: Text) -> Text:
    """Mostly what people type."""
    return st.integers(0, 5).flatmap(lambda pick: ODD if pick == 0 else usual)


def named(registry: Mapping[str, Any]) -> Text:
    """A name of a registry, sometimes with settings after it."""
    plain = st.sampled_from(sorted(registry))
    return mixed(
        st.integers(0, 4).flatmap(lambda pick: st.tuples(plain, SETTINGS).map("".join) if pick == 0 else plain)
    )


@st.composite
def lines(draw: st.DrawFn, command: str, always: Mapping[str, Text], sometimes: Mapping[str, Text]) -> list[str]:
    """A command with options; an option with two values has two strategies joined by a space."""
    words = [command]
    for option, usual in {**always, **sometimes}.items():
        if draw(st.integers(0, 19)) > (0 if option in always else 4):
            continue
        words += _words(draw, option, usual)
    for option, usual in always.items():
        if option not in words:
            words += _words(draw, option, usual)
    return words if draw(st.integers(0, 19)) else [*words, draw(ODD)]


def _words(draw: st.DrawFn, option: str, usual: Text) -> list[str]:
    if usual is FLAG:
        return [option]
    values = draw(usual)
    if option == "":
        return [values]
    if isinstance(values, tuple):
        return [option, *values]
    joined = draw(st.booleans()) or values.startswith("-")
    return [f"{option}={values}"] if joined and option.startswith("--") else [option, values]


FLAG: Text = st.just("")
PAIR: Any = st.tuples(mixed(SHARE), mixed(SHARE)).filter(lambda pair: not pair[0].startswith("-"))
BUDGETS = mixed(
    st.sampled_from(["4", "3,5", "2-4", "5-3", "4,4", "1-2000000000", "1000", "1001", "0", ",", "4-", "-4"])
)

OPTIMIZE = lines(
    "optimize",
    {"--noise": mixed(PRESETS), "--nfe": mixed(SMALL)},
    {
        "--solver": named(SOLVERS),
        "--strategy": mixed(STRATEGIES),
        "--objective": named({name: None for name in OBJECTIVES if name != "dm_nonuniform"}),
        "--t-min": PAIR,
        "--t-max": PAIR,
        "--rho": st.tuples(mixed(SMALL), mixed(SMALL)).filter(lambda pair: not pair[0].startswith("-")),
        "--d-min": mixed(SHARE),
        "--strength": mixed(SHARE),
        "--start-sigma": mixed(SMALL),
        "--boundary": mixed(SHARE),
        "--per-expert": mixed(SMALL),
        "--terminal": mixed(st.sampled_from(["clean", "t_min"])),
        "--seed": mixed(SMALL),
        "--json": FLAG,
        "-o": st.just("out.json"),
    },
)
# The calibration is one of sd2.1.
MEASURED = lines(
    "optimize",
    {"--noise": mixed(st.just("sd2.1")), "--nfe": mixed(SMALL), "--calibration": mixed(st.just("in.calibration"))},
    {
        "--solver": named({**SOLVERS, "auto": None}),
        "--strategy": mixed(st.sampled_from(["free:iterations=20", "learned:turns=1", "exact", "local"])),
        "--objective": named(OBJECTIVES),
        "--t-min": PAIR,
        "--d-min": mixed(SHARE),
        "--terminal": mixed(st.sampled_from(["clean", "t_min"])),
        "--seed": mixed(SMALL),
        "--json": FLAG,
        "-o": st.just("out.json"),
    },
)
RULE = lines(
    "rule",
    {"": mixed(st.sampled_from([*RULES])), "--noise": mixed(PRESETS), "--nfe": mixed(SMALL)},
    {
        "--terminal": mixed(st.sampled_from(["clean", "t_min"])),
        "--t-max": mixed(SHARE),
        "--t-min": mixed(SHARE),
        "--rho": mixed(SMALL),
        "--sigma-data": mixed(SHARE),
        "--json": FLAG,
        "-o": st.just("out.json"),
    },
)
VALUES = st.lists(st.one_of(SMALL, SHARE, NUMBERS), max_size=8).map(",".join)
LINT = lines(
    "lint",
    {"": mixed(st.one_of(VALUES, st.just("in.json"))), "--host": mixed(st.sampled_from([*HOSTS]))},
    {
        "--as": mixed(st.sampled_from(["timesteps", "sigmas"])),
        "--noise": mixed(PRESETS),
        "--nfe": mixed(SMALL),
        "--config": mixed(st.just("config.json")),
        "--json": FLAG,
    },
)
CONVERT = lines(
    "convert",
    {"": mixed(st.one_of(VALUES, st.just("in.json")))},
    {
        "--to": mixed(st.sampled_from([*HOSTS])),
        "--from": mixed(st.sampled_from([*HOSTS])),
        "--noise": mixed(PRESETS),
        "--end-clean": FLAG,
        "-o": st.just("out.json"),
    },
)
SHOW = lines("show", {"": mixed(st.just("in.json"))}, {"--json": FLAG})
# Any other word after --check would be looked for on the hub.
CHECKED = st.sampled_from(["model", "model", "model", "", ".", "model/scheduler"])
PRESETS_COMMAND = lines("presets", {}, {"": mixed(PRESETS), "--check": CHECKED, "--json": FLAG})
TABLE = lines(
    "table",
    {
        "-o": st.just("out"),
        "--models": mixed(st.lists(PRESETS, min_size=1, max_size=2).map(",".join)),
        "--nfe": BUDGETS,
    },
    {"--solver": named(SOLVERS)},
)


# What runs a model takes a second, so most of these words are good ones.
def good(*usual: str) -> Text:
    """Mostly the first of what people type, sometimes the others, and now and then what nobody types on purpose."""
    return st.integers(0, 39).flatmap(
        lambda pick: ODD if pick == 0 else st.sampled_from(usual) if pick < 20 else st.just(usual[0])
    )


# Models that need no network, and no hub. Few images: what is fuzzed are the words.
MODEL = good("gaussian", "mixture", "digits@3", "gaussian@1", "gaussian@2", "gaussian@nan", "gaussian@", "digits@-1")
_MEASURED: dict[str, Text] = {"--guidance": good("1", "1.0", "3"), "--seed": good("0", "7"), "--device": good("cpu")}
COMPARE = lines(
    "compare",
    {
        "--model": MODEL,
        "-o": st.just("run"),
        "--solver": good("ddim", "unipc", "ddim,heun", "ddim,ddim"),
        "--nfe": good("3", "2,3", "3,3", "4-2"),
        "--schedules": good("trailing", "trailing,hso", "in.json", "trailing,trailing", "all,none"),
        "--samples": good("10", "12", "9"),
        "--reference-nfe": good("5", "1", "2"),
        "--resamples": good("10", "20", "0"),
    },
    {
        **_MEASURED,
        "--batch": good("5", "10", "0"),
        "--terminal": good("clean", "t_min", "published"),
        "--features": good("pixels"),
        "--also": good("kid", "precision", "kid,kid"),
        "--finished": FLAG,
        "--json": FLAG,
    },
)
CALIBRATE = lines(
    "calibrate",
    {
        "--model": MODEL,
        "-o": st.just("out.calibration"),
        "--images": good("8", "9", "7"),
        "--points": good("8", "9", "7"),
    },
    {**_MEASURED, "--batch": good("3", "8", "0"), "--json": FLAG},
)
TUNE = lines(
    "tune",
    {
        "--model": MODEL,
        "-o": st.just("out.json"),
        "--nfe": good("2", "3"),
        "--images": good("24", "25", "8"),
        "--budget": good("4000", "1"),
    },
    {
        **_MEASURED,
        "--solver": named(SOLVERS),
        "--features": good("bands", "pixels", "own"),
        "--calibration": good("in.calibration"),
        "--json": FLAG,
    },
)
