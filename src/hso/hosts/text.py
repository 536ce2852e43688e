r"""Schedules as the text that people paste into other programs, and back.

| format | what it holds | where it goes |
|---|---|---|
| diffusers-timesteps | N training indices, rounded | ``timesteps=`` of a pipeline call; ends clean |
| diffusers-sigmas | N + 1 values of sigma~, the terminal last (0 if clean) | ``sigmas=`` of EulerDiscreteScheduler |
| k-diffusion | the same as a tensor | the ``sigmas`` of its samplers |
| comfyui | the same between commas | a manual-sigmas node |
| a1111 | the same inside a scheduler function | an extension's ``Scheduler`` entry |
| python | t of the nodes, all digits | a script that uses this library |

Reading takes the numbers between the first brackets, or all numbers where there are none, so each format reads what it
wrote, and what people strip from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hso.errors import ArgumentError, check_choice
from hso.noise import NoiseSchedule
from hso.noise.levels import sigma_of_lambda
from hso.schedule import CLEAN, T_MIN, SamplingSchedule

NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\bnan\b|\binf\b)")
TERMINAL_TIME = re.compile(r"terminal_time\s*=\s*([-+.\deE]+)")


@dataclass(frozen=True)
class Format:
    """A way to write a schedule.

    Attributes:
        write: From a schedule to the text to paste.
        read: From the text and the noise schedule to the schedule.
    """

    write: Callable[[SamplingSchedule], str]
    read: Callable[[str, NoiseSchedule], SamplingSchedule]


def to_text(schedule: SamplingSchedule, target: str) -> str:
    """The text to paste into another program.

    Args:
        schedule: The schedule.
        target: One of ``FORMATS``.

    Raises:
        ArgumentError: If the format is unknown, or cannot say what the schedule is.

    Example:
        >>> noise = NoiseSchedule.preset("sd2.1")
        >>> print(to_text(SamplingSchedule.from_timesteps(noise, [999, 499]), "diffusers-timesteps"))
        timesteps=[999, 499]
    """
    return FORMATS[check_choice("to", target, FORMATS)].write(schedule)


def from_text(text: str, source: str, noise: NoiseSchedule) -> SamplingSchedule:
    """The schedule that a text in one of ``FORMATS`` stands for.

    Raises:
        ArgumentError: If there are no numbers in the text, or they are no schedule for this noise schedule.

    Example:
        >>> from_text("999, 499", "diffusers-timesteps", NoiseSchedule.preset("sd2.1"))
        SamplingSchedule(nfe=2, timesteps=[999, 499], terminal=clean)
    """
    return FORMATS[check_choice("from", source, FORMATS)].read(text, noise)


def numbers(text: str) -> list[float]:
    """The numbers between the first brackets of a text, or all of them where it has no brackets.

    Raises:
        ArgumentError: If there are none.
    """
    inside = re.search(r"\[([^\]]*)\]", text)
    found = [float(match) for match in NUMBER.findall(inside[1] if inside else text)]
    if not found:
        raise ArgumentError("values", "numbers between commas, such as 999,749,499,249", text)
    return found


def levels(schedule: SamplingSchedule) -> list[float]:
    """sigma~ of the nodes and of the terminal, which is 0 if clean. N + 1 values."""
    return sigma_of_lambda(schedule.levels).tolist()


def _timesteps(schedule: SamplingSchedule) -> str:
    if not schedule.ends_clean:
        raise ArgumentError(
            "to",
            "a format that can say where the last step lands",
            "diffusers-timesteps",
            f"this schedule ends at t_min = {schedule.terminal_time:.4g}; optimize with terminal clean",
        )
    return f"timesteps={schedule.timesteps.tolist()}"


def _read_timesteps(text: str, noise: NoiseSchedule) -> SamplingSchedule:
    return SamplingSchedule.from_timesteps(noise, numbers(text))


def _a1111(schedule: SamplingSchedule) -> str:
    return "\n".join(
        [
            "def hso_scheduler(n, sigma_min, sigma_max, device):",
            f'    """{schedule.nfe} steps for {schedule.noise_name}."""',
            "    import torch",
            f"    sigmas = {levels(schedule)}",
            f'    assert n == {schedule.nfe}, "this schedule has {schedule.nfe} steps"',
            "    return torch.tensor(sigmas, device=device)",
        ]
    )


def _read_levels(text: str, noise: NoiseSchedule) -> SamplingSchedule:
    return from_levels(numbers(text), noise)


def from_levels(values: Sequence[float], noise: NoiseSchedule) -> SamplingSchedule:
    """From N + 1 values of sigma~; a last value of 0 is the clean sample.

    Values up to 1 % beyond the noise schedule's ends, such as 14.615 for 14.6146, are taken for the ends.

    Raises:
        ArgumentError: If fewer than two, negative, not descending, or outside the noise schedule.
    """
    if len(values) < 2:
        raise ArgumentError("sigmas", "at least two values, the last being the terminal's (0 if clean)", list(values))
    clean = values[-1] == 0
    knots = np.array(values[:-1] if clean else values)
    if not np.all(np.isfinite(knots) & (knots > 0)):
        raise ArgumentError("sigmas", "positive values, and 0 only at the end", list(values))
    low, high = (float(sigma) for sigma in noise.sigmas(noise.t_range))
    if not np.all((knots > low * 0.99) & (knots < high * 1.01)):
        expected = f"values in [{low:.4g}, {high:.4g}], the range of {noise.name}"
        raise ArgumentError("sigmas", expected, list(values), "another model's?")
    first, last = (float(lambda_) for lambda_ in noise.lambda_(noise.t_range)[::-1])
    return SamplingSchedule.from_knots(noise, np.clip(-np.log(knots), first, last), CLEAN if clean else T_MIN)


def _python(schedule: SamplingSchedule) -> str:
    terminal = "" if schedule.ends_clean else f", terminal_time={schedule.terminal_time!r}"
    noise = schedule.noise_name
    return (
        f"schedule = hso.SamplingSchedule.from_times("
        f"hso.NoiseSchedule.preset({noise!r}), {schedule.times.tolist()}{terminal})"
    )


def _read_python(text: str, noise: NoiseSchedule) -> SamplingSchedule:
    terminal = TERMINAL_TIME.search(text)
    return SamplingSchedule.from_times(noise, numbers(text), float(terminal[1]) if terminal else 0.0)


# A new format is one line here, and its functions.
FORMATS: Mapping[str, Format] = {
    "diffusers-timesteps": Format(_timesteps, _read_timesteps),
    "diffusers-sigmas": Format(lambda schedule: f"sigmas={levels(schedule)}", _read_levels),
    "k-diffusion": Format(lambda schedule: f"sigmas = torch.tensor({levels(schedule)})", _read_levels),
    "comfyui": Format(lambda schedule: ", ".join(map(repr, levels(schedule))), _read_levels),
    "a1111": Format(_a1111, _read_levels),
    "python": Format(_python, _read_python),
}


def read_values(source: str) -> str:
    """The text of a file, or the source itself where there is no such file."""
    path = Path(source)
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else source
    except (OSError, UnicodeDecodeError):
        raise ArgumentError("values", "a text file or numbers", source) from None
