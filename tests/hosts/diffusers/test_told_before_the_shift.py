"""CogView4 and GLM-Image tell the network the time before the shift, while the sample is at the shifted sigma."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from benchmarks.recording import made_for, make_scheduler  # noqa: E402
from benchmarks.tiny_pipelines import FLOW_EULER, Tiny, clip_call, cogview4, glm_image, recorded, size  # noqa: E402

from hso import NoiseSchedule, optimize  # noqa: E402
from hso.errors import HostError  # noqa: E402
from hso.hosts.diffusers import attach  # noqa: E402

DYNAMIC = {"use_dynamic_shifting": True, "base_shift": 0.25, "max_shift": 0.75}
# Both compute mu like this for the 16 tokens of the smallest image.
MU = 0.75 * (16 / 256) ** 0.5 + 0.25
SHIFTS = {
    "exponential": ({**DYNAMIC, "time_shift_type": "exponential"}, np.exp(MU)),
    "linear": ({**DYNAMIC, "time_shift_type": "linear"}, MU),
    "static": ({"shift": 3.0}, 3.0),
}


def sigmas_of(schedule):
    return schedule.sigmas / (1 + schedule.sigmas)


def told_to(pipe, nfe, **extra):
    tiny = Tiny(lambda _: pipe, lambda: clip_call(**size(), **extra), ())
    seen, sample = recorded(tiny, pipe, nfe)
    assert torch.isfinite(torch.as_tensor(sample)).all()
    return np.array(list(dict.fromkeys(seen)))


@pytest.mark.parametrize("kind", SHIFTS)
@pytest.mark.parametrize("nfe", [2, 5])
def test_cogview4_is_told_what_its_own_shift_maps_to_the_sigma(kind, nfe):
    settings, shift = SHIFTS[kind]
    pipe = cogview4(make_scheduler(FLOW_EULER, **settings))
    schedule = made_for(pipe.scheduler, nfe)
    attach(pipe, schedule)
    u = told_to(pipe, nfe) / 1000
    np.testing.assert_allclose(shift * u / (1 + (shift - 1) * u), sigmas_of(schedule), rtol=2e-6)
    np.testing.assert_allclose(pipe.scheduler.sigmas[:-1], sigmas_of(schedule), rtol=1e-6)


def test_it_is_what_the_pipeline_does_by_itself():
    settings, shift = SHIFTS["linear"]
    pipe = cogview4(make_scheduler(FLOW_EULER, **settings))
    u = told_to(pipe, 5) / 1000
    np.testing.assert_allclose(shift * u / (1 + (shift - 1) * u), pipe.scheduler.sigmas[:-1], rtol=2e-6)


def test_a_schedule_for_the_pipeline_says_what_its_network_is_told():
    settings, _ = SHIFTS["linear"]
    pipe = cogview4(make_scheduler(FLOW_EULER, **settings))
    noise = NoiseSchedule.from_config(pipe, image_seq_len=16)
    schedule = optimize(noise, 5, solver="euler").schedule
    attach(pipe, schedule)
    np.testing.assert_allclose(told_to(pipe, 5), schedule.network_timesteps, rtol=2e-6)
    np.testing.assert_allclose(schedule.network_timesteps, 1000 * schedule.times)


@pytest.mark.skipif(not hasattr(diffusers, "GlmImagePipeline"), reason="newer than this diffusers")
def test_glm_image_subtracts_one():
    settings, shift = SHIFTS["linear"]
    pipe = glm_image(make_scheduler(FLOW_EULER, **settings))
    schedule = made_for(pipe.scheduler, 4)
    attach(pipe, schedule)
    u = (told_to(pipe, 4, prior_token_ids=torch.zeros(1, 16, dtype=torch.long)) + 1) / 1000
    np.testing.assert_allclose(shift * u / (1 + (shift - 1) * u), sigmas_of(schedule), rtol=2e-6)


def test_without_a_shift_the_two_are_one():
    scheduler = make_scheduler(FLOW_EULER, shift=1.0)
    schedule = made_for(scheduler, 4)
    attach(scheduler, schedule)
    scheduler.set_timesteps(timesteps=[1000.0, 700.0, 400.0, 100.0], sigmas=[1.0, 0.7, 0.4, 0.1])
    np.testing.assert_allclose(scheduler.timesteps, 1000 * sigmas_of(schedule), rtol=1e-6)


@pytest.mark.parametrize(
    "settings", [{"shift": 3.0}, {"shift": 3.0, "shift_terminal": 0.1}, {"shift": 3.0, "use_karras_sigmas": True}]
)
def test_timesteps_related_to_the_sigmas_in_another_way_are_refused(settings):
    scheduler = make_scheduler(FLOW_EULER, **settings)
    attach(scheduler, made_for(scheduler, 4))
    with pytest.raises(HostError, match="neither sigma nor its time before the shift"):
        scheduler.set_timesteps(timesteps=[990.0, 720.0, 450.0, 130.0], sigmas=[1.0, 0.7, 0.4, 0.1])
