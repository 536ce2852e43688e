"""What the network of a ComfyUI model is told, against the schedule: every sampling class, 2 to 20 steps, three denoises.

    python -m benchmarks.comfyui_landing                     # with doubles of the sampling classes
    HSO_COMFYUI=FOLDER python -m benchmarks.comfyui_landing  # in a real server on the CPU, by the node HSO Scheduler
    python -m benchmarks.comfyui_landing --times             # how long a schedule of the drop-down list takes

The deviation is in the unit in which the network is told: whole timesteps for discrete models, sigma for flow models.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.comfyui_doubles import every_sampling
from benchmarks.comfyui_server import Server, graph_of

from hso.hosts.comfyui import Run, Sampling, read_sampling, sigmas_of
from hso.hosts.comfyui.runs import schedule_of

BUDGETS, DENOISES = range(2, 21), (1.0, 0.6, 0.3)
TOLD = Callable[[str, int, float], list[float]]
UNITS = {
    "QuarterLogSigma": "log(sigma) / 4",
    "ArctanSigma": "2 arctan(sigma) / pi",
    "CosineTime": "the cosine time",
    "FlowSigma": "sigma / (1 + sigma)",
}
HEAD = "| sampling | runs | largest deviation | the network is told |\n|---|---|---|---|"


def told_by_doubles(kind: str, steps: int, denoise: float) -> list[float]:
    """What a double of the class says that its network is told."""
    model_sampling = every_sampling()[kind]
    sigmas = sigmas_of(read_sampling(model_sampling), Run(steps, "euler", denoise))
    found: list[float] = model_sampling.timestep(torch.FloatTensor(sigmas[:-1])).double().tolist()
    return found


@contextmanager
def told_by_comfyui(installation: Path) -> Iterator[TOLD]:
    """What a network in a real server is told."""
    with tempfile.TemporaryDirectory() as work, Server(installation, Path(work)) as server:

        def told(kind: str, steps: int, denoise: float) -> list[float]:
            inputs = {"steps": steps, "solver": "euler", "denoise": denoise, "start_sigma": 0.0, "cfg": 0.0}
            found: list[float] = server.run(graph_of(kind, "HSOScheduler", inputs))["told"]["told"]
            return found

        yield told


def landing(told: TOLD) -> list[str]:
    """One row for each sampling class."""
    rows = []
    for kind, model_sampling in every_sampling().items():
        sampling = read_sampling(model_sampling)
        cells = [(steps, denoise) for steps in BUDGETS for denoise in DENOISES]
        worst = max(deviation(sampling, told(kind, *cell), *cell) for cell in cells)
        rows.append(f"| {kind} | {len(cells)} | {worst:.1g} | {unit(sampling)} |")
    return rows


def deviation(sampling: Sampling, told: list[float], steps: int, denoise: float) -> float:
    """Largest difference from the schedule's nodes; infinite if there are more or fewer calls than nodes."""
    wanted = schedule_of(sampling, Run(steps, "euler", denoise)).network_timesteps * sampling.unit
    if len(told) != len(wanted):
        return float("inf")
    wanted = np.round(wanted) if sampling.table is not None else wanted
    return float(np.abs(np.array(told) - wanted).max())


def unit(sampling: Sampling) -> str:
    """In what unit the network is told."""
    if sampling.table is not None:
        return "whole timesteps"
    if sampling.means_flow_sigma:
        scale = sampling.unit * sampling.noise.require_train_steps()
        return "sigma" if scale == 1 else f"{scale:g} sigma"
    return UNITS[type(sampling.noise.clock.told).__name__]


def seconds() -> list[str]:
    """One row for each sampling class: the median and the longest time of a schedule, both with reading the model."""
    rows = []
    for kind, model_sampling in every_sampling().items():
        taken = []
        for _ in range(2):
            taken = [_seconds_of(model_sampling, steps) for steps in BUDGETS]
        rows.append(f"| {kind} | {1e3 * float(np.median(taken)):.0f} | {1e3 * max(taken):.0f} |")
    return rows


def _seconds_of(model_sampling: Any, steps: int) -> float:
    start = time.perf_counter()
    sigmas_of(read_sampling(model_sampling), Run(steps))
    return time.perf_counter() - start


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", action="store_true", help="measure seconds instead of landing")
    if parser.parse_args().times:
        print("| sampling | median ms | longest ms |\n|---|---|---|", *seconds(), sep="\n")
    elif installation := os.environ.get("HSO_COMFYUI"):
        with told_by_comfyui(Path(installation)) as told:
            print(HEAD, *landing(told), sep="\n")
    else:
        print(HEAD, *landing(told_by_doubles), sep="\n")


if __name__ == "__main__":
    main()
