"""mflux's scheduler class, over doubles of mlx and mflux."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import hso
from hso.errors import ArgumentError
from hso.hosts import HOSTS, mflux

FLUX = SimpleNamespace(
    requires_sigma_shift=True,
    sigma_base_shift=0.5,
    sigma_max_shift=1.15,
    sigma_base_seq_len=256,
    sigma_max_seq_len=4096,
    sigma_shift_terminal=None,
)
PLAIN = SimpleNamespace(requires_sigma_shift=False)


def config(steps=8, left_out=0, model=FLUX, width=1024, height=1024, train_steps=1000):
    return SimpleNamespace(
        num_inference_steps=steps,
        init_time_step=left_out,
        model_config=model,
        width=width,
        height=height,
        num_train_steps=train_steps,
    )


@pytest.fixture
def doubles(monkeypatch):
    """NumPy in place of mlx, and the base class that mflux asks for."""
    core: Any = ModuleType("mlx.core")
    core.array = lambda values: np.array(values, dtype=np.float32)
    base: Any = ModuleType("mflux.models.common.schedulers.base_scheduler")
    base.BaseScheduler = type("BaseScheduler", (), {})
    package: Any = ModuleType("mlx")
    package.core = core
    monkeypatch.setitem(sys.modules, "mlx", package)
    monkeypatch.setitem(sys.modules, "mlx.core", core)
    for name in ("mflux", "mflux.models", "mflux.models.common", "mflux.models.common.schedulers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, base.__name__, base)
    mflux.scheduler_class.cache_clear()
    yield base
    mflux.scheduler_class.cache_clear()


@pytest.mark.parametrize("size", [512, 768, 1024])
def test_the_schedule_is_made_for_the_resolution(size):
    preset = hso.NoiseSchedule.preset("flux-dev", image_seq_len=(size // 16) ** 2)
    latent = preset.with_traits(hso.NoiseSchedule.preset("sd1.5").traits)
    expected = hso.optimize(latent, 8, solver="euler").schedule.flow_sigmas
    assert mflux.sigmas_of_config(config(width=size, height=size)) == pytest.approx([*expected, 0.0], rel=1e-9)


def test_a_model_without_shift_has_none():
    sigmas = mflux.sigmas_of_config(config(model=PLAIN))
    expected = hso.optimize(hso.NoiseSchedule.rectified_flow(), 8, solver="euler").schedule.flow_sigmas
    assert sigmas[:-1] == pytest.approx(expected.tolist(), rel=1e-9)


def test_with_an_image_the_steps_that_are_run_are_optimized_for_themselves():
    sigmas = mflux.sigmas_of_config(config(steps=10, left_out=4, model=PLAIN))
    assert len(sigmas) == 11
    assert np.all(np.diff(sigmas) < 0)
    assert sigmas[4] == pytest.approx(0.6)
    alone = hso.optimize(
        hso.NoiseSchedule.rectified_flow(), 6, solver="euler", constraints=hso.Constraints(start=0.6)
    ).schedule.flow_sigmas
    assert sigmas[4:-1] == pytest.approx(alone.tolist(), rel=1e-9)


def test_a_strength_that_leaves_no_step_is_refused():
    with pytest.raises(ArgumentError, match="steps: expected an integer from 1 to 4, got 0"):
        mflux.sigmas_of_config(config(steps=4, left_out=4))


def test_the_class_is_what_mflux_asks_for(doubles):
    kind = mflux.Scheduler
    assert issubclass(kind, doubles.BaseScheduler)
    scheduler = kind(config(steps=5))
    assert scheduler.sigmas.tolist() == pytest.approx(mflux.sigmas_of_config(config(steps=5)), rel=1e-6)
    assert scheduler.timesteps == pytest.approx(1000 * scheduler.sigmas[:-1])


def test_a_model_that_does_not_say_how_many_training_steps_it_had_counts_to_1000(doubles):
    scheduler = mflux.Scheduler(config(train_steps=None))
    assert scheduler.timesteps == pytest.approx(1000 * scheduler.sigmas[:-1])


def test_its_steps_are_eulers(doubles):
    """On a straight path, whose velocity is constant, Euler's method ends at the clean sample."""
    scheduler = mflux.Scheduler(config(steps=5, model=PLAIN))
    clean, noise = np.float32(0.25), np.float32(-1.5)
    x = (1 - scheduler.sigmas[0]) * clean + scheduler.sigmas[0] * noise
    for step in range(5):
        x = scheduler.step(noise=np.float32(noise - clean), timestep=step, latents=np.float32(x))
    assert float(x) == pytest.approx(0.25, abs=1e-6)


def test_other_names_are_no_schedulers():
    with pytest.raises(AttributeError, match="has no attribute 'Schedular'"):
        _ = mflux.Schedular


def test_there_is_nothing_to_paste():
    schedule = hso.optimize(hso.NoiseSchedule.preset("flux-dev"), 5).schedule
    with pytest.raises(ArgumentError, match=r"run it with --scheduler hso\.hosts\.mflux\.Scheduler"):
        HOSTS["mflux"].write(schedule)


# Models with a shift, with a shift and a terminal, and with neither.
@pytest.mark.parametrize("name", ["dev", "qwen-image", "fibo", "z-image"])
def test_mflux_itself_makes_the_scheduler_and_tells_its_networks_the_nodes(name):
    """Runs where mflux and mlx are installed."""
    pytest.importorskip("mflux")
    from mflux.models.common.config.config import Config
    from mflux.models.common.config.model_config import ModelConfig
    from mflux.models.qwen.model.qwen_transformer.qwen_transformer import QwenTransformer

    mflux.scheduler_class.cache_clear()
    model = ModelConfig.from_name(name)
    settings = {"num_inference_steps": 8, "height": 768, "width": 512, "scheduler": "hso.hosts.mflux.Scheduler"}
    for image in ({}, {"image_path": "image.png", "image_strength": 0.4}):
        config = Config(model, **settings, **image)
        sigmas = np.array(config.scheduler.sigmas)
        assert sigmas == pytest.approx(mflux.sigmas_of_config(config), rel=1e-6)
        assert np.array(config.scheduler.timesteps) == pytest.approx(1000 * sigmas[:-1])
        told = [np.array(QwenTransformer._compute_timestep(step, config)).item() for step in config.time_steps]
        assert told == pytest.approx(sigmas[config.init_time_step : -1].tolist())
    mflux.scheduler_class.cache_clear()
