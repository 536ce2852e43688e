"""The schedule type "HSO" for A1111, Forge, reForge and Forge Neo.

The program calls a schedule type with a number of steps. It does not say how many of them it will run: image-to-image and
the second pass of a high-resolution fix run the last part only. So the script below, which is always active, gives each
pass with this schedule type an override that knows the pass. The library ``hso`` is imported when a pass first needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from modules import scripts, sd_samplers_common, sd_schedulers, shared

NAME, LABEL = "hso", "HSO"
SAME = "Use same scheduler"


def scheduler(n: int, sigma_min: float, sigma_max: float, inner_model: Any, device: Any) -> torch.Tensor:
    """The sigmas of a whole run of n steps, where nothing more is known of the pass."""
    from hso.hosts.webui import Pass, read_table, sigmas_of_pass

    return torch.FloatTensor(sigmas_of_pass(read_table(inner_model.sigmas), n, Pass(n, n))).to(device)


def register() -> None:
    """Add the schedule type to the program's lists."""
    if NAME in sd_schedulers.schedulers_map:
        return
    entry = sd_schedulers.Scheduler(NAME, LABEL, scheduler, need_inner_model=True)
    for listed in (sd_schedulers.schedulers, getattr(sd_schedulers, "all_schedulers", None)):
        # In some programs both names are one list.
        if listed is not None and entry not in listed:
            listed.append(entry)
    sd_schedulers.schedulers_map.update({NAME: entry, LABEL: entry})


def is_chosen(p: Any) -> bool:
    """Whether the pass that comes next has this schedule type."""
    own = getattr(p, "scheduler", None)
    second = getattr(p, "hr_scheduler", None)
    chosen = own if not getattr(p, "is_hr_pass", False) or second in (None, "", SAME) else second
    return chosen in (NAME, LABEL)


def planned_pass(p: Any) -> Any:
    """What the pass that comes next will run."""
    from hso.hosts.webui import Pass

    if getattr(p, "is_hr_pass", False):
        sampler = getattr(p, "hr_sampler_name", None) or p.sampler_name
        total, last = sd_samplers_common.setup_img2img_steps(p, p.hr_second_pass_steps or p.steps)
    elif getattr(p, "init_images", None) is not None:
        sampler = p.sampler_name
        total, last = sd_samplers_common.setup_img2img_steps(p)
    else:
        return Pass(p.steps, p.steps, 1.0, p.sampler_name)
    return Pass(total, last + 1, min(float(p.denoising_strength), 1.0), sampler)


def override_for(p: Any) -> Callable[[int], torch.Tensor]:
    """What the program calls in place of a schedule type: steps to sigmas."""

    def sigmas(steps: int) -> torch.Tensor:
        from hso.hosts.webui import read_table, sigmas_of_pass

        values = sigmas_of_pass(read_table(p.sampler.model_wrap.sigmas), steps, planned_pass(p))
        p.extra_generation_params[_word(p)] = LABEL
        return torch.FloatTensor(values).to(shared.device)

    sigmas.of_hso = True  # type: ignore[attr-defined]
    return sigmas


def _word(p: Any) -> str:
    """Under which word the program's picture information has the schedule type of this pass."""
    own = p.extra_generation_params.get("Schedule type", LABEL)
    return "Schedule type" if own == LABEL or not getattr(p, "is_hr_pass", False) else "Hires schedule type"


class HSOScript(scripts.Script):
    """Sets and takes away the override before each pass."""

    def title(self) -> str:
        return LABEL

    def show(self, is_img2img: bool) -> Any:
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        return []

    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        prepare(p)

    def before_hr(self, p: Any, *args: Any) -> None:
        prepare(p)


def prepare(p: Any) -> None:
    """Give the pass that comes next its override, and take it away from a pass with another schedule type."""
    present = p.sampler_noise_scheduler_override
    if is_chosen(p):
        p.sampler_noise_scheduler_override = override_for(p)
    elif getattr(present, "of_hso", False):
        p.sampler_noise_scheduler_override = None


register()
