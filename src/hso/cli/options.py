"""Parsers for the values of options.

The error of a parser names the expected and the received value, and Typer adds the name of the option.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from hso.errors import ArgumentError, FileError, check_integer
from hso.models.bundled import digits_folder
from hso.noise import NoiseSchedule, presets
from hso.noise.base import MAX_TRAIN_STEPS

T = TypeVar("T", bound=Hashable)

# What commands call the bundled model.
BUNDLED = "digits"


def integer(text: str) -> int:
    """A whole number, such as 5."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"expected an integer, got {text!r}") from None


def real(text: str) -> float:
    """A number, such as 0.03."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number, got {text!r}") from None


def path(text: str) -> Path:
    """The name of a file or a folder."""
    if not text:
        raise typer.BadParameter("expected the name of a file or a folder, got ''")
    return Path(text)


def budgets(text: str) -> tuple[int, ...]:
    """Numbers of network evaluations: a list such as 4,5,8, a range such as 4-20, or both.

    Raises:
        ArgumentError: If the text is neither, or a number is too large or given twice.
    """
    ranges = [_range_of(part) for part in text.split(",")]
    if None in ranges or not any(ranges):
        raise ArgumentError("nfe", "integers between commas, or ranges, such as 4,5,8 or 4-20", text)
    highest = max(each[-1] for each in ranges if each)
    # Before the numbers are listed: a list of two thousand millions does not fit into memory.
    check_integer("nfe", highest, min(highest, 0), MAX_TRAIN_STEPS)
    return each_once("nfe", [number for each in ranges if each for number in each])


def _range_of(text: str) -> range | None:
    """The numbers of 5, or of 4-20; None if the text is neither."""
    first, _, last = text.partition("-")
    try:
        return range(int(first), int(last or first) + 1)
    except ValueError:
        return None


def words(argument: str, text: str) -> tuple[str, ...]:
    """Words between commas.

    Raises:
        ArgumentError: If a word is given twice.
    """
    return each_once(argument, [word.strip() for word in text.split(",")])


def each_once(argument: str, values: Sequence[T]) -> tuple[T, ...]:
    """Return the values, or raise ArgumentError if there is one that comes twice."""
    seen: set[T] = set()
    for value in values:
        if value in seen:
            raise ArgumentError(argument, "each of them once", f"{value} more than once")
        seen.add(value)
    return tuple(values)


def noise_schedule(name: str) -> NoiseSchedule:
    """The noise schedule of a preset, of the bundled model ("digits"), or of a file or a folder.

    Raises:
        ArgumentError: If the text looks like the name of a preset, but there is no such preset. The error suggests the
            nearest one.
        FileError: If the text is a path and there is no such file or folder.
    """
    exists = bool(name) and _exists(name)
    if (exists or os.sep in name or name.endswith(".json")) and name not in presets():
        if not exists:
            raise FileError(name, "there is no such file or folder")
        return NoiseSchedule.from_config(name)
    return NoiseSchedule.from_config(digits_folder()) if name == BUNDLED else NoiseSchedule.preset(name)


def _exists(name: str) -> bool:
    """Whether there is such a file or folder. A text that is too long for a file name is not an error."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
Plot = Annotated[Path | None, typer.Option("--plot", parser=path, metavar="FILE.png", help="Also draw the schedule.")]
