"""Attaching, detaching, and what is refused."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from benchmarks.recording import HERE, ends_clean, made_for, make_scheduler, record, told  # noqa: E402

import hso  # noqa: E402
from hso.errors import ArgumentError, HostError  # noqa: E402
from hso.hosts import HOSTS  # noqa: E402
from hso.hosts.diffusers import REFUSED, SCHEDULERS, attach, detach  # noqa: E402

# diffusers calls NumPy functions on tensors.
pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


@pytest.fixture
def scheduler():
    return make_scheduler("UniPCMultistepScheduler")


def same(a, b):
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a is b or a == b


@pytest.mark.parametrize("name", HERE)
def test_detach_gives_back_class_and_state(name):
    scheduler = make_scheduler(name)
    scheduler.set_timesteps(7)
    before, kind = copy.deepcopy(vars(scheduler)), type(scheduler)
    schedule = made_for(scheduler, 4, ends_clean(name))
    handle = attach(scheduler, schedule)
    assert handle.active
    assert isinstance(scheduler, kind)
    record(scheduler, schedule)
    handle.detach()
    handle.detach()
    assert not handle.active
    assert type(scheduler) is kind
    assert vars(scheduler).keys() == before.keys()
    assert all(same(vars(scheduler)[key], before[key]) for key in before)
    scheduler.set_timesteps(9)
    assert len(scheduler.timesteps) >= 9


def test_context_manager_detaches_after_an_error(scheduler):
    kind = type(scheduler)
    handle = attach(scheduler, made_for(scheduler, 4))
    assert len(scheduler.timesteps) == 4
    with pytest.raises(ZeroDivisionError), handle:
        raise ZeroDivisionError
    assert not handle.active
    assert type(scheduler) is kind


def test_attaching_again_replaces_and_detaching_gives_back_the_first_state(scheduler):
    before = dict(vars(scheduler))
    first = attach(scheduler, made_for(scheduler, 4))
    second = attach(scheduler, made_for(scheduler, 6, clean=False))
    assert not first.active
    assert "detached" in repr(first)
    assert "nfe=6" in repr(second)
    first.detach()
    assert len(scheduler.timesteps) == 6
    detach(scheduler)
    assert vars(scheduler) == before
    detach(scheduler)


def test_a_refused_schedule_leaves_the_one_before(scheduler):
    good = attach(scheduler, made_for(scheduler, 4))
    other = hso.SamplingSchedule.from_timesteps(hso.NoiseSchedule.linear_vp(), [999, 500])
    with pytest.raises(HostError, match="made for noise schedule"):
        attach(scheduler, other)
    assert good.active


def test_a_landing_that_fails_detaches(scheduler, monkeypatch):
    kind = type(scheduler)
    monkeypatch.setattr(type(SCHEDULERS[kind.__name__]), "write", lambda *_: None)
    with pytest.raises(HostError, match=r"timesteps\[\d\] differs after set_timesteps: expected"):
        attach(scheduler, made_for(scheduler, 4))
    assert type(scheduler) is kind


def test_copies_keep_the_schedule(scheduler):
    schedule = made_for(scheduler, 4)
    attach(scheduler, schedule)
    twin = copy.deepcopy(scheduler)
    detach(scheduler)
    twin.set_timesteps(4)
    np.testing.assert_allclose(twin.timesteps, told(twin, schedule), atol=1e-4)
    scheduler.set_timesteps(4)
    assert not np.allclose(scheduler.timesteps, told(twin, schedule), atol=1)


def pickled(thing):
    return pickle.loads(pickle.dumps(thing))


def test_a_scheduler_that_diffusers_cannot_pickle_cannot_be_pickled_attached_either():
    """SA-Solver keeps a function of its own, unless it is given one that has a name."""
    scheduler = make_scheduler("SASolverScheduler")
    for _ in ("plain", "attached"):
        with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
            pickle.dumps(scheduler)
        attach(scheduler, made_for(scheduler, 4, clean=False))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("name", HERE)
def test_copies_and_pickles_go_on_where_the_original_was(name, copied):
    own = {"tau_func": np.sign} if name == "SASolverScheduler" else {}
    scheduler = make_scheduler(name, **own)
    schedule = made_for(scheduler, 4, ends_clean(name))
    attach(scheduler, schedule)
    twin = copied(scheduler)
    assert type(twin) is type(scheduler)
    seen = record(twin, schedule)
    assert seen.deviation(schedule, told(twin, schedule)) < 1e-4
    detach(twin)
    assert type(twin) is getattr(diffusers, name)
    twin.set_timesteps(9)
    scheduler.set_timesteps(4)
    assert len(set(scheduler.timesteps.tolist())) == 4


def test_a_pickle_half_way_through_a_run_goes_on(scheduler):
    attach(scheduler, made_for(scheduler, 3))
    x = torch.ones(1, 1, 2, 2)
    scheduler.step(x, scheduler.timesteps[0], x)
    twin = pickle.loads(pickle.dumps(scheduler))
    for each in (twin, scheduler):
        for t in each.timesteps[1:]:
            each.step(x, t, x)
        with pytest.raises(HostError, match="all 3 steps of the attached schedule were taken"):
            each.step(x, each.timesteps[2], x)


def test_a_device_without_values_is_refused(scheduler):
    handle = attach(scheduler, made_for(scheduler, 4))
    with pytest.raises(HostError, match="the device 'meta' holds no values"):
        scheduler.set_timesteps(4, device="meta")
    scheduler.set_timesteps(4)
    handle.detach()


def steps(scheduler, order):
    x = torch.ones(1, 1, 2, 2)
    for node in order:
        scheduler.step(x, scheduler.timesteps[node], x)


@pytest.mark.parametrize("name", ["DDIMScheduler", "UniPCMultistepScheduler", "EulerDiscreteScheduler", "LCMScheduler"])
@pytest.mark.parametrize("order", [(1,), (2, 3), (0, 2), (0, 1, 3), (0, 1, 2, 1)])
def test_nodes_out_of_order_are_refused(name, order):
    scheduler = make_scheduler(name)
    attach(scheduler, made_for(scheduler, 4))
    with pytest.raises(HostError, match=r"and this run (is )?at"):
        steps(scheduler, order)


def test_a_scheduler_that_does_not_count_may_step_twice_from_a_node_and_begin_again():
    ddim, unipc = make_scheduler("DDIMScheduler"), make_scheduler("UniPCMultistepScheduler")
    for scheduler in (ddim, unipc):
        attach(scheduler, made_for(scheduler, 3))
    steps(ddim, (0, 0, 1, 1, 2, 2, 0, 1, 2))
    with pytest.raises(HostError, match="run its nodes in order, each once"):
        steps(unipc, (0, 0))


def test_a_run_that_stopped_early_is_said_when_the_next_begins(scheduler):
    attach(scheduler, made_for(scheduler, 4))
    steps(scheduler, (0, 1, 2))
    with pytest.warns(UserWarning, match="the last run of the attached schedule stopped after 3 of 4 steps"):
        scheduler.set_timesteps(4)
    steps(scheduler, (0, 1, 2, 3))
    scheduler.set_timesteps(4)


def test_schedulers_made_from_its_configuration_are_plain(scheduler):
    attach(scheduler, made_for(scheduler, 4))
    other = type(scheduler).from_config(scheduler.config)
    other.set_timesteps(9)
    assert len(other.timesteps) == 9
    ddim = make_scheduler("DDIMScheduler")
    attach(ddim, made_for(ddim, 3))
    plain = type(ddim).from_config(ddim.config)
    plain.set_timesteps(10)
    x = torch.ones(1, 1, 2, 2)
    assert torch.isfinite(plain.step(x, 900, x).prev_sample).all()


@pytest.mark.parametrize("name", HERE)
def test_signatures_are_kept(name):
    scheduler = make_scheduler(name)
    methods = ("set_timesteps", "step", "add_noise")
    before = [inspect.signature(getattr(scheduler, m)) for m in methods if hasattr(scheduler, m)]
    attach(scheduler, made_for(scheduler, 4, ends_clean(name)))
    assert [inspect.signature(getattr(scheduler, m)) for m in methods if hasattr(scheduler, m)] == before
    assert type(scheduler).__name__ == name


def test_another_number_of_steps_is_refused(scheduler):
    attach(scheduler, made_for(scheduler, 4))
    with pytest.raises(HostError, match="has 4 nodes, 30 steps were asked for; pass num_inference_steps=4"):
        scheduler.set_timesteps(30, device="cpu")


def test_other_values_are_refused():
    euler = make_scheduler("EulerDiscreteScheduler")
    attach(euler, made_for(euler, 3))
    for values in ({"timesteps": [999, 500, 20]}, {"sigmas": [14.0, 3.0, 1.0, 0.0]}):
        with pytest.raises(HostError, match="neither timesteps= nor sigmas="):
            euler.set_timesteps(**values)


def test_the_strength_of_lcm_s_own_pipeline_is_refused():
    lcm = make_scheduler("LCMScheduler")
    attach(lcm, made_for(lcm, 3))
    with pytest.raises(HostError, match="strength"):
        lcm.set_timesteps(3, strength=0.5)


@pytest.mark.parametrize("name", ["DDIMScheduler", "DDPMScheduler", "LCMScheduler", "TCDScheduler"])
def test_a_timestep_between_the_nodes_is_refused(name):
    scheduler = make_scheduler(name)
    attach(scheduler, made_for(scheduler, 3))
    x = torch.ones(1, 1, 2, 2)
    with pytest.raises(HostError, match=r"begins at timestep 975\.5, and this run at 500"):
        scheduler.step(x, torch.tensor(500), x)
    scheduler.step(x, scheduler.timesteps[0], x)
    with pytest.raises(HostError, match=r"step 2 of the attached schedule is at timestep .*, and this run is at 500"):
        scheduler.step(x, torch.tensor(500), x)


def test_training_noise_is_still_added_at_training_timesteps():
    scheduler = make_scheduler("DDPMScheduler")
    x, noise, t = torch.ones(2, 1, 2, 2), torch.zeros(2, 1, 2, 2), torch.tensor([3, 500])
    before = scheduler.add_noise(x, noise, t)
    with attach(scheduler, made_for(scheduler, 3)):
        assert torch.equal(scheduler.add_noise(x, noise, t), before)


@pytest.mark.parametrize("name", REFUSED)
def test_schedulers_without_a_way_are_refused_with_the_reason(name):
    kind = getattr(diffusers.schedulers, name)
    if not issubclass(kind, diffusers.SchedulerMixin):
        pytest.importorskip("torchsde")
    schedule = made_for(make_scheduler("DDIMScheduler"), 4)
    with pytest.raises(HostError) as refusal:
        # The class alone decides; some have arguments that mean nothing here.
        attach(kind.__new__(kind), schedule)
    assert str(refusal.value) == f"{name}: cannot take a schedule: {REFUSED[name]}"


def test_an_unknown_scheduler_is_refused():
    class LaterScheduler(diffusers.DDIMScheduler):
        pass

    with pytest.raises(HostError, match="LaterScheduler: no adapter; there is one for DDIMScheduler"):
        attach(LaterScheduler(), made_for(make_scheduler("DDIMScheduler"), 4))


def _schedulers_of_diffusers():
    structure = diffusers.schedulers._import_structure
    names = [name for names in structure.values() for name in names if name.endswith("Scheduler")]
    return sorted({*names, "CosineDPMSolverMultistepScheduler", "DPMSolverSDEScheduler"})


@pytest.mark.parametrize("name", _schedulers_of_diffusers())
def test_every_scheduler_of_diffusers_is_landed_or_refused(name):
    assert (name in SCHEDULERS) != (name in REFUSED)
    assert f"diffusers:{name.removesuffix('Scheduler')}" in HOSTS


def test_no_other_scheduler_is_named():
    assert sorted([*SCHEDULERS, *REFUSED]) == _schedulers_of_diffusers()


UNSAFE = [
    ("UniPCMultistepScheduler", {"solver_type": "bh1"}, "bh1"),
    ("UniPCMultistepScheduler", {"lower_order_final": False}, "order 2"),
    ("UniPCMultistepScheduler", {"predict_x0": False}, "predict_x0"),
    ("DEISMultistepScheduler", {}, "DEIS"),
]


@pytest.mark.parametrize(("name", "settings", "reason"), UNSAFE)
def test_settings_that_give_nan_at_the_clean_sample_are_refused(name, settings, reason):
    scheduler = make_scheduler(name, **settings)
    with pytest.raises(HostError, match=f"{reason}.* has no limit at the clean sample"):
        attach(scheduler, made_for(scheduler, 5))
    attach(scheduler, made_for(scheduler, 5, clean=False))


@pytest.mark.filterwarnings("ignore:.*algorithm_type:FutureWarning")
@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"])
def test_dpmsolver_without_plus_plus_is_refused_at_the_clean_sample(name):
    scheduler = make_scheduler(name, algorithm_type="dpmsolver", final_sigmas_type="sigma_min")
    with pytest.raises(HostError, match="algorithm_type 'dpmsolver' has no limit"):
        attach(scheduler, made_for(scheduler, 5))
    attach(scheduler, made_for(scheduler, 5, clean=False))


def test_lcm_has_no_other_end_than_the_clean_sample():
    scheduler = make_scheduler("LCMScheduler")
    with pytest.raises(HostError, match="LCM always ends at the clean sample"):
        attach(scheduler, made_for(scheduler, 5, clean=False))


def test_what_the_scheduler_itself_refuses_is_a_named_error():
    scheduler = make_scheduler("LCMScheduler")
    good = attach(scheduler, made_for(scheduler, 5))
    with pytest.raises(HostError, match="original_steps"):
        attach(scheduler, made_for(scheduler, 51))
    assert good.active
    assert len(scheduler.timesteps) == 5


def test_a_predictor_of_its_own_is_refused():
    scheduler = make_scheduler("UniPCMultistepScheduler", solver_p=make_scheduler("DDIMScheduler"))
    with pytest.raises(HostError, match="solver_p"):
        attach(scheduler, made_for(scheduler, 5))


def test_edm_nodes_outside_the_trained_range_are_refused():
    scheduler = make_scheduler("EDMEulerScheduler", sigma_max=10.0)
    knots = np.array([-3.0, 0.0, 2.0])
    with pytest.raises(HostError, match=r"leave the trained range from -2\.30259 to 6\.21461"):
        attach(scheduler, hso.SamplingSchedule.from_knots(hso.NoiseSchedule.from_config(scheduler), knots, "clean"))


@pytest.mark.parametrize("name", [n for n in HERE if "EDM" in n])
def test_edm_draws_its_first_noise_at_the_first_node(name):
    scheduler = make_scheduler(name)
    before = scheduler.init_noise_sigma
    schedule = made_for(scheduler, 4)
    with attach(scheduler, schedule):
        assert scheduler.init_noise_sigma == pytest.approx(np.hypot(1, schedule.sigmas[0]))
        assert hso.NoiseSchedule.from_config(scheduler).fingerprint == schedule.noise_fingerprint
    assert scheduler.init_noise_sigma == before


def test_a_dynamic_flow_takes_schedules_of_any_resolution_but_of_no_other_model():
    settings = {"use_dynamic_shifting": True}
    for extra in ({}, {"shift_terminal": 0.1}):
        scheduler = make_scheduler("FlowMatchEulerDiscreteScheduler", **settings, **extra)
        for length in (256, 1024, 9000):
            noise = hso.NoiseSchedule.from_config(scheduler, image_seq_len=length)
            attach(scheduler, hso.optimize(noise, 6, terminal="clean").schedule)
        other = made_for(make_scheduler("DDIMScheduler"), 6)
        with pytest.raises(HostError, match=r"contradict|trained range"):
            attach(scheduler, other)


def test_a_static_flow_takes_its_own_shift_only():
    scheduler = make_scheduler("FlowMatchEulerDiscreteScheduler", shift=3.0)
    with pytest.raises(HostError, match="made for noise schedule"):
        attach(scheduler, made_for(make_scheduler("FlowMatchEulerDiscreteScheduler", shift=1.0), 4))
    scheduler.set_shift(1.0)
    attach(scheduler, made_for(make_scheduler("FlowMatchEulerDiscreteScheduler", shift=1.0), 4))


def test_wrong_arguments_are_named(scheduler):
    with pytest.raises(ArgumentError, match="target: expected a diffusers scheduler"):
        attach(object(), made_for(scheduler, 4))
    with pytest.raises(ArgumentError, match="schedule: expected a SamplingSchedule"):
        attach(scheduler, [999, 500])


def test_missing_packages_are_named():
    code = "import sys; sys.modules['diffusers'] = None; from hso.hosts.diffusers import detach; detach(None)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingExtraError: diffusers is not installed; run: pip install 'hso[diffusers]'" in run.stderr


def test_the_library_itself_needs_no_torch():
    imports = "import sys, hso, hso.hosts.diffusers, hso.hosts.lint"
    code = f"{imports}; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def pipeline_of(name, scheduler):
    """A pipeline of which only the class and the scheduler matter."""
    return type(name, (), {"scheduler": scheduler, "config": {"_class_name": name}})()


def test_a_pipeline_that_shifts_its_sigmas_itself_gets_exactly_the_schedule_for_it():
    """ACE-Step passes sigmas that it has shifted by 3, to a scheduler whose shift is 1."""
    pipe = pipeline_of("AceStepPipeline", make_scheduler("FlowMatchEulerDiscreteScheduler", num_train_timesteps=1))
    schedule = hso.optimize(hso.NoiseSchedule.from_config(pipe), 5, solver="euler").schedule
    attach(pipe, schedule)
    pipe.scheduler.set_timesteps(sigmas=[1.0, 0.9, 0.8, 0.6, 0.4])
    assert np.allclose(pipe.scheduler.sigmas[:-1], schedule.flow_sigmas, rtol=1e-6)
    assert np.allclose(pipe.scheduler.timesteps, schedule.flow_sigmas, rtol=1e-6)
    with pytest.raises(HostError, match="made for noise schedule"):
        attach(pipe.scheduler, schedule)


def test_cosmos_predict_2_takes_no_schedule():
    scheduler = make_scheduler("FlowMatchEulerDiscreteScheduler", use_karras_sigmas=True)
    scheduler.register_to_config(sigma_max=80.0, sigma_min=0.002, sigma_data=1.0, final_sigmas_type="sigma_min")
    pipe = pipeline_of("Cosmos2TextToImagePipeline", scheduler)
    noise = hso.NoiseSchedule.from_config(pipe)
    assert noise.fingerprint == hso.NoiseSchedule.preset("cosmos-predict2").fingerprint
    with pytest.raises(HostError, match="replaces the last noise level by the one before"):
        attach(pipe, hso.optimize(noise, 5, solver="euler").schedule)
    flow = hso.NoiseSchedule.rectified_flow()
    with pytest.raises(HostError, match="made for noise schedule"):
        attach(pipe, hso.optimize(flow, 5, solver="euler").schedule)
