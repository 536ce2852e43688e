"""All peers stand behind one registry, each once, and say why where they cannot serve."""

import dataclasses
import json
from functools import partial

import numpy as np
import pytest

import hso
from hso.comparison.contestants import (
    ALL,
    CLOSED_FORMS,
    CONTESTANTS,
    COSTLY,
    KINDS,
    OPTIMIZED,
    PEERS,
    ScheduleTask,
    check_names,
    enter,
)
from hso.comparison.subjects import SubjectSettings, load_subject
from hso.models.recording import Plan
from hso.models.teacher import Teacher
from hso.noise import Traits, presets
from hso.noise.default_rule import read_default_rule
from hso.rules import ALIASES, RULES, TABLES, rule_schedule
from hso.search import STRATEGIES
from hso.solvers import DDIM, SOLVERS, Heun, UniPC, make_solver

SLOW = ("hso_published", "dm_nonuniform_bilevel")


def test_every_rule_table_strategy_and_peer_stands_once(sd):
    # A free search is for objectives that are measured on a model; it finds of Eq. 8 what "exact" finds. "halfway" is
    # "hso", and "stepwise" is the search of OSS.
    searches = [f"hso_{name}" for name in STRATEGIES if name not in ("free", "halfway", "learned", "stepwise", "told")]
    assert set(CONTESTANTS) >= {*RULES, *PEERS, *searches, "hso", "host_default"}
    assert not set(CONTESTANTS) & set(ALIASES)
    assert not set(CLOSED_FORMS) & set(TABLES)
    assert check_names((ALL,)) == tuple(name for name in CONTESTANTS if name not in COSTLY)


def test_every_contestant_is_of_one_kind():
    assert sorted(name for names in KINDS.values() for name in names) == sorted(CONTESTANTS)


@pytest.mark.parametrize("terminal", ["clean", "t_min"])
def test_all_have_the_nodes_and_the_terminal_that_were_asked_for(sd, terminal):
    names = [name for name in CONTESTANTS if name not in SLOW]
    groups, refused = enter(names, ScheduleTask(sd, 5, terminal))
    assert all(group.schedule.nfe == 5 for group in groups)
    assert all(group.schedule.ends_clean == (terminal == "clean") for group in groups)
    assert sorted([*names]) == sorted([name for g in groups for name in g.names] + [r.name for r in refused])


def test_what_cannot_serve_says_why(sd):
    groups, refused = enter(["gits_sd15", "ays_svd", "gits", "trailing"], ScheduleTask(sd, 25))
    assert [group.names for group in groups] == [("trailing",)]
    reasons = {refusal.name: refusal.reason for refusal in refused}
    assert "a number of steps that gits_sd15 has" in reasons["gits_sd15"]
    assert "Stable Video Diffusion" in reasons["ays_svd"]
    assert "cannot be called" in reasons["gits"]
    _, refused = enter(["trailing"], ScheduleTask(hso.NoiseSchedule.edm(), 5))
    assert "training timesteps" in refused[0].reason


def test_the_same_schedule_stands_once_under_all_names(sd):
    groups, _ = enter(["uniform_lambda", "hso_exact", "polyexponential", "hso_bilevel"], ScheduleTask(sd, 4))
    assert [group.names for group in groups] == [("uniform_lambda", "polyexponential"), ("hso_exact", "hso_bilevel")]


def test_settings_are_those_of_the_papers(sd):
    t = enter(["dm_nonuniform_t"], ScheduleTask(sd, 5, "t_min"))[0][0].schedule
    expected = np.array([1000, 602, 376, 208, 80]) / 1000
    np.testing.assert_allclose(t.times, expected, atol=2e-3)
    first = enter(["hso_exact_t1"], ScheduleTask(sd, 5))[0][0].schedule
    assert first.times[0] == 1
    assert all("hso" in name or "dm" in name for name in OPTIMIZED)


@pytest.mark.parametrize(("space", "guidance", "solver"), [("latent", 7.5, "unipc"), ("pixel", 1.0, "ddim")])
def test_hso_is_what_optimize_gives_when_asked_for_nothing_else(sd, space, guidance, solver):
    noise = sd.with_traits(Traits(space, guidance))
    (group,), _ = enter(["hso"], ScheduleTask(noise, 5, solver=make_solver(solver)))
    assert group.names == ("hso",)
    assert group.schedule == hso.optimize(noise, 5, solver=solver, terminal="clean").schedule


def test_hso_knows_the_guidance_and_the_solver(sd):
    guided = sd.with_traits(Traits("latent", 7.5))
    groups, _ = enter(["hso", "hso_exact", "hso_exact_jump"], ScheduleTask(guided, 5, solver=UniPC()))
    assert [group.names for group in groups] == [("hso",), ("hso_exact",), ("hso_exact_jump",)]
    assert groups[0].schedule.times[-1] > 0.2
    groups, _ = enter(["hso", "hso_exact", "hso_exact_jump"], ScheduleTask(guided, 5, solver=DDIM()))
    assert groups[0].schedule.times[-1] < 0.2


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "pfdiff"])
def test_the_host_default_is_what_diffusers_does_when_nobody_asks(sd, solver):
    diffusers = pytest.importorskip("diffusers")
    classes = {
        "ddim": "DDIMScheduler",
        "unipc": "UniPCMultistepScheduler",
        "dpmpp_2m": "DPMSolverMultistepScheduler",
        "dpmpp_3m": "DPMSolverMultistepScheduler",
        "dpmpp_2s": "DPMSolverSinglestepScheduler",
        "deis": "DEISMultistepScheduler",
        "euler": "EulerDiscreteScheduler",
        "heun": "HeunDiscreteScheduler",
    }
    # An offset of 1 is what the configurations of Stable Diffusion have.
    offset = {"steps_offset": 1} if solver == "ddim" else {}
    scheduler = getattr(diffusers, classes[solver])(**offset)
    scheduler.set_timesteps(5)
    # Heun's scheduler lists most of its timesteps twice.
    theirs = list(dict.fromkeys(round(t) for t in scheduler.timesteps.tolist()))
    method = make_solver(solver)
    unknown = sd.with_traits(Traits("latent", 7.5))
    (group,), _ = enter(["host_default"], ScheduleTask(unknown, method.nfe(5), solver=method))
    assert group.schedule.timesteps.tolist() == theirs


@pytest.mark.parametrize(
    ("saved", "solver", "runs"),
    [
        ("DDIM", "unipc", "UniPCMultistep"),
        ("DDIM", "ddim", "DDIM"),
        ("UniPCMultistep", "ddim", "DDIM"),
        ("EulerDiscrete", "dpmpp_2m", "DPMSolverMultistep"),
    ],
)
def test_the_host_default_with_another_solver_is_what_its_scheduler_makes_of_the_configuration(saved, solver, runs):
    diffusers = pytest.importorskip("diffusers")
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    own = getattr(diffusers, f"{saved}Scheduler")(**betas)
    # A saved configuration names the spacing, also where it is the class's own.
    own.register_to_config(timestep_spacing=own.config.timestep_spacing)
    saved_config = json.loads(own.to_json_string())
    theirs = getattr(diffusers, f"{runs}Scheduler").from_config(saved_config)
    theirs.set_timesteps(5)
    traits = Traits("latent", default_rule=read_default_rule("StableDiffusionPipeline", saved_config))
    task = ScheduleTask(hso.NoiseSchedule.from_config(own).with_traits(traits), 5, solver=make_solver(solver))
    (group,), _ = enter(["host_default"], task)
    assert group.schedule.timesteps.tolist() == [round(t) for t in theirs.timesteps.tolist()]


def test_a_solver_that_diffusers_does_not_have_has_no_default(sd):
    unknown = sd.with_traits(Traits("latent", 7.5))
    groups, refused = enter(["host_default", "trailing"], ScheduleTask(unknown, 4, solver=make_solver("pfdiff")))
    assert [(group.names, len(group.schedule.lambdas)) for group in groups] == [(("trailing",), 7)]
    assert refused[0].reason == "diffusers has no scheduler for the solver pfdiff"


@pytest.mark.parametrize("name", ["sd3", "mochi", "cogview4", "wan2.2", "sana", "flux2-dev"])
def test_the_host_default_of_a_known_model_is_that_of_its_pipeline(name):
    noise, rule = hso.NoiseSchedule.preset(name), presets()[name].default_rule
    (group,), _ = enter(["host_default"], ScheduleTask(noise, 8, solver=UniPC()))
    assert group.schedule.lambdas.tolist() == rule_schedule(rule, noise, 8).lambdas.tolist()


def test_nodes_follow_from_the_calls_that_a_solver_makes(sd):
    names = ["trailing", "hso", "hso_exact", "edm"]
    groups, refused = enter(names, ScheduleTask(sd, 7, solver=Heun()))
    assert [len(group.schedule.lambdas) for group in groups] == [4] * len(groups)
    assert not refused
    assert groups[1].schedule == hso.optimize(sd, 7, solver="heun").schedule


def test_contestants_say_how_often_they_called_the_network(sd):
    calls = []

    def network(x, node):
        calls.append(len(x))
        return 0 * x

    teacher = Teacher(network, sd, np.ones((3, 2)), prediction="sample", points=8)
    task = ScheduleTask(sd, 4, teacher=teacher)
    groups, _ = enter(["trailing", "gits", "klub", "watson"], task)
    told = {name: number for group in groups for name, number in group.preparation.items()}
    # GITS needs the trajectory alone, and KLUB and Watson's objective as many calls once more each.
    assert told == {"gits": 8 * 3, "klub": 2 * 8 * 3, "watson": 2 * 8 * 3}
    assert sum(calls) == 3 * 8 * 3
    # A further budget of the same plan costs nothing, and the same is said of it.
    again, _ = enter(["gits", "klub", "watson"], dataclasses.replace(task, nfe=5))
    assert {name: number for group in again for name, number in group.preparation.items()} == told
    assert sum(calls) == 3 * 8 * 3


def test_a_search_is_made_once_for_all_solvers_of_a_plan(sd, monkeypatch):
    made = []

    def counted(*args, **settings):
        made.append(args)
        return hso.optimize(*args, **settings)

    monkeypatch.setattr("hso.comparison.contestants.optimize", counted)
    memory = {}
    for solver in ("ddim", "dpmpp_2m"):
        enter(["hso_exact"], ScheduleTask(sd, 4, solver=make_solver(solver), memory=memory))
    assert len(made) == 1
    # Another plan, perhaps of a model that is guided otherwise, remembers nothing of this one.
    enter(["hso_exact"], ScheduleTask(sd, 4))
    assert len(made) == 2


@pytest.fixture
def saved(sd, tmp_path):
    """A schedule that was found elsewhere, and its file."""
    schedule = hso.SamplingSchedule.from_times(sd, [0.98, 0.7, 0.4, 0.1])
    schedule.save(tmp_path / "mine.json")
    return schedule, str(tmp_path / "mine.json")


def test_a_saved_schedule_is_a_contestant_like_any_other(sd, saved):
    schedule, path = saved
    assert check_names([ALL, path]) == (*(name for name in CONTESTANTS if name not in COSTLY), path)
    groups, refused = enter(["trailing", path], ScheduleTask(sd, 4))
    assert [group.names for group in groups] == [("trailing",), ("mine.json",)]
    assert groups[1].schedule == schedule
    assert not refused


@pytest.mark.parametrize(
    ("noise", "nfe", "terminal", "says"),
    [
        ("sd2.1", 5, "clean", "it has 4 nodes"),
        ("ddpm", 4, "clean", "made for another noise schedule: sd2.1"),
        ("sd2.1", 4, "t_min", "it lands on the clean sample"),
    ],
)
def test_a_saved_schedule_serves_its_own_case_alone(saved, noise, nfe, terminal, says):
    _, refused = enter([saved[1]], ScheduleTask(hso.NoiseSchedule.preset(noise), nfe, terminal))
    assert [refusal.name for refusal in refused] == ["mine.json"]
    assert says in refused[0].reason


def test_files_that_hold_no_schedule_or_share_a_name_are_refused(saved, tmp_path):
    with pytest.raises(hso.FileError, match="cannot read the schedule"):
        check_names([str(tmp_path / "absent.json")])
    (tmp_path / "other").mkdir()
    saved[0].save(tmp_path / "other" / "mine.json")
    with pytest.raises(hso.ArgumentError, match="files of different names"):
        check_names([saved[1], str(tmp_path / "other" / "mine.json")])


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(hso.ArgumentError, match="did you mean 'trailing'"):
        check_names(["trailng"])


def test_costly_contestants_are_asked_for_by_name_and_say_what_they_cost():
    subject = load_subject(SubjectSettings("mixture"))
    task = ScheduleTask(subject.noise, 4, images=partial(subject.images, size=64), prediction=subject.prediction)
    assert not set(COSTLY) & set(check_names([ALL]))
    calibrated, tuned = (CONTESTANTS[name](task) for name in ("calibrated", "tuned"))
    assert 4000 < calibrated.calls < tuned.calls
    assert calibrated.schedule.nfe == tuned.schedule.nfe == 4
    assert calibrated.schedule.provenance["objective"] == "replay"
    groups, refused = enter(list(COSTLY), ScheduleTask(subject.noise, 4))
    assert not groups
    assert [each.reason for each in refused] == ["this model's network cannot be called by itself"] * len(COSTLY)


def test_a_search_by_rollouts_has_the_calls_of_a_tuning_and_its_calibration():
    """Neither stops before it has spent what it may, up to one run of all tuning images and the verdict's."""
    subject = load_subject(SubjectSettings("gaussian"))
    task = ScheduleTask(subject.noise, 4, images=partial(subject.images, size=64), prediction=subject.prediction)
    tuned, rollout = (CONTESTANTS[name](task) for name in ("tuned", "rollout"))
    asked = []
    plan = Plan(subject.noise, subject.prediction)
    images = subject.images(2**42, 192, 64)
    ledger = hso.tune(
        images,
        subject.noise,
        nfe=4,
        solver="ddim",
        prediction="sample",
        calibration=hso.calibrate(subject.network(range(8)), subject.noise, subject.begin(range(8)).noise, "sample"),
        progress=lambda stage, done, total: asked.append(total),
    )
    allowed = asked[0] + 64 * plan.calls
    assert ledger.calls <= asked[0]
    assert tuned.calls <= allowed
    assert allowed - 128 * 4 <= rollout.calls <= allowed


def test_oss_runs_students_with_the_network_and_says_how_often(sd):
    calls = []

    def network(x, node):
        calls.append(len(x))
        return x / (1 + node.sigma**2 / node.alpha**2) / node.alpha

    task = ScheduleTask(sd, 4, teacher=Teacher(network, sd, np.ones((3, 2)), prediction="sample", points=12))
    found = CONTESTANTS["oss"](task)
    assert found.calls == sum(calls) <= 3 * (12 + 4 * 12 + 4)
    # Another solver gets the same nodes without a further call.
    other = CONTESTANTS["oss"](dataclasses.replace(task, solver=UniPC()))
    assert other.schedule == found.schedule
    assert found.calls == sum(calls)
