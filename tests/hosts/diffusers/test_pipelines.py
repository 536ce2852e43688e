"""The public call of real pipelines, with tiny random weights, keeps the schedule."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from benchmarks.recording import made_for, told  # noqa: E402
from benchmarks.tiny_pipelines import PIPELINES, make, recorded  # noqa: E402

from hso.errors import HostError  # noqa: E402
from hso.hosts.diffusers import attach  # noqa: E402

pytestmark = [
    # diffusers calls NumPy functions on tensors, and its pipelines use deprecated parts of their own.
    pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers"),
]
CASES = [(pipeline, *scheduler) for pipeline, tiny in PIPELINES.items() for scheduler in tiny.schedulers]


@pytest.mark.parametrize(("pipeline", "name", "settings"), CASES)
def test_the_call_asks_the_network_at_the_nodes(pipeline, name, settings):
    tiny = PIPELINES[pipeline]
    pipe = make(tiny, name, settings)
    for nfe in (2, 5):
        schedule = made_for(pipe.scheduler, nfe, name != "DEISMultistepScheduler")
        attach(pipe, schedule)
        seen, sample = recorded(tiny, pipe, nfe)
        distinct = list(dict.fromkeys(seen))
        # The pipelines of flow models round the part that is left up, the others down.
        left = math.ceil(nfe * 0.6) if "Flow" in name else int(nfe * 0.6)
        start = nfe - left if "Img2Img" in pipeline else 0
        np.testing.assert_allclose(distinct, told(pipe.scheduler, schedule)[start:], atol=4e-5, rtol=1e-7)
        assert torch.as_tensor(sample).isfinite().all()


def test_a_call_with_other_steps_says_what_to_pass():
    tiny = PIPELINES["StableDiffusion"]
    pipe = make(tiny, "DDIMScheduler", {})
    attach(pipe, made_for(pipe.scheduler, 4))
    with pytest.raises(HostError, match="pass num_inference_steps=4"):
        recorded(tiny, pipe, 50)


@pytest.mark.parametrize(("strength", "left"), [(0.2, 1), (0.5, 2), (1.0, 5)])
def test_strength_keeps_the_last_nodes(strength, left):
    tiny = PIPELINES["StableDiffusionImg2Img"]
    pipe = make(tiny, "UniPCMultistepScheduler", {})
    schedule = made_for(pipe.scheduler, 5)
    attach(pipe, schedule)
    call = {**tiny.call(), "strength": strength}
    seen, _ = recorded(type(tiny)(tiny.build, lambda: call, tiny.schedulers), pipe, 5)
    np.testing.assert_allclose(seen, told(pipe.scheduler, schedule)[-left:], atol=4e-5)
