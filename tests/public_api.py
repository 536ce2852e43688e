"""The public interface as text: every name of the modules that docs/api lists, with its signature.

``python -m tests.public_api`` writes tests/public_api.txt anew, when a change is meant.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
STORED = Path(__file__).with_suffix(".txt")


def modules() -> dict[str, str]:
    """The public modules, and "stable" or "experimental"."""
    table = (ROOT / "docs" / "api" / "index.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| \[(hso[\w.]*)\]\(\1\.md\) \| (\w+) \|", table, re.MULTILINE))


def names(module: ModuleType) -> list[str]:
    """The public names of a module."""
    own = (name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__)
    return sorted(getattr(module, "__all__", (name for name in own if not name.startswith("_"))))


def is_class(value: Any) -> bool:
    """Whether it is a class; ``inspect.isclass`` takes Callable[[int], int] for one in some versions of Python."""
    return issubclass(type(value), type)


def signature(value: Any) -> str:
    """Names, kinds and defaults of the arguments. Types may become wider without breaking anybody."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in found.parameters.values()]
    return str(inspect.Signature(bare))


def members(cls: type) -> Iterator[str]:
    """The public methods, properties and fields of a class of this library."""
    found: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        if each.__module__.startswith("hso"):
            found.update(vars(each))
            found.update(dict.fromkeys(inspect.get_annotations(each), None))
    for name in sorted(name for name in found if not name.startswith("_")):
        value = inspect.getattr_static(cls, name, None)
        function = getattr(value, "__func__", value)
        yield name + (signature(function) if inspect.isfunction(function) else "")


def described() -> str:
    """The whole interface, a name a line."""
    lines = []
    for name, status in modules().items():
        module = importlib.import_module(name)
        lines.append(f"{name} ({status})")
        for public in names(module):
            value = getattr(module, public)
            lines.append(f"    {public}{signature(value) if is_class(value) or inspect.isroutine(value) else ''}")
            if is_class(value):
                lines += [f"        .{member}" for member in members(value)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    STORED.write_text(described(), encoding="utf-8")
    print(f"wrote {STORED}")
