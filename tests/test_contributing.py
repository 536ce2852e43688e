"""A new thing is one file and one entry in a registry: each row of CONTRIBUTING's table is done in a copy."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")


class Copy:
    """A copy of the package in which a contributor works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "src" / "hso", folder / "hso", ignore=shutil.ignore_patterns("__pycache__", "digits"))

    def write(self, name: str, text: str) -> None:
        """The one new file."""
        path = self.folder / "hso" / name
        assert not path.exists()
        path.write_text(text, encoding="utf-8")

    def register(self, name: str, imported: str, registry: str, entry: str) -> None:
        """The entry: an import, and a line at the end of the registry that begins with ``registry``."""
        path = self.folder / "hso" / name
        text = path.read_text(encoding="utf-8")
        start = text.index(registry)
        end = re.compile(r"^[}\])]|[}\])]$", flags=re.MULTILINE).search(text, start + len(registry))
        assert end is not None
        head = re.compile(r"^from hso", flags=re.MULTILINE).search(text)
        assert head is not None
        text = text[: end.start()] + entry + text[end.start() :]
        path.write_text(text[: head.start()] + imported + "\n" + text[head.start() :], encoding="utf-8")

    def run(self, *words: str) -> str:
        """What a command prints."""
        command = [sys.executable, *words]
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def hso(self, line: str) -> Any:
        """What the command line prints as JSON."""
        return json.loads(self.run("-m", "hso", *line.split(), "--json"))


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def block(title: str) -> str:
    """The code that docs/extend.md shows under this first line."""
    found = re.search(rf"```python\n(# {re.escape(title)}\n.*?)```", TEXT, flags=re.DOTALL)
    assert found, title
    return found[1]


def test_an_objective_with_settings_and_no_derivatives(copy):
    copy.write("objectives/power.py", block("src/hso/objectives/power.py"))
    copy.register(
        "objectives/__init__.py",
        "from hso.objectives.power import Power",
        "OBJECTIVES: Mapping",
        '    "power": Power,\n',
    )
    ends = "--t-min 0.03 0.03 --t-max 0.96 0.96 --d-min 0 --solver ddim --nfe 6 --noise sd2.1"
    edm = copy.hso("rule edm --noise sd2.1 --nfe 6 --t-min 0.03 --t-max 0.96 --rho 5")["lambdas"]
    for strategy in ("exact", "bilevel:population=3,generations=2"):
        found = copy.hso(f"optimize {ends} --objective power:rho=5 --strategy {strategy}")
        assert found["lambdas"] == pytest.approx(edm, abs=2e-4)
    on_grid = copy.hso(f"optimize {ends} --objective power:rho=5 --strategy exact:grid=training")
    assert on_grid["timesteps"] == copy.hso(f"optimize {ends} --objective power:rho=5")["timesteps"]


SOLVER = '''
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hso.solvers.base import HOLD, Combination, Level, Solver, StepPlan, first_order


@dataclass(frozen=True)
class Twice(Solver):
    """Calls the network twice at every node and takes the mean."""

    weight: float = 0.5

    name = "twice"
    order = 1
    terminal = "t_min"

    def nfe(self, nodes: int) -> int:
        return 2 * nodes

    def nodes(self, nfe: int) -> int:
        return nfe // 2

    def steps(self, levels: Sequence[Level]) -> Iterable[StepPlan]:
        for index in range(len(levels) - 1):
            step = first_order(levels[index], levels[index + 1])
            share = step.outputs[0]
            yield StepPlan(index, None, Combination(1.0))
            outputs = (self.weight * share, (1 - self.weight) * share)
            yield StepPlan(index, HOLD, Combination(step.state, outputs))
'''


def test_a_solver(copy):
    copy.write("solvers/twice.py", SOLVER)
    copy.register(
        "solvers/named.py", "from hso.solvers.twice import Twice", "SOLVERS: Mapping", '    "twice": Twice,\n'
    )
    found = copy.hso("optimize --noise sd2.1 --nfe 8 --solver twice:weight=0.25")
    assert (found["nfe"], len(found["times"]), found["terminal"] == "clean") == (8, 4, False)


STRATEGY = '''
from dataclasses import dataclass

from hso.search.problem import Found, Problem, Psi, Strategy


@dataclass(frozen=True)
class Start(Strategy):
    """Takes the start that Eq. 2 gives."""

    rho: float = 7.0

    name = "start"

    def search(self, problem: Problem, seed: int) -> Found:
        t_min, t_max = problem.widest
        return Found(problem.start(self.rho, t_min, t_max), Psi(self.rho, t_min, t_max), 0, "not searched")
'''


def test_a_strategy(copy):
    copy.write("search/start.py", STRATEGY)
    copy.register(
        "search/__init__.py", "from hso.search.start import Start", "STRATEGIES: Mapping", '    "start": Start,\n'
    )
    found = copy.hso("optimize --noise sd2.1 --nfe 5 --solver ddim --strategy start:rho=4 --objective dm_nonuniform")
    rule = copy.hso("rule edm --noise sd2.1 --nfe 5 --rho 4 --t-min 0.01")
    assert found["lambdas"] == pytest.approx(rule["lambdas"])


RULE = '''
import numpy as np

from hso.noise import NoiseSchedule


def halves(noise: NoiseSchedule, nfe: int):
    """Training indices, each half of the one before."""
    return (noise.require_train_steps() - 1) / 2.0 ** np.arange(nfe)
'''


def test_a_rule(copy):
    copy.write("rules/halves.py", RULE)
    copy.register(
        "rules/__init__.py", "from hso.rules.halves import halves", "GRID_RULES: Mapping", '    "halves": halves,\n'
    )
    assert copy.hso("rule halves --noise sd2.1 --nfe 4")["timesteps"] == [999, 499, 250, 125]


COMMAND = '''
"""``hso count``: a command."""

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("count")(command)


def command(json: bool = typer.Option(False, "--json")) -> None:
    """Count to three."""
    print([1, 2, 3])
'''


FAMILY = '''
import numpy as np

from hso.errors import check_real
from hso.noise.base import Array
from hso.noise.clock import Clock
from hso.noise.path import VP, Path
from hso.noise.reading import Configuration, Reader


class SigmoidClock(Clock):
    """lambda falls linearly in t, so alpha^2 is a sigmoid of t."""

    t_range = (1e-3, 1.0)

    def __init__(self, start: float, end: float, train_steps: int) -> None:
        self.start, self.end, self.train_steps = start, end, train_steps

    def _lambda(self, t: Array) -> Array:
        return self.start + t * (self.end - self.start)

    def _time(self, lambda_: Array) -> Array:
        return np.clip((lambda_ - self.start) / (self.end - self.start), 0.0, 1.0)

    def definition(self) -> bytes:
        return f"{self.start:.12g},{self.end:.12g},{self.train_steps}".encode()


class SigmoidReader(Reader):
    classes = {"SigmoidScheduler": {}}

    def read(self, config: Configuration) -> tuple[Clock, Path]:
        start = check_real("start", config.values.get("start", 5.0), 0.0, 20.0)
        return SigmoidClock(start, -5.0, config.train_steps), VP
'''


def test_a_noise_family(copy):
    copy.write("noise/sigmoid.py", FAMILY)
    copy.register(
        "noise/config.py",
        "from hso.noise.sigmoid import SigmoidReader",
        "READERS: tuple[Reader, ...] = (",
        "    SigmoidReader(),\n",
    )
    (copy.folder / "model.json").write_text(json.dumps({"_class_name": "SigmoidScheduler", "start": 4.0}))
    found = copy.hso("rule uniform_t --noise model.json --nfe 5 --t-min 0.2")
    assert found["lambdas"] == pytest.approx([-5.0, -3.2, -1.4, 0.4, 2.2])
    assert found["timesteps"] == [999, 799, 599, 399, 199]
    copy.hso("optimize --noise model.json --nfe 5 -o schedule.json")
    assert copy.hso("show schedule.json")["path"] == {"name": "vp"}


def test_a_command(copy):
    copy.write("cli/count.py", COMMAND)
    copy.register("cli/app.py", "from hso.cli import count", "COMMANDS = (", ", count")
    assert copy.hso("count") == [1, 2, 3]


HOST = '''
from hso.hosts.base import FRACTIONAL, Host, Takes


class Sampler(Host):
    """A program that takes fractional timesteps."""

    name = "sampler"

    def takes(self, flow: bool) -> Takes:
        return Takes(timesteps=FRACTIONAL)
'''


def test_a_host(copy):
    copy.write("hosts/sampler.py", HOST)
    copy.register("hosts/__init__.py", "from hso.hosts.sampler import Sampler", "_HOSTS: tuple", "    Sampler(),\n")
    assert copy.hso("lint 998.5,499.25 --host sampler") == []
    words = ("convert", "timesteps=[998.5, 499.25]", "--from", "sampler", "--noise", "sd2.1", "--to", "sampler")
    text = copy.run("-m", "hso", *words)
    assert text.startswith("timesteps=[998.")


SUBJECT = '''
from hso.comparison.subjects.base import SubjectSettings
from hso.comparison.subjects.exact import ExactSubject
from hso.models.gaussian import GaussianModel


def flat(settings: SubjectSettings) -> ExactSubject:
    """Gaussian images of white noise."""
    return ExactSubject("flat", GaussianModel.power_law(2, exponent=0.0), settings)
'''


def test_a_subject(copy):
    copy.write("comparison/subjects/flat.py", SUBJECT)
    copy.register(
        "comparison/subjects/__init__.py",
        "from hso.comparison.subjects.flat import flat",
        "SUBJECTS: dict[str, Factory] = {",
        '    "flat": flat,\n',
    )
    found = copy.hso("compare --model flat --solver ddim --nfe 4 --schedules trailing,arctan --samples 20 -o run")
    assert found["subject"] == "flat"
    assert [row["schedules"] for row in found["rows"]] == [["trailing"], ["arctan"]]
