"""Schedules that begin part-way: image-to-image, inpainting and video-to-video with real pipelines and tiny weights."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from benchmarks.recording import HERE, make_scheduler, record, told  # noqa: E402
from benchmarks.tiny_others import OTHERS, ZERO_SNR, cogvideox, controlnet  # noqa: E402
from benchmarks.tiny_pipelines import (  # noqa: E402
    DYNAMIC,
    FLOW,
    FLOW_EULER,
    PIPELINES,
    STATIC,
    VP_SCHEDULERS,
    Tiny,
    clip_call,
    flux,
    flux_call,
    image,
    make,
    plain,
    pooled,
    quiet,
    random,
    recorded,
    sdxl,
    size,
    stable_diffusion,
)

import hso  # noqa: E402
from hso.errors import ArgumentError, HostError  # noqa: E402
from hso.hosts.diffusers import attach, call_arguments, recommend  # noqa: E402
from hso.hosts.diffusers.part_way import dropping_one  # noqa: E402
from hso.search import Constraints  # noqa: E402

pytestmark = [
    # diffusers calls NumPy functions on tensors, and its pipelines use deprecated parts of their own.
    pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers"),
]
START = 0.6
DISTILLED = ("LCMScheduler", "TCDScheduler")


def mask():
    return {**image(), **size(), "mask_image": torch.ones(1, 1, 16, 16)}


def masked_latents():
    return {**mask(), "masked_image_latents": random(1, 4, 8, 8)}


def masked_pixels():
    return {**mask(), "image": random(1, 3, 16, 16)}


def encoding_to_the_image(pipe):
    """The pipeline with an encoder that gives the latents of the other cases, without random numbers."""
    pipe._encode_vae_image = lambda image, generator: random(1, 4, 8, 8)
    return pipe


def without_strength(call):
    return {name: value for name, value in call.items() if name != "strength"}


SAMPLERS = plain(*(name for name in VP_SCHEDULERS if name not in DISTILLED))
CASES: dict[str, Tiny] = {
    **{name: tiny for name, tiny in {**PIPELINES, **OTHERS}.items() if "Img2Img" in name},
    "StableDiffusionInpaint": Tiny(
        lambda s: stable_diffusion(s, "StableDiffusionInpaintPipeline"), lambda: clip_call(**masked_latents()), SAMPLERS
    ),
    "StableDiffusionXLInpaint": Tiny(
        lambda s: sdxl(s, "StableDiffusionXLInpaintPipeline"), lambda: pooled(**masked_latents()), SAMPLERS[:1]
    ),
    "StableDiffusionControlNetInpaint": Tiny(
        lambda s: encoding_to_the_image(controlnet(s, "StableDiffusionControlNetInpaintPipeline")),
        lambda: clip_call(**masked_pixels(), control_image=random(1, 3, 16, 16)),
        plain("DDIMScheduler", "UniPCMultistepScheduler"),
    ),
    "FluxInpaint": Tiny(
        lambda s: encoding_to_the_image(flux(s, "FluxInpaintPipeline")),
        lambda: flux_call(**masked_pixels()),
        ((FLOW_EULER, DYNAMIC),),
        scale=1000,
    ),
}
RUNS = [
    (pipeline, name, settings)
    for pipeline, tiny in CASES.items()
    for name, settings in tiny.schedulers
    if name not in DISTILLED
]


def run(tiny, pipe, **arguments):
    """Timesteps that the network was told, and the first latents that it saw."""
    first = []
    network = getattr(pipe, "transformer", None) or pipe.unet
    hook = network.register_forward_pre_hook(
        lambda _, args, kw: first.append(kw["hidden_states"] if "hidden_states" in kw else args[0]), with_kwargs=True
    )
    steps = arguments.pop("num_inference_steps")
    plain_call = Tiny(tiny.build, lambda: {**without_strength(tiny.call()), **arguments}, tiny.schedulers, tiny.scale)
    try:
        seen, sample = recorded(plain_call, pipe, steps)
    finally:
        hook.remove()
    assert torch.as_tensor(sample).isfinite().all()
    return list(dict.fromkeys(seen)), first[0][:1]


def noised(schedule, flow):
    """The image with noise of the pipeline's generator, at the first node."""
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    sigma = float(schedule.sigmas[0])
    alpha, sigma = (
        (1 / (1 + sigma), sigma / (1 + sigma)) if flow else (1 / np.hypot(1, sigma), sigma / np.hypot(1, sigma))
    )
    return alpha * image()["image"] + sigma * noise


@pytest.mark.parametrize(("pipeline", "name", "settings"), RUNS)
def test_the_image_is_noised_to_the_first_node_and_the_network_asked_at_all(pipeline, name, settings):
    tiny = CASES[pipeline]
    pipe = make(tiny, name, settings)
    for nfe in (1, 5) if "Heun" in name else (1, 4, 5):
        schedule = recommend(pipe, nfe, constraints=Constraints(start=START))
        assert schedule.times[0] == pytest.approx(START)
        seen, latents = run(tiny, pipe, **call_arguments(pipe, schedule))
        np.testing.assert_allclose(seen, told(pipe.scheduler, schedule), atol=4e-5, rtol=1e-7)
        expected = noised(schedule, "Flow" in name)
        if latents.ndim == 3:
            expected = type(pipe)._pack_latents(expected, 1, 4, 8, 8)
        torch.testing.assert_close(latents, expected, atol=1e-5, rtol=1e-5)


GRIDS = [
    ("DDIMScheduler", {"timestep_spacing": "trailing"}, [0.600, 0.600, 0.600]),
    ("DDIMScheduler", {"timestep_spacing": "leading"}, [0.502, 0.552, 0.582]),
    ("UniPCMultistepScheduler", {}, [0.600, 0.600, 0.600]),
    ("EulerDiscreteScheduler", {}, [0.556, 0.579, 0.592]),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}, [0.524, 0.562, 0.582]),
    ("UniPCMultistepScheduler", FLOW, [0.600, 0.600, 0.600]),
    (FLOW_EULER, STATIC, [0.557, 0.580, 0.593]),
    ("EDMEulerScheduler", {}, [0.719, 0.737, 0.747]),
]


@pytest.mark.parametrize(("name", "settings", "times"), GRIDS)
def test_a_strength_is_about_the_time_of_the_first_step(name, settings, times):
    """The table in docs/method.md."""
    scheduler = make_scheduler(name, **settings)
    noise = hso.NoiseSchedule.from_config(scheduler)
    first = []
    for steps in (10, 20, 50):
        scheduler.set_timesteps(steps)
        first.append(float(noise.time_of_timestep(float(scheduler.timesteps[steps - round(0.6 * steps)]))))
    assert first == pytest.approx(times, abs=6e-4)


@pytest.mark.parametrize(("name", "settings"), PIPELINES["Wan"].schedulers)
def test_video_to_video_too(name, settings):
    tiny = PIPELINES["Wan"]
    scheduler = make_scheduler(name, **settings)
    parts = tiny.build(scheduler)
    pipe = quiet(diffusers.WanVideoToVideoPipeline(None, None, parts.transformer, parts.vae, scheduler))
    schedule = recommend(pipe, 4, constraints=Constraints(start=START))
    call = {**clip_call(**size()), "video": random(1, 1, 3, 16, 16), **call_arguments(pipe, schedule)}
    steps = call.pop("num_inference_steps")
    seen, _ = recorded(Tiny(tiny.build, lambda: call, tiny.schedulers), pipe, steps)
    np.testing.assert_allclose(list(dict.fromkeys(seen)), told(scheduler, schedule), atol=4e-5, rtol=1e-7)


@pytest.mark.parametrize(("name", "settings"), OTHERS["CogVideoX"].schedulers)
def test_cogvideox_from_a_video_too(name, settings):
    pipe = cogvideox(make_scheduler(name, **settings), "CogVideoXVideoToVideoPipeline")
    schedule = recommend(pipe, 4, constraints=Constraints(start=START))
    call = {**clip_call(**size()), "video": random(1, 9, 3, 16, 16), "max_sequence_length": 5}
    call |= call_arguments(pipe, schedule)
    steps = call.pop("num_inference_steps")
    seen, _ = recorded(Tiny(cogvideox, lambda: call, ((name, ZERO_SNR),)), pipe, steps)
    np.testing.assert_allclose(list(dict.fromkeys(seen)), told(pipe.scheduler, schedule), atol=4e-5, rtol=1e-7)


def test_one_step_is_dropped_however_a_pipeline_rounds():
    for steps in range(2, 1002):
        strength = dropping_one(steps)
        assert strength < 1
        assert int(steps * strength) == steps - 1
        assert int(steps - steps * strength) == 1


def test_inpainting_pipelines_take_a_strength_of_one_for_noise_alone(sd):
    schedule = hso.optimize(sd, 4, constraints=hso.Constraints(start=START)).schedule
    for kind in (diffusers.StableDiffusion3InpaintPipeline, diffusers.StableDiffusionXLControlNetInpaintPipeline):
        assert call_arguments(kind, schedule) == {"num_inference_steps": 5, "strength": 0.8}
    for kind in (diffusers.StableDiffusion3Img2ImgPipeline, diffusers.FluxInpaintPipeline):
        assert call_arguments(kind, schedule) == {"num_inference_steps": 4, "strength": 1.0}
    whole = hso.optimize(sd, 4).schedule
    assert call_arguments(diffusers.StableDiffusionPipeline, whole) == {"num_inference_steps": 4}


WRONG = [
    (
        "StableDiffusionImg2Img",
        {"num_inference_steps": 4, "strength": 0.6},
        "begins part-way at timestep 599, and this",
    ),
    (
        "StableDiffusionImg2Img",
        {"num_inference_steps": 5, "strength": 0.6},
        "begins part-way at timestep 599, and this",
    ),
    (
        "StableDiffusionImg2Img",
        {"num_inference_steps": 5, "strength": 1.0},
        "begins part-way at timestep 599, and this",
    ),
    ("StableDiffusionImg2Img", {"num_inference_steps": 50, "strength": 0.6}, "has 4 nodes, 50 steps were asked for"),
    ("StableDiffusionInpaint", {"num_inference_steps": 4, "strength": 1.0}, "but no image was noised to it"),
    (
        "StableDiffusionInpaint",
        {"num_inference_steps": 5, "strength": 0.5},
        "begins part-way at timestep 599, and this",
    ),
]


@pytest.mark.parametrize("name", ["DDIMScheduler", "UniPCMultistepScheduler", "EulerDiscreteScheduler"])
@pytest.mark.parametrize(("pipeline", "arguments", "problem"), WRONG)
def test_other_arguments_are_refused(pipeline, name, arguments, problem):
    tiny = CASES[pipeline]
    pipe = make(tiny, name, {})
    recommend(pipe, 4, constraints=Constraints(start=START))
    with pytest.raises(HostError, match=f"{problem}.*; pass the pipeline what call_arguments"):
        run(tiny, pipe, **arguments)


def test_a_pipeline_without_an_image_is_refused_but_its_scheduler_is_not():
    pipe = make(PIPELINES["StableDiffusion"], "DDIMScheduler", {})
    with pytest.raises(HostError, match="begins with noise alone, and the schedule part-way"):
        recommend(pipe, 4, constraints=Constraints(start=START))
    assert recommend(pipe.scheduler, 4, constraints=Constraints(start=START)).times[0] == pytest.approx(START)


def test_a_text_to_image_pipeline_made_from_an_image_to_image_one_is_refused():
    pipe = make(PIPELINES["StableDiffusionImg2Img"], "UniPCMultistepScheduler", {})
    schedule = recommend(pipe, 4, constraints=Constraints(start=START))
    text = quiet(diffusers.StableDiffusionPipeline.from_pipe(pipe))
    with pytest.raises(HostError, match="begins part-way at timestep 599, but no image was noised to it"):
        recorded(PIPELINES["StableDiffusion"], text, schedule.nfe)


STOCHASTIC = (
    "CogVideoXDPMScheduler",
    "CosineDPMSolverMultistepScheduler",
    "DDPMScheduler",
    "EulerAncestralDiscreteScheduler",
    "SASolverScheduler",
)


@pytest.mark.parametrize("lead", [0, 1])
@pytest.mark.parametrize("name", [name for name in HERE if name not in DISTILLED])
def test_every_scheduler_stays_on_the_path_wherever_the_steps_begin(name, lead):
    scheduler = make_scheduler(name)
    for nfe in (1, 3, 5, 9) if "Heun" in name else (1, 2, 5, 6):
        schedule = recommend(scheduler, nfe, constraints=Constraints(start=START))
        seen = record(scheduler, schedule, lead=lead)
        assert seen.deviation(schedule, told(scheduler, schedule)) < 3.1e-5
        if name not in STOCHASTIC:
            assert seen.departure < 1e-5


@pytest.mark.parametrize("name", DISTILLED)
def test_a_distilled_pipeline_is_refused_unless_the_nodes_are_its_own_levels(name):
    pipe = make(PIPELINES["StableDiffusion"], name, {})
    with pytest.raises(ArgumentError, match="distilled onto fixed noise levels"):
        recommend(pipe, 4)
    noise = hso.NoiseSchedule.from_config(pipe.scheduler)
    wanted = "every 20th training timestep from 19; timestep .* is none of them"
    for made in (
        hso.optimize(noise, 4, solver="ddim").schedule,
        hso.SamplingSchedule.from_timesteps(noise, [999, 760, 499, 259]),
    ):
        with pytest.raises(HostError, match=f"{name}: the model was distilled onto fixed noise levels, {wanted}"):
            attach(pipe, made)
    own = hso.SamplingSchedule.from_timesteps(noise, [999, 759, 499, 259])
    # How a schedule was found changes nothing.
    attach(pipe, dataclasses.replace(own, provenance={"strategy": "exact"}))
