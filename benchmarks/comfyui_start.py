"""How long the node pack takes to load, and its first schedule, in the Python that runs ComfyUI.

    HSO_COMFYUI=FOLDER python -m benchmarks.comfyui_start

ComfyUI's own modules are loaded before the clock runs. The first schedule imports the library.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from benchmarks.comfyui_server import PACK

NAME, STEPS, DENOISE = "hso_schedules", 8, 0.6


def load_comfyui(installation: Path) -> Any:
    """ComfyUI's modules that the pack needs, and the sampling object of Stable Diffusion."""
    sys.path.insert(0, str(installation))
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.model_sampling
    import comfy.samplers
    import comfy_api.latest  # noqa: F401
    import folder_paths  # noqa: F401

    kind = type("ModelSampling", (comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.EPS), {})
    return kind()


def load_pack() -> ModuleType:
    """Load the pack as ComfyUI does."""
    file = PACK / "__init__.py"
    spec = importlib.util.spec_from_file_location(NAME, file, submodule_search_locations=[str(PACK)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    asyncio.run(_load_nodes(module))
    return module


async def _load_nodes(module: Any) -> None:
    extension = await module.comfy_entrypoint()
    await extension.on_load()
    for node in await extension.get_node_list():
        node.GET_SCHEMA()


def milliseconds(work: Callable[[], Any]) -> float:
    """How long a piece of work takes."""
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def main() -> None:
    """Print three numbers."""
    model_sampling = load_comfyui(Path(os.environ["HSO_COMFYUI"]))
    print(f"load the pack: {milliseconds(load_pack):.0f} ms")
    handler = sys.modules["comfy.samplers"].SCHEDULER_HANDLERS["hso"].handler
    for which in ("first", "second"):
        taken = milliseconds(lambda: handler(model_sampling, STEPS, denoise=DENOISE))
        print(f"the {which} schedule: {taken:.0f} ms")
    assert isinstance(handler(model_sampling, STEPS), torch.Tensor)


if __name__ == "__main__":
    main()
