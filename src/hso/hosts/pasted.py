"""Numbers in pasted text, and the schedules that they stand for.

Numbers are read from the first pair of brackets; a text without brackets must hold nothing but numbers. So every host
reads what it wrote, and what people strip from it, and a word among the numbers is an error rather than left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hso.errors import ArgumentError, FileError
from hso.files import read_text
from hso.noise import NoiseSchedule
from hso.noise.levels import lambda_of_flow_sigma, lambda_of_sigma
from hso.noise.path import STRAIGHT
from hso.schedule import CLEAN, T_MIN, SamplingSchedule

NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|nan|inf|infinity)", re.IGNORECASE)
# Without an opening bracket inside, so that a text of many of them is searched once and not once for each.
BRACKETS = re.compile(r"\[([^\[\]]*)\]")
SEPARATORS = re.compile(r"[\s,;]+")
# A suffix such as .json, or a folder.
LIKE_A_PATH = re.compile(r"\.[A-Za-z]\w*$|[/\\]")
# A value that was rounded may lie beyond the end of the noise schedule by this share; it is taken for the end.
ROUNDED = 0.01


def numbers(text: str) -> list[float]:
    """The numbers between the first brackets of a text; of the whole text if it has no brackets.

    Raises:
        ArgumentError: If there are no numbers, or there is anything else among them.

    Example:
        >>> numbers("sigmas = torch.tensor([14.6, 1e0, 0.0]).cuda()"), numbers("999 499")
        ([14.6, 1.0, 0.0], [999.0, 499.0])
    """
    inside = BRACKETS.search(text)
    words = [word for word in SEPARATORS.split(inside[1] if inside else text) if word]
    if not words or not all(NUMBER.fullmatch(word) for word in words):
        raise ArgumentError("values", "numbers between commas, such as 999,749,499,249", text)
    return [float(word) for word in words]


def is_file(text: str) -> bool:
    """Whether this is the name of a file. A text too long or too odd for a name is not."""
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def looks_like_path(text: str) -> bool:
    """Whether a text that is no file's name was probably meant to be one."""
    return "[" not in text and "\n" not in text and bool(LIKE_A_PATH.search(text))


def read_values(source: str) -> str:
    """The text of a file, or the source itself if it is not the name of a file.

    Raises:
        FileError: If the source looks like the name of a file, and there is no such file.
        ArgumentError: If the file does not hold text.
    """
    if not is_file(source):
        if looks_like_path(source):
            raise FileError(source, "there is no such file")
        return source
    try:
        return read_text(Path(source))
    except (OSError, ValueError):
        raise ArgumentError("values", "a text file or numbers", source) from None


def from_levels(values: Sequence[float], noise: NoiseSchedule) -> SamplingSchedule:
    """The schedule with these N + 1 sigmas: flow sigmas for a flow model, sigma~ for another. A last value of 0 is clean.

    Values up to 1 % beyond the ends of the noise schedule, such as 14.615 for 14.6146, are taken for the ends.

    Raises:
        ArgumentError: If there are fewer than two values, or they are negative, ascending or not of this noise schedule.
    """
    if len(values) < 2:
        raise ArgumentError("sigmas", "at least two values, the last being the terminal's (0 if clean)", list(values))
    clean = values[-1] == 0
    knots = np.array(values[:-1] if clean else values)
    if not np.all(np.isfinite(knots) & (knots > 0)):
        raise ArgumentError("sigmas", "positive values, and 0 only at the end", list(values))
    low, high = sigma_range(noise)
    if not np.all((knots > low * (1 - ROUNDED)) & (knots < high * (1 + ROUNDED))) or (knots.max() > 1 >= high):
        expected = f"values in [{low:.4g}, {high:.4g}], the range of {noise.name}"
        raise ArgumentError("sigmas", expected, list(values), "another model's, or another kind of sigma?")
    first, last = (float(lambda_) for lambda_ in noise.lambda_(noise.t_range)[::-1])
    lambdas = (lambda_of_flow_sigma if is_flow(noise) else lambda_of_sigma)(knots)
    return SamplingSchedule.from_knots(noise, np.clip(lambdas, first, last), CLEAN if clean else T_MIN)


def sigma_range(noise: NoiseSchedule) -> tuple[float, float]:
    """Smallest and largest sigma of a noise schedule, as hosts of its models mean it."""
    low, high = (noise.sigma_t if is_flow(noise) else noise.sigmas)(noise.t_range).tolist()
    return low, high


def is_flow(model: NoiseSchedule | SamplingSchedule) -> bool:
    """Whether this is for a flow model, so that hosts mean the flow sigma when they say "sigma"."""
    return model.path == STRAIGHT
