"""The node pack, loaded as ComfyUI loads it, over doubles of the modules that it imports."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch

FOLDER = Path(__file__).parents[3] / "integrations" / "comfyui"


class SchedulerHandler(NamedTuple):
    handler: Any
    use_ms: bool = True


def uniform(model_sampling, steps):
    """A scheduler of the host's own: equal steps through the table, then 0."""
    places = torch.linspace(len(model_sampling.sigmas) - 1, 0, steps + 1)[:-1].long()
    return torch.cat([model_sampling.sigmas[places], torch.zeros(1)])


def samplers_double() -> ModuleType:
    """What the pack needs of ``comfy.samplers``: the lists, and a KSampler that asks for more nodes and cuts."""
    module: Any = ModuleType("comfy.samplers")

    class KSampler:
        DROPS_ONE = ("dpm_2", "uni_pc")

        def __init__(self, model, steps, sampler, scheduler, denoise=None):
            self.model, self.device, self.sampler, self.scheduler = model, "cpu", sampler, scheduler
            self.set_steps(steps, denoise)

        def set_steps(self, steps, denoise=None):
            if denoise == 0:
                self.sigmas = torch.zeros(0)
                return
            asked = int(steps / (denoise or 1)) + (self.sampler in self.DROPS_ONE)
            handler = module.SCHEDULER_HANDLERS[self.scheduler].handler
            sigmas = handler(self.model.get_model_object("model_sampling"), asked)
            if self.sampler in self.DROPS_ONE:
                sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
            self.sigmas = sigmas[-(steps + 1) :]

    module.SchedulerHandler, module.KSampler = SchedulerHandler, KSampler
    module.SCHEDULER_HANDLERS = {"uniform": SchedulerHandler(uniform)}
    module.SCHEDULER_NAMES = ["uniform"]
    module.SAMPLER_NAMES = ["euler", "heun", "dpm_2", "dpmpp_2m", "res_multistep", "uni_pc", "ddim"]
    module.sampler_object = lambda name: SimpleNamespace(name=name)
    return module


class Output:
    """A node's outputs."""

    def __init__(self, *args, ui=None):
        self.args, self.ui = args, ui


def _kind(name):
    def make(*positional, **settings):
        return SimpleNamespace(kind=name, id=positional[0] if positional else None, **settings)

    return SimpleNamespace(Input=make, Output=make)


def api_double() -> ModuleType:
    """What the pack needs of ``comfy_api.latest``: schemas that keep what they are given."""
    module: Any = ModuleType("comfy_api.latest")
    kinds = {name: _kind(name) for name in ("Model", "Int", "Float", "Combo", "Sigmas", "Sampler", "Image")}
    schema = lambda **settings: SimpleNamespace(**{"is_output_node": False, **settings})  # noqa: E731
    module.io = SimpleNamespace(ComfyNode=object, Schema=schema, NodeOutput=Output, **kinds)
    module.ui = SimpleNamespace(PreviewImage=lambda image, cls: SimpleNamespace(image=image))
    module.ComfyExtension = type("ComfyExtension", (), {})
    return module


def folders_double(root: Path) -> ModuleType:
    """What the pack needs of ``folder_paths``."""
    module: Any = ModuleType("folder_paths")
    known: dict[str, Path] = {}

    def full(name, file):
        found = known[name] / file
        if not found.is_file():
            raise FileNotFoundError(file)
        return str(found)

    module.models_dir = str(root)
    module.add_model_folder_path = lambda name, path: known.__setitem__(name, Path(path))
    module.get_filename_list = lambda name: sorted(path.name for path in known[name].glob("*"))
    module.get_full_path_or_raise = full
    return module


@pytest.fixture
def host(monkeypatch, tmp_path):
    """The doubles in place of ComfyUI's modules, and the folder of its models."""
    samplers, models = samplers_double(), tmp_path / "models"
    (models / "hso").mkdir(parents=True)
    comfy: Any = ModuleType("comfy")
    comfy.samplers = samplers
    modules = {
        "comfy": comfy,
        "comfy.samplers": samplers,
        "comfy_api": ModuleType("comfy_api"),
        "comfy_api.latest": api_double(),
        "folder_paths": folders_double(models),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return SimpleNamespace(samplers=samplers, models=models)


@pytest.fixture
def pack(host, monkeypatch):
    """The loaded pack."""
    name = "custom_nodes_hso_schedules"
    spec = importlib.util.spec_from_file_location(
        name, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    before = set(sys.modules)
    spec.loader.exec_module(module)
    yield module
    for added in set(sys.modules) - before:
        if added.startswith(name):
            del sys.modules[added]


@pytest.fixture
def nodes(pack):
    """The nodes of the pack by their id, after it was loaded."""

    async def load():
        extension = await pack.comfy_entrypoint()
        await extension.on_load()
        return await extension.get_node_list()

    return {node.define_schema().node_id: node for node in asyncio.run(load())}


class Model:
    """A MODEL: what carries a sampling object."""

    def __init__(self, model_sampling):
        self._objects = {"model_sampling": model_sampling}

    def get_model_object(self, name):
        return self._objects[name]


@pytest.fixture
def model_of():
    """Makes a MODEL of a sampling object."""
    return Model
