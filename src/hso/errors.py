"""All errors of this library, in one tree.

Wrong use raises an error that names the argument, the expected value and the received value. A numerical problem raises
no error: the result reports it (``Result.feasible``, ``Result.message``).

    HSOError
    ├── ArgumentError      an argument is unusable (also a ValueError)
    ├── FileError          a file is missing, malformed or cannot be written (also an OSError)
    ├── MissingExtraError  an optional dependency is not installed (also an ImportError)
    └── HostError          the program that samples cannot take the schedule (also a RuntimeError)
"""

from __future__ import annotations

import difflib
import math
import operator
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# A description of a problem in a file has at most so many letters.
LONGEST = 500


class HSOError(Exception):
    """Base of every error that this library raises on purpose. Its text is one line."""


class ArgumentError(HSOError, ValueError):
    """An argument is unusable.

    Args:
        argument: Name of the argument, as the caller wrote it.
        expected: A description of the accepted values.
        received: The given value; a long one is shortened.
        cause: The likely reason or the remedy, if known.
    """

    def __init__(self, argument: str, expected: str, received: object, cause: str = "") -> None:
        self.argument = argument
        text = f"{argument}: expected {expected}, got {brief(received)}"
        super().__init__(f"{text} ({cause})" if cause else text)


class FileError(HSOError, OSError):
    """A file is missing, malformed or cannot be written.

    Args:
        path: The file.
        problem: What is wrong with it, and in which field, if there is one.
    """

    def __init__(self, path: str | Path, problem: str) -> None:
        self.path = Path(path)
        # A parser may repeat what it found, of any length.
        shown = problem if len(problem) <= LONGEST else problem[:LONGEST] + " ..."
        super().__init__(f"{path}: {shown}")


class MissingExtraError(HSOError, ImportError):
    """An optional dependency is not installed.

    Args:
        package: The import that failed.
        extra: The extra of this package that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'hso[{extra}]'")


class HostError(HSOError, RuntimeError):
    """The program that samples cannot take the schedule, or does not keep the values that it was given.

    Args:
        host: The part of the host program, usually a scheduler's class name.
        problem: What is wrong, and the remedy if there is one.
    """

    def __init__(self, host: str, problem: str) -> None:
        self.host = host
        super().__init__(f"{host}: {problem}")


def check_integer(argument: str, value: Any, low: int, high: int, cause: str = "") -> int:
    """Return ``value`` as an int in [low, high], or raise ArgumentError. Floats and booleans are refused."""
    expected = f"an integer from {low} to {high}"
    if isinstance(value, bool):
        raise ArgumentError(argument, expected, value, cause)
    try:
        number = operator.index(value)
    except TypeError:
        raise ArgumentError(argument, expected, value, cause) from None
    if not low <= number <= high:
        raise ArgumentError(argument, expected, value, cause)
    return number


def check_real(argument: str, value: Any, low: float, high: float = math.inf, cause: str = "") -> float:
    """Return ``value`` as a finite float in [low, high], or raise ArgumentError."""
    expected = f"a number in [{low:g}, {high:g}]" if high < math.inf else f"a number of at least {low:g}"
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        raise ArgumentError(argument, expected, value, cause) from None
    if not (math.isfinite(number) and low <= number <= high):
        raise ArgumentError(argument, expected, value, cause)
    return number


def check_flag(argument: str, value: Any) -> bool:
    """Return ``value`` if it is true or false, or raise ArgumentError."""
    if not isinstance(value, bool):
        raise ArgumentError(argument, "true or false", value)
    return value


def check_choice(argument: str, value: Any, choices: Iterable[str], besides: str = "") -> str:
    """Return ``value`` if it is one of ``choices``, or raise an ArgumentError that suggests the nearest choice.

    ``besides`` says what else the caller takes.
    """
    known = sorted(choices)
    if isinstance(value, str) and value in known:
        return value
    near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
    cause = f"did you mean {near[0]!r}?" if near else ""
    raise ArgumentError(argument, f"one of {', '.join(known)}{besides}", value, cause)


def printable(text: str) -> str:
    """The text with an escape in place of every character that is not printed, such as ``\\x1b``.

    Names in files may contain characters that move the cursor, change colours, turn the direction of writing, or are half
    of a pair. They must not reach a terminal.

    Example:
        >>> printable("a\\x1b[31mb")
        'a\\\\x1b[31mb'
    """
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def brief(value: object) -> str:
    """A value in one short line, as Python writes it."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 80
    return " ".join(shortener.repr(value).split())
