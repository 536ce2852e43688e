"""optimize(): one seed, one result; misuse is named."""

import json
import subprocess
import sys

import numpy as np
import pytest

import hso
from hso import ArgumentError, HSOError, NoiseSchedule, optimize
from hso.models.gaussian import GaussianModel
from hso.objectives import MEP
from hso.rules import Span
from hso.search import Bilevel, Boundary, Box, Constraints, Exact, Halfway, Local, Published
from hso.solvers import AUTO, SOLVERS, label_of, make_solver
from hso.solvers.base import batched_levels

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
    result = optimize(noise, 5, strategy=strategy, seed=3, terminal="t_min")
    return [result.schedule.lambdas.tolist(), result.schedule.terminal, result.evaluations]


def test_one_seed_gives_one_result_here_and_in_a_fresh_process(sd):
    here = {name: summary(sd, strategy) for name, strategy in QUICK.items()}
    again = {name: summary(sd, strategy) for name, strategy in QUICK.items()}
    fresh = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert here == again == json.loads(fresh.stdout)


def test_another_seed_takes_another_way_to_the_same_place(sd):
    first, second = (optimize(sd, 4, strategy="bilevel", seed=seed, terminal="t_min") for seed in (0, 1))
    assert first.psi.rho != second.psi.rho
    assert first.fitness == pytest.approx(second.fitness, rel=1e-9)


def test_the_result_adds_up(any_noise):
    result = optimize(any_noise, 6, strategy="bilevel", terminal="t_min")
    assert result.fitness == result.objective + 1e9 * result.penalty
    assert result.feasible == (result.penalty == 0)
    assert result.psi.t_max == pytest.approx(result.schedule.times[0], abs=1e-12)
    assert result.psi.t_min == pytest.approx(result.schedule.terminal_time, abs=1e-12)
    assert result.evaluations > 0
    assert result.seconds > 0


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_lands_on_the_clean_sample_unless_asked_otherwise(sd, solver):
    assert optimize(sd, 5, solver=solver).schedule.ends_clean
    assert not optimize(sd, 5, solver=solver, terminal="t_min").schedule.ends_clean


def test_the_published_strategy_lands_as_in_the_paper(sd):
    quick = Published(population=2, generations=1, lower_iterations=10)
    assert not optimize(sd, 4, solver="unipc", strategy=quick).schedule.ends_clean
    assert optimize(sd, 4, solver="ddim", strategy=quick).schedule.ends_clean


def test_one_evaluation_is_made_at_the_noisiest_end(any_noise):
    for strategy in QUICK.values():
        schedule = optimize(any_noise, 1, solver="ddim", strategy=strategy).schedule
        assert schedule.times == pytest.approx([min(1.0, any_noise.t_range[1])])
    for strategy, end in (("exact", 0.03), ("halfway", any_noise.t_range[0])):
        landing = optimize(any_noise, 1, solver="unipc", strategy=strategy, terminal="t_min")
        assert landing.schedule.nfe == 1
        assert landing.schedule.terminal_time == pytest.approx(end)


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


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
@pytest.mark.parametrize("strategy", ["exact", "training", "bilevel", "local"])
def test_every_strategy_begins_where_it_is_told(every_noise, strategy, terminal):
    if strategy == "training" and every_noise.train_steps is None:
        pytest.skip("no training timesteps")
    for nfe in (1, 2, 5):
        assert_begins_at(
            0.6,
            optimize(every_noise, nfe, terminal=terminal, strategy=QUICK[strategy], constraints=Constraints(start=0.6)),
        )


def test_the_published_strategy_begins_where_it_is_told(sd):
    quick = Published(population=2, generations=1, lower_iterations=10)
    assert_begins_at(0.6, optimize(sd, 3, strategy=quick, constraints=Constraints(start=0.6), terminal="t_min"))


def assert_begins_at(start, result):
    assert result.schedule.times[0] == pytest.approx(start, abs=1e-9)
    assert result.psi.t_max == pytest.approx(start)
    assert result.constraints.start == result.schedule.provenance["constraints"]["start"] == start


def test_a_start_may_be_a_noise_level(every_noise):
    sigma = float(every_noise.sigmas(0.5))
    start = every_noise.time_of_sigma(sigma)
    assert start == pytest.approx(0.5)
    assert optimize(every_noise, 4, constraints=Constraints(start=start), terminal="t_min").schedule.sigmas[
        0
    ] == pytest.approx(sigma, rel=1e-9)


def test_a_start_at_the_noisiest_time_fixes_the_first_node_and_nothing_else(sd):
    fixed = optimize(sd, 5, strategy="exact", constraints=Constraints(start=1.0), terminal="t_min")
    boxed = optimize(sd, 5, constraints=Constraints(box=Box(t_max=(1.0, 1.0))), terminal="t_min")
    assert fixed.schedule.lambdas.tolist() == boxed.schedule.lambdas.tolist()
    assert (fixed.schedule.start, boxed.schedule.start) == (1.0, None)


def test_a_model_of_two_networks_gets_a_node_for_each():
    noise = NoiseSchedule.preset("wan2.2")
    boundary = noise.boundary_time
    result = optimize(noise, 4, terminal="t_min")
    assert result.constraints.boundary == Boundary(boundary, 1)
    assert result.schedule.provenance["constraints"]["boundary"] == {"t": boundary, "nodes": 1}
    more = optimize(noise, 6, constraints=Constraints(boundary=Boundary(boundary, 3)), terminal="t_min")
    assert (more.schedule.times >= boundary - 1e-9).sum() == 3
    assert optimize(
        noise, 4, constraints=Constraints(boundary=Boundary(boundary, 0)), terminal="t_min"
    ).constraints.boundary == Boundary(boundary, 0)
    assert optimize(NoiseSchedule.preset("wan2.1"), 4, terminal="t_min").constraints.boundary is None


@pytest.mark.parametrize(
    "options", [{"nfe": 1}, {"constraints": Constraints(start=0.3)}, {"strategy": "bilevel"}], ids=str
)
def test_its_own_boundary_is_left_where_it_has_no_meaning(options):
    """One node; a part that only the second network is asked for; a search that knows no boundary."""
    result = optimize(NoiseSchedule.preset("wan2.2"), **{"nfe": 4, **options})
    assert result.constraints.boundary is None
    assert result.schedule.provenance["constraints"]["boundary"] is None


PARTS = [
    ({"start": 0.02}, {}, "start: expected a time above 0.03"),
    ({"start": 1.1}, {}, r"start: expected a number in \[0, 1\]"),
    ({"start": float("nan")}, {}, "start: expected a number in"),
    ({"start": "half"}, {}, "start: expected a number in"),
    ({"start": 0.6, "box": Box(t_max=(0.9, 1.0))}, {}, "start: expected none with a range of t_max"),
    ({"start": 0.6}, {"strategy": Local(span=Span(t_max=0.9))}, "start: expected none with a span that has a t_max"),
    ({"boundary": 0.5}, {"strategy": "bilevel"}, r"boundary: expected none with strategy bilevel.*exact keeps"),
    ({"boundary": 0.5}, {"strategy": "local"}, "boundary: expected none with strategy local"),
    ({"boundary": 0.5}, {"strategy": "published"}, "boundary: expected none with strategy published"),
    ({"boundary": Boundary(0.5, 3)}, {}, "boundary: expected at most 2 nodes on each side, for 4 nodes"),
    ({"boundary": 0.5, "start": 0.4}, {}, "boundary: expected a time between 0.01 and 0.4 with room"),
    ({"boundary": 0.001}, {}, "boundary: expected a time between 0.01 and 1 with room"),
    ({"boundary": 900}, {}, r"boundary: expected a number in \[0, 1\].*a time, or a Boundary"),
    ({"boundary": "early"}, {}, "boundary: expected a number"),
    ({"box": (0, 1)}, {}, r"box: expected a Box, such as Box\(.*got \(0, 1\)"),
    ({"d_min": -0.1}, {}, "d_min: expected"),
    ({"d_min": 2}, {}, "d_min: expected"),
]


@pytest.mark.parametrize(("asked", "arguments", "problem"), PARTS, ids=[problem for _, _, problem in PARTS])
def test_constraints_without_meaning_are_named(sd, asked, arguments, problem):
    with pytest.raises(ArgumentError, match=problem):
        optimize(sd, 4, constraints=Constraints(**asked), **arguments)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"nfe": 0}, "nfe: expected an integer from 1 to 1000, got 0"),
        ({"nfe": -3}, "nfe: expected an integer from 1 to 1000, got -3"),
        ({"nfe": 10**6}, "nfe: expected an integer from 1 to 1000, got 1000000"),
        ({"nfe": 4.0}, "nfe: expected an integer from 1 to 1000, got 4.0"),
        ({"nfe": True}, "nfe: expected an integer"),
        ({"nfe": None, "solver": ["ddim"]}, "nfe: expected an integer"),
        ({"nfe": "4"}, "nfe: expected an integer"),
        ({"solver": "unipcc"}, "did you mean 'unipc'"),
        (
            {"strategy": "exhaustive"},
            "strategy: expected one of bilevel, exact, free, halfway, learned, local, published",
        ),
        ({"objective": "fid"}, "objective: expected one of"),
        ({"objective": "mep:p=-1"}, "p: expected a number in"),
        ({"objective": "mep:q=1"}, "objective: expected settings among p, jump, got 'mep:q=1'"),
        ({"objective": "mep:p"}, "objective: expected settings after the name"),
        ({"solver": "unipc:"}, "solver: expected settings after the name"),
        ({"solver": "unipc:corrector=1"}, "corrector: expected true or false, got 1"),
        ({"objective": "mep:p=1,p=2"}, "objective: expected each setting once, found p twice"),
        ({"solver": "unipc:order=" + "[" * 100_000}, "order: expected"),
        ({"objective": "gits"}, r"objective: expected one that can be made from its name alone.*GITS\(teacher=...\)"),
        ({"objective": 5}, r"objective: expected a name \(mep.*or an object of class Objective, got 5"),
        ({"solver": "ddim:eta=2"}, "eta: expected a number in"),
        ({"solver": "dpmpp_2s:order=3"}, "solver: expected no settings, because it has none"),
        ({"solver": "heun"}, r"nfe: expected an odd number of network calls with heun, such as 3 or 5, got 4"),
        ({"constraints": {"start": 0.5}}, "constraints: expected Constraints"),
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
        optimize(sd, 4, strategy="local", constraints=Constraints(box=Box()), terminal="t_min")


def test_a_box_outside_the_noise_schedule_is_refused():
    with pytest.raises(ArgumentError, match=r"t_max: expected a range that meets \[0.001, 0.9946\]"):
        optimize(NoiseSchedule.cosine(), 4, constraints=Constraints(box=Box(t_max=(0.999, 1.0))), terminal="t_min")


def test_something_else_than_a_noise_schedule_is_refused():
    with pytest.raises(ArgumentError, match=r"noise: expected a NoiseSchedule, got 'sd2\.1'"):
        optimize("sd2.1", 4, terminal="t_min")


def test_importing_hso_loads_numpy_only():
    script = "import hso, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "diffusers", "matplotlib", "typer", "rich", "msgspec"} & set(loaded)


def test_every_public_name_is_documented():
    for name in hso.__all__:
        if name != "__version__":
            assert getattr(hso, name).__doc__, name
    assert np.all([method.__doc__ for method in (optimize, hso.SamplingSchedule.save, hso.SamplingSchedule.load)])


@pytest.fixture(scope="module")
def calibration():
    model = GaussianModel.power_law(4)
    x = np.random.default_rng(0).standard_normal((24, 16))
    return hso.calibrate(model.x0, NoiseSchedule.preset("sd1.5"), x, "sample", points=24)


def test_a_calibration_chooses_the_solver(calibration):
    noise = NoiseSchedule.preset("sd1.5")
    names = ["ddim", "unipc:order=2", "dpmpp_2m"]
    each = [optimize(noise, 4, solver=name, calibration=calibration) for name in names]
    best = min(each, key=lambda one: one.objective)
    # Heun cannot make four calls.
    chosen = optimize(noise, 4, solver=[*names, "heun"], calibration=calibration)
    assert (chosen.solver, chosen.schedule, chosen.objective) == (best.solver, best.schedule, best.objective)
    second = sorted(each, key=lambda one: one.objective)[1]
    said = f"{label_of(best.solver)} to clean is the best of 3; {label_of(second.solver)} to clean has "
    assert chosen.message.startswith(said)


def test_a_calibration_chooses_the_terminal(calibration):
    noise = NoiseSchedule.preset("sd1.5")
    each = [optimize(noise, 4, calibration=calibration, terminal=terminal) for terminal in ("clean", "t_min")]
    best = min(each, key=lambda one: one.objective)
    chosen = optimize(noise, 4, calibration=calibration, terminal="auto")
    assert (chosen.schedule, chosen.objective) == (best.schedule, best.objective)
    assert " is the best of 2; unipc to " in chosen.message
    with pytest.raises(ArgumentError, match="terminal: expected clean or t_min for objective mep, got 'auto'"):
        optimize(noise, 4, terminal="auto")


def test_all_solvers_of_auto_are_different_and_deterministic():
    solvers = [make_solver(name) for name in AUTO]
    assert len({label_of(solver) for solver in solvers}) == len(AUTO)
    levels = batched_levels(NoiseSchedule.preset("sd1.5"), np.linspace(-2.0, 2.0, 5), "clean")
    assert not any(np.any(step.update.noise) for solver in solvers for step in solver.steps(levels))


def test_only_a_calibration_compares_solvers(calibration):
    noise = NoiseSchedule.preset("sd1.5")
    with pytest.raises(ArgumentError, match="solver: expected one solver for objective mep, got 'auto'"):
        optimize(noise, 4, solver="auto")
    with pytest.raises(
        ArgumentError, match=r"nfe: expected an integer from 1 to 24, got 25 \(a calibration judges no more"
    ):
        optimize(noise, 25, calibration=calibration)
    with pytest.raises(HSOError, match="strategy: expected none but published, whose search tries any knots; knots: "):
        optimize(noise, 4, strategy="published:generations=1", calibration=calibration)
    with pytest.raises(ArgumentError, match="makes exactly 4"):
        optimize(noise, 4, solver=["heun"], calibration=calibration)
    with pytest.raises(ArgumentError, match="solver"):
        optimize(noise, 4, solver=["ddim", "unipcc"], calibration=calibration)
    with pytest.raises(ArgumentError, match="solver: expected each solver once, got 'unipc more than once'"):
        optimize(noise, 4, solver=["unipc", "ddim", "unipc:order=3"], calibration=calibration)
    for unusable in (5, object()):
        with pytest.raises(ArgumentError, match="solver: expected a name"):
            optimize(noise, 4, solver=unusable, calibration=calibration)


@pytest.mark.parametrize(("nfe", "jump"), [(7, None), (8, "free")])
def test_with_many_calls_the_jump_is_free(nfe, jump):
    guided = NoiseSchedule.preset("sd1.5")
    default = optimize(guided, nfe, solver="unipc")
    assert default.schedule.provenance["settings"]["objective"]["jump"] == jump
    half = optimize(guided, nfe, solver="unipc", strategy="halfway", objective=MEP(jump=jump))
    assert default.schedule == half.schedule
    by_name = optimize(guided, nfe, solver="unipc", objective="mep")
    assert by_name.schedule.provenance["settings"]["objective"]["jump"] is None
    assert by_name.strategy == Exact()


@pytest.mark.parametrize(
    ("preset", "asked", "strategy"),
    [
        ("sd1.5", {}, Halfway()),
        ("sd1.5", {"constraints": Constraints(start=0.6)}, Halfway()),
        ("sd1.5", {"constraints": Constraints(box=Box())}, Exact()),
        ("sd1.5", {"objective": "mep"}, Exact()),
        ("sd1.5", {"strategy": "exact"}, Exact()),
        ("edm-cifar10", {}, Exact()),
    ],
)
def test_the_default_is_half_way_unless_something_else_is_asked_for(preset, asked, strategy):
    assert optimize(NoiseSchedule.preset(preset), 4, **asked).strategy == strategy
