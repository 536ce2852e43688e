"""Writes docs/hosts.md: what each host takes, and how a schedule lands on each scheduler of diffusers.

    python -m benchmarks.hosts_table            # writes docs/hosts.md
    python -m benchmarks.hosts_table --print    # prints it instead

*exact*: for 2 to 20 nodes at fractional timesteps, the network was told each node to the rounding of float32.
*rounded*: to the nearest training timestep. One scheduler, Stable Audio's, needs torchsde.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

from benchmarks.recording import made_for, make_scheduler, record, told

from hso.errors import HostError
from hso.hosts import HOSTS, Host
from hso.hosts.diffusers import SCHEDULERS, attach

FLOW: dict[str, Any] = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
FLOW_TOO = (
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "UniPCMultistepScheduler",
    "DEISMultistepScheduler",
)
BUDGETS = range(2, 21)
ROUNDING = 3.1e-5
TARGET = Path(__file__).parents[1] / "docs" / "hosts.md"
HEAD = """# Hosts

A host is a program that samples. This file is written by `python -m benchmarks.hosts_table`, which asks every host
what it takes and runs every scheduler of diffusers; a test keeps it current.

## All hosts

`hso convert --to HOST` prints a schedule as text, `--from HOST` reads it, and `hso lint --host HOST` says what the
host would do wrong with it. Timesteps are what the network is told. Sigmas are sigma / alpha, but for flow models
(SD3, Flux, Wan) they are the flow sigma in [0, 1]. "With zero" is N + 1 values, the last of them where the sample
lands; "without zero" is N values, and the host appends the 0. "Before the shift" is the time u that the host itself
shifts to sigma. Hosts that take nothing here are served in another way, or refused; the sixth column says which.

| host | timesteps | sigmas | sigmas of flow models | ends | what the host does with the numbers | source read | run with |
|---|---|---|---|---|---|---|---|
"""
NOTES = """
- **ComfyUI**: the [node pack](../integrations/comfyui/README.md) makes schedules for the model that is wired to it, with
  any number of steps and any denoise, and splits them for two experts. The text is for a node that reads numbers. It
  reads no exponents, and a list that does not end in 0 leaves noise in the image. So a schedule that ends at t_min is
  refused; `--end-clean` lets its last step land on the clean sample.
- **A1111, Forge, reForge, Forge Neo**: the [extension](../integrations/webui/README.md) adds the schedule type "HSO",
  which knows how many steps a pass will really run. The text is a function of the number of steps n. Samplers that
  delete the last sigma but one (DPM2 and its kin) ask for n = N + 1, and get one sigma more between the last two for
  them to delete. Other samplers would run it, so ask for N steps there.
- **mflux** imports a class: `mflux-generate --scheduler hso.hosts.mflux.Scheduler --steps 8`. The schedule is made for
  the model, the resolution and the steps of the run. Ideogram 4 and SeedVR2 have schedules of their own and do not
  ask it. Whole models need an Apple machine; mflux's configuration, its steps and the times it tells were run on a CPU.
- **stable-diffusion.cpp** sets its steps from the list. For image-to-image it runs the last part of a list, by its
  strength.
- **SD.Next** takes three or more whole numbers. Its flow schedulers get them divided by 1000, and shift them again.
- **vLLM-Omni, FastVideo, LightX2V** shift what they are given by the model's own shift. So the text holds the times
  before the shift, and the host's setting must be the shift of the noise schedule. FastVideo's UniPC takes no list.
  LightX2V's list is for its step-distilled runners.
- **SwarmUI** samples with ComfyUI: install the node pack there.
- **edm** (NVlabs): the line replaces `t_steps` in `generate.py`.
- **diffusers' flow schedulers** shift the sigmas that they are given once more, unless `shift` (`flow_shift`) is 1
  and `use_dynamic_shifting` is off; `hso lint` says so. An attached schedule is not shifted.
- **python** is the constructor of `hso.SamplingSchedule` with every digit, for every noise schedule.

## Attached to diffusers

How a schedule lands on each scheduler when attached with `hso.hosts.diffusers.attach`, with 2 to 20 nodes at
fractional timesteps and a network that records what it is told. Schedulers that are not here are refused with a
`HostError` that says why; the reasons stand above.

- **exact**: the network is told every node to the rounding of float32, and the solver steps through the same levels.
- *ends*: where the last step can land, on the clean sample or at t_min.
- *calls*: network calls for N nodes.

| scheduler | result | ends | calls | note |
|---|---|---|---|---|
"""
TAIL = """
**Every run is watched.** Each step says its timestep, and it must be the next node: the first node first, in order,
each once. What would leave nodes out is refused with a `HostError`: image-to-image with a strength below 1, and a
pipeline made by `from_pipe` of an attached one if it begins elsewhere. Pass a pipeline what `call_arguments(pipeline,
schedule)` returns; for image-to-image make a schedule that begins part-way, `recommend(pipe, 8,
constraints=hso.Constraints(start=0.6))`. A run that stops early (`denoising_end`, an interrupt) can only be noticed
when the next one begins; a warning says so.

**CogView4 and GLM-Image** pass `timesteps=` beside `sigmas=`, and their networks are told the time before the shift.
The adapter reads off the scheduler's own tables how the two are related in that call, and tells the network the same
of the schedule's sigmas.

**Distilled models** (LCM, TCD) know the noise levels of their own grid only, so a pipeline with such a scheduler
takes schedules with nodes on that grid. **Copies and pickles** of an attached scheduler keep the schedule and the
place in the run, and so do those of pipelines. A **saved** one is the plain scheduler: a warning says that the schedule is
not in the folder.

With whole timesteps (`SamplingSchedule.from_timesteps(noise, schedule.timesteps)`) the scheduler's own integer dtype
is kept, for networks that cannot take fractions.

"""
SOLVERS = """## A schedule and its solver in diffusers

**The rule.** `recommend(pipe, nfe, ...)` makes the pipeline run the solver that the schedule was made for. By default
that is the solver of the pipeline's own scheduler, and the schedule is attached to it. If another solver comes of
`solver=` (a name, a list, `"auto"` with a calibration) or of `strategy="learned"` or `"told"`, `pipe.scheduler` becomes a
`PlannedScheduler`. `detach(pipe)` gives the pipeline its own scheduler back. What was done is logged at level INFO. The
own scheduler also stays if it takes the same steps: DDIM, Euler (flow matching too), Heun, DPM-Solver++ 2M and UniPC in
their usual settings, without clipping or thresholding.

**`PlannedScheduler`** (`from hso.hosts.diffusers import PlannedScheduler`) is a scheduler of diffusers that runs any
deterministic solver of this library at the nodes of one schedule, with the arithmetic of `hso.solvers.sample`: the
samples are the same. It takes what diffusers has no exact class for: learned coefficients, told times, DEIS to the
clean sample, UniPC with `bh1` to the clean sample, Heun and 2S for flow models. It stands for the pipeline's own
scheduler and has its configuration: noise schedule, prediction type, scaling of the input, EDM's preconditioning. It
does not clip or threshold. Stochastic solvers and distilled models are refused. `timesteps` has one entry for each
network call, and every run is watched as above.

    schedule = hso.SamplingSchedule.load("six.json")        # hso optimize --strategy learned --calibration FILE -o six.json
    pipe.scheduler = PlannedScheduler.from_scheduler(pipe, schedule)
    pipe(prompt, **call_arguments(pipe, schedule))

**Saved pipelines.** `save_pretrained` keeps the schedule and the solver as plain values in `scheduler_config.json`; no
code is saved. diffusers loads a class of another library only if the program has imported it. So import it first; this
needs no `trust_remote_code`:

    from hso.hosts.diffusers import PlannedScheduler
    pipe = DiffusionPipeline.from_pretrained(folder)

Without the import, diffusers refuses the folder and says so. For people without this library, call `detach(pipe)` before
saving the pipeline.

**Other hosts** run published solvers only, and tell the network the time of each node. `hso convert`, `hso lint` and
`attach` refuse a schedule for a learned solver, for its coefficients are half of it, and one that tells the network
other times. Schedules for published solvers may be used with any solver."""


def text_rows() -> list[str]:
    """One row for each host."""
    return [_text_row(host) for host in HOSTS.values()]


def _text_row(host: Host) -> str:
    plain, flow = host.takes(False), host.takes(True)
    sigmas = "" if host.for_flow_only else plain.sigmas or ""
    told_the_end = "with zero" in (plain.sigmas, flow.sigmas) and not host.only_ends_clean
    ends = "clean, t_min" if told_the_end or host.name == "python" else "clean"
    steps = plain.timesteps or (f"{flow.timesteps}, before the shift" if flow.before_shift and flow.timesteps else "")
    takes = (
        steps,
        sigmas,
        f"{flow.sigmas}, before the shift" if flow.before_shift and flow.sigmas else flow.sigmas or "",
    )
    said = (host.lands, host.version_read, host.version_run)
    return f"| {host.name} | {' | '.join((*takes, ends if any(takes) or host.name == 'python' else '', *said))} |"


def rows() -> list[str]:
    """One row for each scheduler."""
    variants: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in SCHEDULERS] + [
        (name, FLOW) for name in FLOW_TOO
    ]
    return [_row(name, settings) for name, settings in variants]


def page() -> str:
    """The whole file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # diffusers calls NumPy functions on tensors, torchsde warns of its ends
        return "".join([HEAD, *_lines(text_rows()), NOTES, *_lines(rows()), TAIL, SOLVERS])


def _lines(texts: list[str]) -> list[str]:
    return [text + "\n" for text in texts]


def _row(name: str, settings: dict[str, Any]) -> str:
    ends = [
        (end, *found) for end, clean in (("clean", True), ("t_min", False)) if (found := _run(name, settings, clean))
    ]
    worst = max(deviation for _, deviation, _ in ends)
    result = "exact" if worst <= ROUNDING else "rounded" if worst <= 0.5 else "wrong"
    note = (type(SCHEDULERS[name]).__doc__ or "").strip().splitlines()[0].replace("``", "`")
    label = f"{name}, `use_flow_sigmas`" if settings else name
    return f"| {label} | {result} | {', '.join(end for end, _, _ in ends)} | {ends[0][2]} | {note} |"


def _run(name: str, settings: dict[str, Any], clean: bool) -> tuple[float, str] | None:
    """Largest deviation over all budgets, and the number of calls; None where this end is refused."""
    worst, calls = 0.0, "N"
    for nfe in BUDGETS:
        scheduler = make_scheduler(name, **settings)
        schedule = made_for(scheduler, nfe, clean)
        try:
            attach(scheduler, schedule)
        except HostError:
            return None
        seen = record(scheduler, schedule)
        worst = max(worst, seen.deviation(schedule, told(scheduler, schedule)))
        calls = "N" if len(seen.timesteps) == nfe else "2N - 1" if len(seen.timesteps) == 2 * nfe - 1 else "?"
    return worst, calls


def main() -> None:
    """Write or print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print instead of writing docs/hosts.md")
    text = page()
    if parser.parse_args().print:
        print(text)
    else:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
