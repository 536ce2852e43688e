"""HSO for ComfyUI: the sigmas that are best for a model, a sampler and a number of steps.

ComfyUI imports this folder and calls :func:`comfy_entrypoint`. The library ``hso`` is imported when a node first runs.
"""

from .nodes import HSOExtension


async def comfy_entrypoint() -> HSOExtension:
    """What ComfyUI asks a node pack for."""
    return HSOExtension()


__all__ = ["comfy_entrypoint"]
