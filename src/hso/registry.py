"""Objects by name: a name stands for an object with its default settings, and other settings may follow the name.

``unipc`` is ``UniPC()``, and ``unipc:order=2,corrector=false`` is ``UniPC(order=2, corrector=False)``. This works for
solvers, strategies and objectives, in Python and on the command line.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hso.errors import ArgumentError, check_choice

T = TypeVar("T")


def make(argument: str, given: object, registry: Mapping[str, Callable[..., T]], kind: type[T]) -> T:
    """The object that a name stands for, or the object itself.

    Args:
        argument: Name of the argument, for errors.
        given: An object of this kind, a name in the registry, or a name with settings: ``name:key=value,key=value``.
        registry: For each name, the function or class that makes the object.
        kind: The class that all objects of the registry derive from.

    Raises:
        ArgumentError: If the name or a setting is unknown or unusable, or ``given`` is neither a name nor an object of
            this kind.
    """
    if isinstance(given, kind):
        return given
    if not isinstance(given, str):
        raise ArgumentError(argument, f"a name ({', '.join(registry)}) or an object of class {kind.__name__}", given)
    name, colon, text = given.partition(":")
    maker = registry[check_choice(argument, name, registry)]
    return _called(argument, maker, _parsed(argument, text) if colon else {}, given)


def label(name: str, thing: object, registry: Mapping[str, Callable[[], object]]) -> str:
    """What :func:`make` makes the same object of: its name, and after it the settings that are not the usual ones."""
    usual = settings_of(registry[name]()) if name in registry else {}
    changed = [f"{key}={_word(value)}" for key, value in settings_of(thing).items() if value != usual.get(key)]
    return f"{name}:{','.join(changed)}" if changed else name


def settings_of(thing: object) -> dict[str, Any]:
    """The settings of an object of a registry, in types that JSON can hold.

    A setting that has a method ``provenance`` is replaced by its result. Settings that JSON cannot hold are left out.

    Example:
        >>> from hso.solvers import UniPC
        >>> settings_of(UniPC(order=2))
        {'order': 2, 'variant': 'bh2', 'corrector': True, 'lower_order_final': True}
    """
    if not dataclasses.is_dataclass(thing) or isinstance(thing, type):
        return {}
    found = {}
    for field in dataclasses.fields(thing):
        try:
            found[field.name] = json.loads(json.dumps(_plain(getattr(thing, field.name))))
        except (TypeError, ValueError):
            continue
    return found


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "provenance"):
        return value.provenance()
    return settings_of(value) if dataclasses.is_dataclass(value) else value


def _parsed(argument: str, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals or not key.strip().isidentifier():
            raise ArgumentError(argument, "settings after the name, such as name:key=value,key=value", text)
        if key.strip() in found:
            raise ArgumentError(argument, f"each setting once, found {key.strip()} twice", text)
        found[key.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    """A number or a truth value in the notation of JSON; any other text stays text."""
    try:
        value = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float | bool) else text


def _called(argument: str, maker: Callable[..., T], settings: Mapping[str, Any], given: str) -> T:
    known = _known(maker)
    for key in settings:
        if key not in known:
            expected = f"settings among {', '.join(known)}" if known else "no settings, because it has none"
            raise ArgumentError(argument, expected, given)
    missing = [name for name, required in known.items() if required and name not in settings]
    if missing:
        cause = f"in Python pass an object: {getattr(maker, '__name__', given)}({', '.join(missing)}=...)"
        raise ArgumentError(
            argument, f"one that can be made from its name alone, without {', '.join(missing)}", given, cause
        )
    made = maker(**settings)
    for field in dataclasses.fields(made):  # type: ignore[arg-type]  # as _known says
        if isinstance(field.default, bool) and not isinstance(getattr(made, field.name), bool):
            raise ArgumentError(argument, f"true or false as {field.name}", given)
    return made


def _known(maker: Callable[..., Any]) -> dict[str, bool]:
    """The settings that a maker takes, and whether each is required."""
    # functools.partial keeps the class that it calls in ``func`` and the settings that it fixes in ``keywords``.
    kind, set_already = getattr(maker, "func", maker), getattr(maker, "keywords", {})
    if not dataclasses.is_dataclass(kind):
        return {}
    missing = dataclasses.MISSING
    return {
        field.name: field.default is missing and field.default_factory is missing and field.name not in set_already
        for field in dataclasses.fields(kind)
        if field.init
    }
