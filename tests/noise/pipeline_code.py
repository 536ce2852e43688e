"""The statements of a diffusers pipeline that prepare its timesteps, cut out of its own source and run by themselves.

A pipeline cannot be called without its models. But the few statements of its ``__call__`` that make timesteps need only
its scheduler and the size of the image. They are found from the last call of ``retrieve_timesteps`` or
``set_timesteps`` backwards: every statement before it that sets a name which is needed.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from types import SimpleNamespace
from typing import Any

CALLS = ("retrieve_timesteps", "set_timesteps")


def run_timesteps(pipeline: type, scheduler: Any, steps: int, given: dict[str, Any], parts: dict[str, Any]) -> None:
    """Make the scheduler hold what the pipeline would run.

    Args:
        pipeline: The class.
        scheduler: Its scheduler.
        steps: ``num_inference_steps``.
        given: Names that the statements before need, such as ``latents`` or ``height``.
        parts: Attributes of the pipeline, besides its scheduler.
    """
    function = ast.parse(textwrap.dedent(inspect.getsource(pipeline.__call__))).body[0]
    assert isinstance(function, ast.FunctionDef)
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(pipeline.__call__).parameters.items()
        if parameter.default is not parameter.empty
    }
    names = {**vars(sys.modules[pipeline.__module__]), **defaults, "device": "cpu", "timestep_device": "cpu", **given}
    names |= {"num_inference_steps": steps, "self": stand_in(pipeline, scheduler, parts)}
    body = ast.Module(body=list(needed(function.body, {*given, "device", "timestep_device"})), type_ignores=[])
    exec(compile(body, pipeline.__name__, "exec"), names)


def stand_in(pipeline: type, scheduler: Any, parts: dict[str, Any]) -> Any:
    """An object with the methods of the pipeline, its scheduler and these parts, and nothing else."""
    fake = object.__new__(type("StandIn", (), {}))
    for name, value in {"scheduler": scheduler, "config": SimpleNamespace(), **parts}.items():
        setattr(fake, name, value)
    for name in ("_get_timestep_schedule",):
        if hasattr(pipeline, name):
            setattr(fake, name, getattr(pipeline, name).__get__(fake))
    return fake


def needed(body: list[ast.stmt], known: set[str]) -> list[ast.stmt]:
    """The last statement that makes timesteps, and those before it that it needs, in their order."""
    last = max(index for index, statement in enumerate(body) if makes_timesteps(statement) and not is_loop(statement))
    wanted: set[str] = set()
    found: list[ast.stmt] = []
    for statement in reversed(body[: last + 1]):
        stored = stored_in(statement)
        if statement is body[last] or (stored & wanted and not is_loop(statement)):
            found.append(statement)
            # A conditional statement may leave a name as it was.
            wanted -= set() if isinstance(statement, ast.If) else stored
            wanted |= loaded_in(statement) - known
    return found[::-1]


def makes_timesteps(statement: ast.stmt) -> bool:
    """Whether a statement calls what makes timesteps."""
    calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    return any((func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")) in CALLS for func in calls)


def is_loop(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.For | ast.With)


def stored_in(statement: ast.stmt) -> set[str]:
    """Names that a statement sets."""
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def loaded_in(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
