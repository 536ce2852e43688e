"""The public call of real pipelines, with tiny random weights, keeps the schedule."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from benchmarks.recording import made_for, made_for_pipeline, told  # noqa: E402
from benchmarks.tiny_others import OTHERS  # noqa: E402
from benchmarks.tiny_pipelines import PIPELINES, make, quiet, recorded  # noqa: E402

from hso.errors import HostError  # noqa: E402
from hso.hosts.diffusers import attach, call_arguments  # noqa: E402

pytestmark = [
    # diffusers calls NumPy functions on tensors, and its pipelines use deprecated parts of their own.
    pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers"),
]
ALL = {**PIPELINES, **OTHERS}
CASES = [(pipeline, *scheduler) for pipeline, tiny in ALL.items() for scheduler in tiny.schedulers]


@pytest.mark.parametrize(("pipeline", "name", "settings"), CASES)
def test_the_call_asks_the_network_at_the_nodes(pipeline, name, settings):
    tiny = ALL[pipeline]
    pipe = make(tiny, name, settings)
    for nfe in (2, 5):
        schedule = made_for_pipeline(pipe, nfe)
        attach(pipe, schedule)
        seen, sample = recorded(tiny.calling(**call_arguments(pipe, schedule)), pipe, nfe)
        np.testing.assert_allclose(list(dict.fromkeys(seen)), told(pipe.scheduler, schedule), atol=4e-5, rtol=1e-7)
        assert torch.as_tensor(sample).isfinite().all()


def test_a_call_with_other_steps_says_what_to_pass():
    tiny = PIPELINES["StableDiffusion"]
    pipe = make(tiny, "DDIMScheduler", {})
    attach(pipe, made_for(pipe.scheduler, 4))
    with pytest.raises(HostError, match="pass num_inference_steps=4"):
        recorded(tiny, pipe, 50)


IMAGE_TO_IMAGE = [(pipeline, *tiny.schedulers[0]) for pipeline, tiny in ALL.items() if "Img2Img" in pipeline]


@pytest.mark.parametrize("strength", [0.2, 0.6, 0.8])
@pytest.mark.parametrize(("pipeline", "name", "settings"), IMAGE_TO_IMAGE)
def test_a_strength_that_would_leave_nodes_out_is_refused(pipeline, name, settings, strength):
    tiny = ALL[pipeline]
    pipe = make(tiny, name, settings)
    schedule = made_for(pipe.scheduler, 5)
    attach(pipe, schedule)
    remedy = r"constraints=hso\.Constraints\(start=strength\).*call_arguments\(pipeline, schedule\)"
    with pytest.raises(HostError, match=rf"the attached schedule begins at timestep .*, and this run at .*{remedy}"):
        recorded(tiny.calling(strength=strength), pipe, 5)
    assert call_arguments(pipe, schedule) == {"num_inference_steps": 5, "strength": 1.0}


@pytest.mark.parametrize("name", ["DDIMScheduler", "UniPCMultistepScheduler", "EulerDiscreteScheduler"])
def test_a_pipeline_made_from_an_attached_one_runs_all_nodes_or_none(name):
    text, image = PIPELINES["StableDiffusion"], PIPELINES["StableDiffusionImg2Img"]
    pipe = make(text, name, {})
    schedule = made_for(pipe.scheduler, 5)
    attach(pipe, schedule)
    other = quiet(diffusers.StableDiffusionImg2ImgPipeline.from_pipe(pipe))
    with pytest.raises(HostError, match="the attached schedule begins at timestep"):
        recorded(image.calling(strength=0.6), other, 5)
    seen, _ = recorded(image.calling(strength=1.0), other, 5)
    np.testing.assert_allclose(seen, told(pipe.scheduler, schedule), atol=4e-5)
    seen, _ = recorded(text, pipe, 5)
    np.testing.assert_allclose(seen, told(pipe.scheduler, schedule), atol=4e-5)


COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda pipe: pickle.loads(pickle.dumps(pipe))}
KEPT = [
    ("StableDiffusion", "UniPCMultistepScheduler", {"final_sigmas_type": "sigma_min"}),
    ("CogVideoX", *OTHERS["CogVideoX"].schedulers[1]),
]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize(("pipeline", "name", "settings"), KEPT)
def test_a_copy_or_a_pickle_of_an_attached_pipeline_keeps_the_schedule(pipeline, name, settings, copied):
    tiny = ALL[pipeline]
    pipe = make(tiny, name, settings)
    schedule = made_for(pipe.scheduler, 4)
    attach(pipe, schedule)
    twin = COPIES[copied](pipe)
    seen, _ = recorded(tiny.calling(**call_arguments(twin, schedule)), twin, 4)
    np.testing.assert_allclose(list(dict.fromkeys(seen)), told(pipe.scheduler, schedule), atol=4e-5)


@pytest.mark.parametrize(("pipeline", "name", "settings"), KEPT)
def test_the_scheduler_of_a_saved_pipeline_is_the_plain_one_and_says_so(pipeline, name, settings, tmp_path):
    pipe = make(ALL[pipeline], name, settings)
    before = pipe.scheduler.config
    attach(pipe, made_for(pipe.scheduler, 4))
    changed = dict(pipe.scheduler.config)
    with pytest.warns(UserWarning, match="saved without the attached schedule; save that with schedule"):
        pipe.scheduler.save_pretrained(tmp_path)
    assert dict(pipe.scheduler.config) == changed
    loaded = getattr(diffusers, name).from_pretrained(tmp_path)
    assert type(loaded) is getattr(diffusers, name)
    assert {key: loaded.config[key] for key in before if not key.startswith("_")} == {
        key: value for key, value in before.items() if not key.startswith("_")
    }
    schedule = made_for(loaded, 5)
    attach(loaded, schedule)
    assert len(loaded.timesteps) == 5


def test_a_whole_pipeline_is_saved_and_loaded_with_its_plain_scheduler(tmp_path):
    tiny = ALL["DiT"]
    pipe = make(tiny, "DPMSolverMultistepScheduler", {})
    attach(pipe, made_for(pipe.scheduler, 4))
    with pytest.warns(UserWarning, match="saved without the attached schedule"):
        pipe.save_pretrained(tmp_path)
    loaded = quiet(diffusers.DiTPipeline.from_pretrained(tmp_path))
    assert type(loaded.scheduler) is diffusers.DPMSolverMultistepScheduler
    assert type(pipe.scheduler) is not type(loaded.scheduler)
    schedule = made_for(loaded.scheduler, 5)
    attach(loaded, schedule)
    seen, _ = recorded(tiny, loaded, 5)
    np.testing.assert_allclose(list(dict.fromkeys(seen)), told(loaded.scheduler, schedule), atol=4e-5)
