"""One scheduler class of ours runs every deterministic solver in diffusers' pipelines, exactly."""

from __future__ import annotations

import copy
import functools
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from benchmarks.recording import VP, make_scheduler, told  # noqa: E402
from benchmarks.tiny_others import OTHERS  # noqa: E402
from benchmarks.tiny_pipelines import (  # noqa: E402
    FLOW,
    PIPELINES,
    Tiny,
    clip_call,
    cogview4,
    recorded,
    size,
    stable_diffusion,
)

import hso  # noqa: E402
from hso.errors import ArgumentError, HostError  # noqa: E402
from hso.hosts.diffusers import PipelineNetwork, PlannedScheduler, attach, call_arguments, detach  # noqa: E402
from hso.models.mixture import GaussianMixture  # noqa: E402
from hso.search import Learn  # noqa: E402
from hso.search.learned import rows  # noqa: E402
from hso.solvers import AUTO, DDIM, SOLVERS, Learned, label_of, make_solver, nodes, sample  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
CALLS = 5
LEARNED = Learned("unipc", rows(0.1 * np.random.default_rng(0).normal(size=CALLS * (CALLS - 1) // 2)))
ALL = [*dict.fromkeys(map(make_solver, (*SOLVERS, *AUTO))), LEARNED]
FLOW_EULER = "FlowMatchEulerDiscreteScheduler"
V = {"prediction_type": "v_prediction"}
DOUBLE, SINGLE = (torch.float64, 1e-12), (torch.float32, 1e-6)
# Pipeline, its scheduler, settings, precision, and how near two ways of rounding are in it.
CASES = {
    "epsilon": ("StableDiffusion", "DDIMScheduler", {}, *DOUBLE),
    "sigma space, v": ("StableDiffusion", "EulerDiscreteScheduler", V, *DOUBLE),
    "flow": ("StableDiffusion3", FLOW_EULER, {"shift": 3.0}, *DOUBLE),
    "epsilon, single": ("StableDiffusion", "UniPCMultistepScheduler", {}, *SINGLE),
    "v": ("StableDiffusion", "DPMSolverMultistepScheduler", V, *DOUBLE),
    "sample": ("StableDiffusion", "DDIMScheduler", {"prediction_type": "sample"}, *DOUBLE),
    # The sample is scaled to the network's input and back, and guidance enlarges that rounding.
    "sigma space, single": ("StableDiffusion", "HeunDiscreteScheduler", {}, torch.float32, 1e-5),
    "flow, packed": ("Flux", FLOW_EULER, {"shift": 3.0}, *SINGLE),
}
EVERY_SOLVER = list(CASES)[:3]
FEW = [LEARNED, make_solver("heun")]
RUNS = [(case, solver) for case in CASES for solver in (ALL if case in EVERY_SOLVER else FEW)]


def scheduled(noise, solver, clean=True, start=None):
    begin = 0.97 if start is None else start
    times = begin - (begin - 0.07) * np.linspace(0, 1, solver.nodes(CALLS)) ** 0.9
    return hso.SamplingSchedule.from_times(noise, times, 0.0 if clean else 0.02, start=start)


def call_of(tiny, dtype, **extra):
    given = {**tiny.call(), **extra}
    if "negative_prompt_embeds" in given:
        # They are those of the prompt, so that guidance would change nothing.
        given["negative_prompt_embeds"] = given["negative_prompt_embeds"].flip(-1)
    return {name: value.to(dtype) if hasattr(value, "to") else value for name, value in given.items()}


@functools.cache
def made(case):
    """A pipeline of one kind, arguments of its call, its network and its first state."""
    name, scheduler, settings, dtype, _ = CASES[case]
    tiny = PIPELINES[name]
    pipe = tiny.build(make_scheduler(scheduler, **settings)).to(dtype)
    call = call_of(tiny, dtype)
    network = PipelineNetwork(pipe, call)
    return pipe, call, network, network.states(torch.Generator().manual_seed(0))


def drawn(pipe, call, schedule):
    output = pipe(
        **call, **call_arguments(pipe, schedule), generator=torch.Generator().manual_seed(0), output_type="latent"
    )
    return torch.as_tensor(output[0])


def distance(one, other):
    return float((one.reshape(other.shape) - other).abs().max() / other.abs().max())


@pytest.mark.parametrize(("case", "solver"), RUNS, ids=lambda one: one if isinstance(one, str) else label_of(one))
def test_a_pipeline_draws_the_samples_of_our_own_loop(case, solver):
    pipe, call, network, x = made(case)
    own = pipe.scheduler
    schedule = scheduled(network.noise, solver)
    ours = sample(solver, network, network.noise, schedule, x, prediction=network.prediction)
    pipe.scheduler = PlannedScheduler.from_scheduler(pipe, schedule, solver)
    try:
        assert distance(drawn(pipe, call, schedule), ours) < CASES[case][-1]
    finally:
        detach(pipe)
    assert pipe.scheduler is own


@pytest.mark.parametrize("case", CASES)
def test_a_pipeline_tells_its_network_other_times_as_our_own_loop_does(case):
    pipe, call, network, x = made(case)
    plain = scheduled(network.noise, LEARNED)
    schedule = plain.telling(network.noise, plain.times * np.linspace(0.99, 0.9, len(plain.times)))
    ours = sample(LEARNED, network, network.noise, schedule, x, prediction=network.prediction)
    untold = sample(LEARNED, network, network.noise, plain, x, prediction=network.prediction)
    pipe.scheduler = PlannedScheduler.from_scheduler(pipe, schedule, LEARNED)
    assert distance(drawn(pipe, call, schedule), ours) < CASES[case][-1]
    assert distance(ours, untold) > 10 * CASES[case][-1]
    again = PlannedScheduler.from_config(pipe.scheduler.config)
    assert again.schedule == schedule
    np.testing.assert_array_equal(again.timesteps, pipe.scheduler.timesteps)
    detach(pipe)


def test_without_guidance_too():
    pipe, guided, _, x = made("epsilon")
    ends = []
    for call in (guided, {**guided, "guidance_scale": 1.0}):
        network = PipelineNetwork(pipe, call)
        schedule = scheduled(network.noise, LEARNED)
        ours = sample(LEARNED, network, network.noise, schedule, x)
        pipe.scheduler = PlannedScheduler.from_scheduler(pipe, schedule, LEARNED)
        assert distance(drawn(pipe, call, schedule), ours) < 1e-12
        ends.append(ours)
    detach(pipe)
    assert distance(*ends) > 1e-3


@pytest.mark.parametrize(("name", "divides"), [("DDIMScheduler", False), ("HeunDiscreteScheduler", True)])
def test_at_t_min_the_sample_is_that_of_the_own_scheduler(name, divides):
    own = make_scheduler(name)
    noise = hso.NoiseSchedule.from_config(own)
    schedule = scheduled(noise, LEARNED, clean=False)
    scheduler = PlannedScheduler.from_scheduler(own, schedule, LEARNED)
    x = X / nodes(noise, schedule)[0].alpha if divides else X
    for t in scheduler.timesteps:
        x = scheduler.step(torch.tanh(scheduler.scale_model_input(x, t)), t, x).prev_sample
    ours = sample(LEARNED, lambda x, node: torch.tanh(x), noise, schedule, X)
    assert distance(x * float(noise.alpha_t(schedule.terminal_time)) if divides else x, ours) < 1e-12


EDM = [
    ("EDMEulerScheduler", {}),
    ("EDMEulerScheduler", {"prediction_type": "v_prediction"}),
    ("EDMDPMSolverMultistepScheduler", {"sigma_data": 1.0}),
    (
        "EulerDiscreteScheduler",
        {
            "prediction_type": "v_prediction",
            "timestep_type": "continuous",
            "sigma_min": 0.002,
            "sigma_max": 700.0,
            "use_karras_sigmas": True,
            **VP,
        },
    ),
]


@pytest.mark.parametrize("solver", ALL, ids=label_of)
@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize(("name", "settings"), EDM)
def test_a_preconditioned_network_is_scaled_as_diffusers_scales_it(name, settings, clean, solver):
    """The scales are those of diffusers' own scheduler, which is asked for them."""
    own = make_scheduler(name, **settings)
    noise = hso.NoiseSchedule.from_config(own)
    schedule = scheduled(noise, solver, clean)
    judge = own if hasattr(own, "precondition_outputs") else make_scheduler("EDMEulerScheduler", **{
        "prediction_type": "v_prediction", "sigma_data": 1.0})  # fmt: skip

    def network(x, t):
        return torch.tanh(x.flip(-1) + float(t))

    def data(x, node):
        sigma = torch.tensor(node.sigma, dtype=x.dtype)
        output = network(judge.precondition_inputs(x, sigma), np.float32(np.log(node.sigma) / 4))
        return judge.precondition_outputs(x, output, sigma)

    unit = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scheduler = PlannedScheduler.from_scheduler(own, schedule, solver)
    start = unit * scheduler.init_noise_sigma
    assert scheduler.init_noise_sigma == pytest.approx(np.hypot(1, nodes(noise, schedule)[0].sigma))
    ours = sample(solver, data, noise, schedule, start, prediction="sample")
    x = start
    for t in scheduler.timesteps:
        x = scheduler.step(network(scheduler.scale_model_input(x, t), t), t, x).prev_sample
    assert distance(x, ours) < 1e-6


@pytest.mark.parametrize("solver", ["unipc", "heun", "dpmpp_2s"])
@pytest.mark.parametrize(
    ("pipeline", "name", "settings"),
    [
        ("StableDiffusion", "EulerDiscreteScheduler", {}),
        ("StableDiffusionXL", "EDMEulerScheduler", {}),
        ("Wan", "UniPCMultistepScheduler", FLOW),
        ("Flux", "FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True, "shift": 3.0}),
    ],
)
def test_the_network_is_told_the_node_of_each_call(pipeline, name, settings, solver):
    tiny = PIPELINES[pipeline]
    pipe = tiny.build(make_scheduler(name, **settings))
    schedule = scheduled(hso.NoiseSchedule.from_config(pipe), make_solver(solver))
    wanted = told(pipe.scheduler, schedule)
    calls = [step.node for step in make_solver(solver).plan(hso.NoiseSchedule.from_config(pipe), schedule)]
    pipe.scheduler = PlannedScheduler.from_scheduler(pipe, schedule, make_solver(solver))
    seen, latents = recorded(tiny, pipe, schedule.nfe)
    # Wan calls its network twice a step, for the guidance.
    np.testing.assert_allclose(seen[:: len(seen) // CALLS], wanted[calls], atol=4e-5, rtol=1e-6)
    assert torch.as_tensor(latents).isfinite().all()
    again, same = recorded(tiny, pipe, schedule.nfe)
    assert again == seen
    assert torch.equal(torch.as_tensor(latents), torch.as_tensor(same))


SHIFTED = {"use_dynamic_shifting": True, "base_shift": 0.25, "max_shift": 0.75, "time_shift_type": "linear"}
COGVIEW = Tiny(cogview4, lambda: clip_call(**size()), ())
FIRST_ORDER = {
    "told before the shift": (COGVIEW, FLOW_EULER, SHIFTED),
    "reversed": (PIPELINES["Wan"], FLOW_EULER, {"shift": 3.0, "invert_sigmas": True}),
    "video": (OTHERS["StableVideoDiffusion"], *OTHERS["StableVideoDiffusion"].schedulers[0]),
    "zero terminal SNR": (OTHERS["CogVideoX"], *OTHERS["CogVideoX"].schedulers[0]),
    "an upscaler": (OTHERS["StableDiffusionUpscale"], *OTHERS["StableDiffusionUpscale"].schedulers[0]),
}


@pytest.mark.parametrize("kind", FIRST_ORDER)
def test_pipelines_of_other_kinds_run_as_with_their_own_scheduler(kind):
    tiny, name, settings = FIRST_ORDER[kind]
    pipe = tiny.build(make_scheduler(name, **settings))
    schedule = scheduled(hso.NoiseSchedule.from_config(pipe.scheduler), DDIM())
    attach(pipe, schedule)
    own, expected = recorded(tiny, pipe, CALLS)
    detach(pipe)
    pipe.scheduler = PlannedScheduler.from_scheduler(pipe, schedule, DDIM())
    seen, latents = recorded(tiny, pipe, CALLS)
    np.testing.assert_allclose(seen, own, rtol=1e-6)
    # Some of diffusers' own tables are in single precision.
    assert distance(torch.as_tensor(latents), torch.as_tensor(expected)) < 1e-5


def planned(solver="heun", **settings):
    own = make_scheduler("DDIMScheduler", **settings)
    return PlannedScheduler.from_scheduler(
        own, scheduled(hso.NoiseSchedule.from_config(own), make_solver(solver)), make_solver(solver)
    )


def run(scheduler, x):
    for t in scheduler.timesteps:
        x = scheduler.step(torch.tanh(x), t, x, return_dict=False)[0]
    return x


X = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(1, 3, 4)


def test_half_precision_is_computed_with_in_single():
    scheduler = planned("unipc")
    t = scheduler.timesteps[0]
    found = scheduler.step(X.half(), t, X.half())
    assert found.prev_sample.dtype == torch.float16
    scheduler.set_timesteps(CALLS)
    exact = scheduler.step(X.half().float(), t, X.half().float())
    assert torch.equal(found.prev_sample, exact.prev_sample.half())


def test_a_learned_variance_is_left_out():
    scheduler = planned()
    t = scheduler.timesteps[0]
    one = scheduler.step(torch.cat([torch.tanh(X), 1e6 + X], dim=1), t, X).prev_sample
    scheduler.set_timesteps(3)
    assert torch.equal(one, scheduler.step(torch.tanh(X), t, X).prev_sample)


def test_copies_and_pickles_go_on_where_the_run_was():
    scheduler = planned()
    x = X
    for t in scheduler.timesteps[:2]:
        x = scheduler.step(torch.tanh(x), t, x).prev_sample
    ends = []
    for twin in (copy.copy(scheduler), copy.deepcopy(scheduler), pickle.loads(pickle.dumps(scheduler)), scheduler):
        y = x
        for t in twin.timesteps[2:]:
            y = twin.step(torch.tanh(y), t, y).prev_sample
        ends.append(y)
    assert all(torch.equal(end, ends[0]) for end in ends)


def test_other_runs_are_refused():
    scheduler = planned()
    with pytest.raises(
        HostError, match="its schedule has 3 nodes, 20 steps were asked for; pass num_inference_steps=3"
    ):
        scheduler.set_timesteps(20)
    with pytest.raises(HostError, match="pass neither timesteps= nor sigmas="):
        scheduler.set_timesteps(timesteps=[3, 2, 1])
    with pytest.raises(HostError, match="begins at timestep 969, and this run at 500"):
        scheduler.step(X, 500, X)
    with pytest.raises(HostError, match="timestep 500, which is no node"):
        scheduler.scale_model_input(X, 500)
    run(scheduler, X)
    with pytest.raises(HostError, match="all 5 steps of the attached schedule were taken"):
        scheduler.step(X, scheduler.timesteps[-1], X)


def test_what_cannot_be_run_is_refused_by_name():
    own = make_scheduler("DDIMScheduler")
    schedule = scheduled(hso.NoiseSchedule.from_config(own), DDIM())
    with pytest.raises(ArgumentError, match=r"solver: expected a deterministic solver, got 'ddim:eta=0.5'"):
        PlannedScheduler.from_scheduler(own, schedule, DDIM(eta=0.5))
    with pytest.raises(HostError, match="LCMScheduler: cannot be replaced by PlannedScheduler"):
        PlannedScheduler.from_scheduler(make_scheduler("LCMScheduler"), schedule, DDIM())
    with pytest.raises(HostError, match="optimize for this scheduler"):
        PlannedScheduler.from_scheduler(make_scheduler("DDIMScheduler", beta_end=0.02), schedule, DDIM())
    with pytest.raises(ArgumentError, match="schedule: expected one with 5 network calls, got 'one with 3'"):
        PlannedScheduler.from_scheduler(
            own, scheduled(hso.NoiseSchedule.from_config(own), make_solver("heun")), LEARNED
        )
    with pytest.raises(ArgumentError, match="one whose provenance names its solver"):
        PlannedScheduler.from_scheduler(own, schedule)
    with pytest.raises(HostError, match="has a schedule and a solver of its own; make another"):
        attach(planned(), schedule)


@pytest.mark.parametrize("solver", [LEARNED, make_solver("heun"), make_solver("unipc")], ids=label_of)
def test_image_to_image_begins_part_way(solver):
    tiny = PIPELINES["StableDiffusionImg2Img"]
    pipe = tiny.build(make_scheduler("EulerDiscreteScheduler")).to(torch.float64)
    noise = hso.NoiseSchedule.from_config(pipe)
    schedule = scheduled(noise, solver, start=0.6)
    call = call_of(tiny, torch.float64)
    network = PipelineNetwork(
        stable_diffusion(make_scheduler("DDIMScheduler")).to(torch.float64),
        {name: value for name, value in call.items() if name not in ("image", "strength")}
        | {"height": 16, "width": 16},
    )
    first = nodes(noise, schedule)[0]
    unit = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    begun = first.alpha * call["image"] + first.sigma * unit
    ours = sample(solver, network, noise, schedule, begun)
    pipe.scheduler = PlannedScheduler.from_scheduler(pipe, schedule, solver)
    assert distance(drawn(pipe, {k: v for k, v in call.items() if k != "strength"}, schedule), ours) < 1e-6
    with pytest.raises(HostError, match="begins part-way at timestep 599, and this run"):
        pipe(**call, num_inference_steps=schedule.nfe, output_type="latent")
    text = diffusers.StableDiffusionPipeline.from_pipe(pipe)
    with pytest.raises(HostError, match="but no image was noised to it"):
        recorded(PIPELINES["StableDiffusion"], text.to(torch.float32), schedule.nfe)


def test_inpainting_leaves_the_leading_node_out():
    own = make_scheduler("DDIMScheduler")
    schedule = scheduled(hso.NoiseSchedule.from_config(own), make_solver("unipc"), start=0.6)
    scheduler = PlannedScheduler.from_scheduler(own, schedule, make_solver("unipc"))
    scheduler.set_timesteps(CALLS + 1)
    assert len(scheduler.timesteps) == CALLS + 1
    noised = scheduler.add_noise(X, torch.ones_like(X), scheduler.timesteps[1:2])
    alpha, sigma = scheduler._levels[0].alpha, scheduler._levels[0].sigma
    torch.testing.assert_close(noised, alpha * X + sigma, atol=1e-6, rtol=1e-6)
    x = noised
    for t in scheduler.timesteps[1:]:
        x = scheduler.step(torch.tanh(x), t, x).prev_sample
    assert x.isfinite().all()


@pytest.mark.parametrize("solver", ALL, ids=label_of)
def test_saving_and_loading_change_nothing(solver, tmp_path):
    own = make_scheduler("EulerDiscreteScheduler", prediction_type="v_prediction")
    schedule = scheduled(hso.NoiseSchedule.from_config(own), solver)
    scheduler = PlannedScheduler.from_scheduler(own, schedule, solver)
    scheduler.save_pretrained(tmp_path)
    back = PlannedScheduler.from_pretrained(tmp_path)
    assert (back.schedule, back.solver) == (schedule, solver)
    assert torch.equal(run(back, X), run(scheduler, X))
    assert type(back.own) is type(own)
    assert back.own.config["prediction_type"] == "v_prediction"
    for source in (scheduler, back, tmp_path):
        assert hso.NoiseSchedule.from_config(source).fingerprint == schedule.noise_fingerprint


def test_a_learned_solver_survives_its_own_file_and_diffusers(tmp_path):
    noise = hso.NoiseSchedule.from_config(make_scheduler("DDIMScheduler"))
    found = learned_result(noise)
    found.schedule.save(tmp_path / "six.json")
    loaded = hso.SamplingSchedule.load(tmp_path / "six.json")
    scheduler = PlannedScheduler.from_scheduler(make_scheduler("DDIMScheduler"), loaded)
    assert scheduler.solver == found.solver
    scheduler.save_pretrained(tmp_path / "saved")
    back = PlannedScheduler.from_pretrained(tmp_path / "saved")

    def model(x, node):
        return torch.tanh(x)

    ours = sample(found.solver, model, noise, found.schedule, X)
    assert distance(run(back, X), ours) < 1e-12


def learned_result(noise):
    model = GaussianMixture(np.ones(3), np.random.default_rng(3).normal(size=(3, 6)), np.full(3, 0.1))
    x = np.random.default_rng(0).standard_normal((32, 6))
    calibration = hso.calibrate(model.x0, noise, x, "sample", points=16)
    return hso.optimize(noise, CALLS, solver="unipc", strategy=Learn(turns=1), calibration=calibration)


PIPELINE_ONLY = {
    "safety_checker": None,
    "feature_extractor": None,
    "tokenizer": None,
    "text_encoder": None,
    "image_encoder": None,
}


def test_a_saved_pipeline_loads_with_it(tmp_path):
    tiny = PIPELINES["StableDiffusion"]
    pipe = tiny.build(make_scheduler("DDIMScheduler"))
    schedule = scheduled(hso.NoiseSchedule.from_config(pipe), LEARNED)
    pipe.scheduler = PlannedScheduler.from_scheduler(pipe, schedule, LEARNED)
    pipe.save_pretrained(tmp_path)
    back = diffusers.DiffusionPipeline.from_pretrained(tmp_path, **PIPELINE_ONLY)
    assert (type(back.scheduler), back.scheduler.schedule, back.scheduler.solver) == (
        PlannedScheduler,
        schedule,
        LEARNED,
    )
    assert torch.equal(drawn(back, tiny.call(), schedule), drawn(pipe, tiny.call(), schedule))
    detach(back)
    assert type(back.scheduler) is diffusers.DDIMScheduler
    assert hso.NoiseSchedule.from_config(tmp_path).fingerprint == schedule.noise_fingerprint


def test_the_package_does_not_import_diffusers_for_it():
    code = "import sys, hso.hosts.diffusers as d; print('torch' in sys.modules, 'diffusers' in sys.modules)"
    assert ran(code).stdout == "False False\n"
    code = "import sys; sys.modules['diffusers'] = None; from hso.hosts.diffusers import PlannedScheduler"
    assert "pip install 'hso[diffusers]'" in ran(code).stderr


def ran(code):
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


def saved_config(tmp_path):
    planned("unipc").save_pretrained(tmp_path)
    return json.loads((tmp_path / "scheduler_config.json").read_text())


HOSTILE = {
    "no schedule": (lambda c: c.pop("schedule"), "config: expected the configuration of a PlannedScheduler"),
    "a path": (lambda c: c.update(schedule="/etc/passwd"), "config: expected the configuration of a PlannedScheduler"),
    "nan": (lambda c: c["schedule"]["lambdas"].__setitem__(0, float("nan")), "lambdas: expected a vector"),
    "edited": (lambda c: c["schedule"]["lambdas"].__setitem__(0, -7.5), "sigmas: expected exp"),
    "field": (lambda c: c["schedule"].update(code="import os"), "unknown field `code`"),
    "solver": (lambda c: c.update(solver={"name": "os.system", "settings": {}}), "solver: expected one of"),
    "no name": (lambda c: c.update(solver=["unipc"]), "config: expected the configuration of a PlannedScheduler"),
    "settings": (lambda c: c["solver"].update(settings={"eval": "1"}), "solver: expected settings of unipc"),
    "order": (lambda c: c["solver"].update(settings={"order": "3"}), "order: expected an integer"),
    "corrector": (lambda c: c["solver"].update(settings={"corrector": "yes"}), "corrector: expected true or false"),
    "offsets": (
        lambda c: c.update(solver={"name": "learned", "settings": {"base": "unipc", "offsets": [[float("inf")]]}}),
        "offsets: expected finite numbers",
    ),
    "too many": (
        lambda c: c.update(solver={"name": "learned", "settings": {"base": "unipc", "offsets": [[1.0]] * 2000}}),
        "offsets: expected a base and at most 1000 rows",
    ),
    "class": (lambda c: c.update(stands_for="Popen"), "stands_for: expected one of"),
    "distilled": (lambda c: c.update(stands_for="LCMScheduler"), "stands_for: expected one of"),
    "betas": (lambda c: c.update(beta_end="x"), "beta_end: expected a number"),
    "steps": (lambda c: c.update(num_train_timesteps=10**12), "num_train_timesteps: expected"),
    "model": (lambda c: c.update(beta_end=0.02), "optimize for this scheduler"),
    "prediction": (lambda c: c.update(prediction_type="os"), "prediction_type: expected one of"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_configurations_are_refused_in_one_line(what, tmp_path):
    change, problem = HOSTILE[what]
    config = saved_config(tmp_path)
    change(config)
    (tmp_path / "scheduler_config.json").write_text(json.dumps(config))
    with pytest.raises(hso.HSOError) as caught:
        PlannedScheduler.from_pretrained(tmp_path)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500
