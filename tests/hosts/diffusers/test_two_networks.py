"""A pipeline of two networks asks each of them."""

from __future__ import annotations

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from benchmarks.recording import make_scheduler, told  # noqa: E402
from benchmarks.tiny_pipelines import PIPELINES, WAN_SCHEDULERS, quiet  # noqa: E402

import hso  # noqa: E402
from hso.hosts.diffusers import recommend  # noqa: E402
from hso.search import Boundary, Constraints  # noqa: E402

pytestmark = [
    # diffusers calls NumPy functions on tensors, and its pipelines use deprecated parts of their own.
    pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:diffusers"),
]


def wan_2_2(name, settings, ratio):
    scheduler = make_scheduler(name, **settings)
    parts = PIPELINES["Wan"].build(scheduler)
    made = diffusers.WanPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=parts.vae,
        scheduler=scheduler,
        transformer=parts.transformer,
        transformer_2=copy.deepcopy(parts.transformer),
        boundary_ratio=ratio,
    )
    return quiet(made)


def asked(pipe, steps):
    """Distinct timesteps that each of the two networks was told."""
    seen = ([], [])
    hooks = [
        network.register_forward_pre_hook(
            lambda _module, _args, kw, told=told: told.append(float(kw["timestep"].reshape(-1)[0])), with_kwargs=True
        )
        for network, told in zip((pipe.transformer, pipe.transformer_2), seen, strict=True)
    ]
    pipe(**PIPELINES["Wan"].call(), num_inference_steps=steps, output_type="latent")
    for hook in hooks:
        hook.remove()
    return [list(dict.fromkeys(timesteps)) for timesteps in seen]


@pytest.mark.parametrize("ratio", [0.875, 0.9, 0.417])
@pytest.mark.parametrize(("name", "settings"), WAN_SCHEDULERS)
def test_each_is_asked_at_least_once(name, settings, ratio):
    pipe = wan_2_2(name, settings, ratio)
    for nfe in (2, 4, 7):
        schedule = recommend(pipe, nfe)
        first, second = asked(pipe, nfe)
        assert min(len(first), len(second)) >= 1
        np.testing.assert_allclose(first + second, told(pipe.scheduler, schedule), atol=4e-5, rtol=1e-7)
        assert min(first) >= 1000 * ratio > max(second)


@pytest.mark.parametrize(("name", "settings"), WAN_SCHEDULERS)
@pytest.mark.parametrize(("ratio", "nodes"), [(0.875, 3), (0.98, 3), (0.3, 3)])
def test_nodes_at_the_boundary_itself_are_on_the_side_they_count_for(name, settings, ratio, nodes):
    pipe = wan_2_2(name, settings, ratio)
    noise = hso.NoiseSchedule.from_config(pipe)
    schedule = recommend(pipe, 6, constraints=Constraints(boundary=Boundary(noise.boundary_time, nodes)))
    first, second = asked(pipe, 6)
    assert (len(first), len(second)) == (nodes, 6 - nodes)
    nearest = min(abs(t - 1000 * ratio) for t in (*first, *second))
    assert nearest < 2, schedule


def test_a_folder_says_the_same(tmp_path):
    pipe = wan_2_2(*WAN_SCHEDULERS[1], 0.875)
    pipe.save_pretrained(tmp_path)
    noise = hso.NoiseSchedule.from_config(tmp_path)
    assert noise.traits == hso.NoiseSchedule.from_config(pipe).traits
    assert noise.boundary_time == pytest.approx(0.7, abs=1e-6)
    assert noise.traits.space == "latent"
