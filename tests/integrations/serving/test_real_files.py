"""The schedulers of serving programs. Each test runs where a variable names a checkout of the program.

Only the file of the scheduler is loaded. What it imports of its own program is replaced, because that needs a GPU.
"""

import importlib.util
import logging
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import hso
from hso.hosts import HOSTS
from hso.hosts.base import SIGMAS, TIMESTEPS

pytest.importorskip("torch")
MODELS = ["wan2.1", "sd3", "hunyuan-video"]


class Stub(ModuleType):
    """A module that has a class of every name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def load(monkeypatch, variable, file, replaced, **attributes):
    if variable not in os.environ:
        pytest.skip(f"{variable} names no checkout")
    for module in replaced:
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:end]), Stub(".".join(parts[:end])))
        for name, value in attributes.items():
            setattr(sys.modules[module], name, value)
    spec = importlib.util.spec_from_file_location("program", Path(os.environ[variable]) / file)
    program = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "program", program)
    spec.loader.exec_module(program)
    return program


def shift_and_schedule(model):
    noise = hso.NoiseSchedule.preset(model)
    return noise.clock.shift, hso.optimize(noise, 6, solver="euler").schedule


@pytest.mark.parametrize("model", MODELS)
def test_fastvideo_shifts_what_it_is_given_to_the_schedule(monkeypatch, model):
    file = "fastvideo/models/schedulers/scheduling_flow_match_euler_discrete.py"
    stubs = ["fastvideo.models.schedulers.base", "fastvideo.logger"]
    program = load(monkeypatch, "HSO_FASTVIDEO", file, stubs, init_logger=logging.getLogger)
    shift, schedule = shift_and_schedule(model)
    scheduler = program.FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=HOSTS["fastvideo"].values(schedule, SIGMAS))
    assert scheduler.sigmas.numpy() == pytest.approx([*schedule.flow_sigmas, 0.0], abs=2e-7)
    assert scheduler.timesteps.numpy() == pytest.approx(1000 * schedule.flow_sigmas, abs=2e-4)


@pytest.mark.parametrize("model", MODELS)
def test_lightx2v_shifts_whole_timesteps(monkeypatch, model):
    class Base:
        def __init__(self, config):
            self.config = config

    stubs = ["lightx2v.models.schedulers.wan.scheduler", "lightx2v_platform.base.global_var"]
    file = "lightx2v/models/schedulers/wan/step_distill/scheduler.py"
    program = load(monkeypatch, "HSO_LIGHTX2V", file, stubs, WanScheduler=Base, AI_DEVICE="cpu")
    shift, schedule = shift_and_schedule(model)
    told = HOSTS["lightx2v"].values(schedule, TIMESTEPS)
    scheduler = program.WanStepDistillScheduler({"denoising_step_list": told, "sample_shift": shift})
    scheduler.set_denoising_timesteps("cpu")
    u = np.array(told) / 1000
    assert scheduler.sigmas.numpy() == pytest.approx(shift * u / (1 + (shift - 1) * u), abs=2e-7)
    # Before the shift they are rounded to whole timesteps, which is all that the program takes.
    assert np.abs(u - schedule.times).max() <= 0.5e-3 + 1e-9
