"""optimize(): one seed, one result; misuse is named."""

import json
import subprocess
import sys

import numpy as np
import pytest

import hso
from hso import ArgumentError, NoiseSchedule, optimize
from hso.search import Bilevel, Box, Exact, Local, Published

QUICK = {
    "exact": Exact(),
    "training": Exact("training"),
    "bilevel": Bilevel(),
    "published": Published(population=3, generations=2),
    "local": Local(),
}

SCRIPT = """
import json, hso
from hso.search import *
from tests.test_optimize import QUICK, summary
noise = hso.NoiseSchedule.preset("sd2.1")
print(json.dumps({name: summary(noise, strategy) for name, strategy in QUICK.items()}))
"""


def summary(noise, strategy):
    result = optimize(noise, 5, strategy=strategy, seed=3)
    return [result.schedule.lambdas.tolist(), result.schedule.terminal, result.evaluations]


def test_one_seed_gives_one_result_here_and_in_a_fresh_process(sd):
    here = {name: summary(sd, strategy) for name, strategy in QUICK.items()}
    again = {name: summary(sd, strategy) for name, strategy in QUICK.items()}
    fresh = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert here == again == json.loads(fresh.stdout)


def test_another_seed_takes_another_way_to_the_same_place(sd):
    first, second = (optimize(sd, 4, strategy="bilevel", seed=seed) for seed in (0, 1))
    assert first.psi.rho != second.psi.rho
    assert first.fitness == pytest.approx(second.fitness, rel=1e-9)


def test_the_result_adds_up(any_noise):
    result = optimize(any_noise, 6, strategy="bilevel")
    assert result.fitness == result.objective + 1e9 * result.penalty
    assert result.feasible == (result.penalty == 0)
    assert result.psi.t_max == pytest.approx(result.schedule.times[0], abs=1e-12)
    assert result.psi.t_min == pytest.approx(result.schedule.terminal_time, abs=1e-12)
    assert result.evaluations > 0
    assert result.seconds > 0


def test_the_solver_decides_the_terminal_unless_told_otherwise(sd):
    assert optimize(sd, 4, solver="ddim").schedule.ends_clean
    assert not optimize(sd, 4, solver="unipc").schedule.ends_clean
    assert optimize(sd, 4, solver="unipc", terminal="clean").schedule.ends_clean


def test_one_evaluation_is_made_at_the_noisiest_end(any_noise):
    for strategy in QUICK.values():
        schedule = optimize(any_noise, 1, solver="ddim", strategy=strategy).schedule
        assert schedule.times == pytest.approx([min(1.0, any_noise.t_range[1])])
    landing = optimize(any_noise, 1, solver="unipc")
    assert landing.schedule.nfe == 1
    assert landing.schedule.terminal_time == pytest.approx(0.03)


def test_the_four_configurations_of_table_7_are_options(sd):
    quick = Bilevel(population=2, generations=1, lower_iterations=20)
    options = {
        "A": {"objective": "dm_nonuniform", "strategy": "local"},
        "B": {"objective": "dm_nonuniform", "strategy": quick},
        "C": {"objective": "mep", "strategy": "local"},
        "Ours": {"objective": "mep", "strategy": quick},
    }
    schedules = {name: optimize(sd, 4, **chosen).schedule for name, chosen in options.items()}
    assert len(set(schedules.values())) == 4


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"nfe": 0}, "nfe: expected an integer from 1 to 1000, got 0"),
        ({"nfe": -3}, "nfe: expected an integer from 1 to 1000, got -3"),
        ({"nfe": 10**6}, "nfe: expected an integer from 1 to 1000, got 1000000"),
        ({"nfe": 4.0}, "nfe: expected an integer from 1 to 1000, got 4.0"),
        ({"nfe": True}, "nfe: expected an integer"),
        ({"nfe": "4"}, "nfe: expected an integer"),
        ({"solver": "unipcc"}, "did you mean 'unipc'"),
        ({"strategy": "exhaustive"}, "strategy: expected one of bilevel, exact, local, published"),
        ({"objective": "fid"}, "objective: expected one of"),
        ({"p": -1}, "p: expected a number in"),
        ({"p": float("nan")}, "p: expected a number in"),
        ({"d_min": -0.1}, "d_min: expected"),
        ({"d_min": 2}, "d_min: expected"),
        ({"terminal": "dirty"}, "terminal: expected one of clean, t_min"),
        ({"seed": -1}, "seed: expected an integer"),
        ({"seed": 0.5}, "seed: expected an integer"),
    ],
    ids=str,
)
def test_unusable_arguments_are_named(sd, arguments, problem):
    with pytest.raises(ArgumentError, match=problem):
        optimize(sd, **{"nfe": 4, **arguments})


@pytest.mark.parametrize(
    ("ranges", "problem"),
    [
        ({"t_min": (0.03, 0.01)}, "t_min: expected two numbers low <= high"),
        ({"t_max": (0.96, 1.2)}, r"t_max: expected a number in \[0, 1\]"),
        ({"t_min": ()}, "t_min: expected two numbers"),
        ({"t_min": 0.01}, "t_min: expected two numbers"),
        ({"rho": (0, 3)}, "rho: expected a number"),
        ({"t_min": (0.1, 0.97)}, "t_min: expected a range below that of t_max"),
    ],
    ids=str,
)
def test_unusable_boxes_are_refused(ranges, problem):
    with pytest.raises(ArgumentError, match=problem):
        Box(**ranges)


def test_a_strategy_that_keeps_its_ends_refuses_a_box(sd):
    with pytest.raises(ArgumentError, match="box: expected none with strategy local"):
        optimize(sd, 4, strategy="local", box=Box())


def test_a_box_outside_the_noise_schedule_is_refused():
    with pytest.raises(ArgumentError, match=r"t_max: expected a range that meets \[0.001, 0.9946\]"):
        optimize(NoiseSchedule.cosine(), 4, box=Box(t_max=(0.999, 1.0)))


def test_something_else_than_a_noise_schedule_is_refused():
    with pytest.raises(ArgumentError, match=r"noise: expected a NoiseSchedule, got 'sd2\.1'"):
        optimize("sd2.1", 4)


def test_importing_hso_loads_numpy_only():
    script = "import hso, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "diffusers", "matplotlib", "typer", "rich", "msgspec"} & set(loaded)


def test_every_public_name_is_documented():
    for name in hso.__all__:
        if name != "__version__":
            assert getattr(hso, name).__doc__, name
    assert np.all([method.__doc__ for method in (optimize, hso.SamplingSchedule.save, hso.SamplingSchedule.load)])
