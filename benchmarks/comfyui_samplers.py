"""Which of ComfyUI's samplers take the steps of a solver of this library.

    HSO_COMFYUI=FOLDER python -m benchmarks.comfyui_samplers           # a table; with the Python that runs ComfyUI
    HSO_COMFYUI=FOLDER python -m benchmarks.comfyui_samplers --json    # the same for programs

Both sample a model with an exact score, two narrow peaks, from the same state through the same noise levels. The number
is the largest difference of samples, over 3, 6 and 12 steps. Samples are about 1 in size. UniPC computes in float32 there,
and it lands where it is told, as long as that is not 0; so it is compared with a run that ends at t_min.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import hso
from hso.hosts.comfyui.samplers import SOLVER_OF_SAMPLER
from hso.solvers import Node, make_solver, sample

VARIANCE = 0.09
SAMPLES = 64
STEPS = (3, 6, 12)
# ComfyUI's DEIS has the name of a solver, but other coefficients.
TRIED = {**SOLVER_OF_SAMPLER, "deis": "deis:order=3"}
FINITE_END = ("uni_pc", "uni_pc_bh2")


def data_of(z: Any, sigma: Any) -> Any:
    """The mean of the data, peaks of variance 0.09 at -1 and 1, given z = data + sigma noise."""
    tanh = torch.tanh if torch.is_tensor(z) else np.tanh
    whole = VARIANCE + sigma**2
    return (VARIANCE * z + sigma**2 * tanh(z / whole)) / whole


class Denoiser:
    """What ComfyUI's samplers call: a state and its sigmas to the data."""

    def __init__(self, flow: bool) -> None:
        self._flow = flow

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, **others: Any) -> torch.Tensor:
        sigma = sigma.reshape(-1, 1)
        alpha = 1 - sigma if self._flow else torch.ones_like(sigma)
        found: torch.Tensor = data_of(x / alpha, sigma / alpha)
        return found


def schedule_of(noise: hso.NoiseSchedule, steps: int, clean: bool) -> hso.SamplingSchedule:
    """Levels that are far enough from pure noise to be divided by alpha."""
    return hso.SamplingSchedule.from_times(noise, np.geomspace(0.95, 0.05, steps), 0.0 if clean else noise.t_range[0])


def difference(sampler: Callable[..., Any], name: str, solver: str, flow: bool, steps: int) -> float:
    """Largest difference of the samples of a ComfyUI sampler and a solver."""
    noise = hso.NoiseSchedule.preset("sd3" if flow else "sd1.5")
    schedule = schedule_of(noise, steps, name not in FINITE_END)
    levels = schedule.flow_sigmas if flow else schedule.sigmas
    last = 0.0
    if name in FINITE_END:
        last = float(np.exp(-schedule.terminal))
        last = last / (1 + last) if flow else last
    sigmas = torch.tensor([*levels, last], dtype=torch.float32 if name in FINITE_END else torch.float64)
    normal = np.random.default_rng(0).standard_normal((SAMPLES, 1))
    state = torch.tensor(normal * levels[0], dtype=sigmas.dtype)
    found = sampler(Denoiser(flow), state, sigmas, extra_args={}, disable=True).double().numpy()

    def model(x: Any, node: Node) -> Any:
        return data_of(x / node.alpha, node.sigma / node.alpha)

    scale = 1.0 if flow else float(np.exp(noise.log_sigma(schedule.lambdas[0]))) / levels[0]
    wanted = sample(make_solver(solver), model, noise, schedule, normal * levels[0] * scale, prediction="sample")
    if name in FINITE_END:
        # ComfyUI's sampler returns the state in its own units.
        wanted = wanted if flow else wanted * last / float(np.exp(noise.log_sigma(schedule.terminal)))
    return float(np.abs(found - wanted).max())


def differences() -> dict[str, dict[str, float]]:
    """By sampler: the difference for models with sigma / alpha, and for flow models."""
    known = _samplers()
    return {
        name: {
            kind: max(difference(known[name], name, solver, kind == "flow", steps) for steps in STEPS)
            for kind in ("sigma", "flow")
        }
        for name, solver in TRIED.items()
    }


def _samplers() -> dict[str, Callable[..., Any]]:
    sys.path.insert(0, os.environ["HSO_COMFYUI"])
    sys.argv = [sys.argv[0], "--cpu"]
    import comfy.options

    comfy.options.enable_args_parsing()
    from comfy.extra_samplers import uni_pc
    from comfy.k_diffusion import sampling

    found = {"uni_pc": uni_pc.sample_unipc, "uni_pc_bh2": uni_pc.sample_unipc_bh2, "ddim": sampling.sample_euler}
    return {name: found.get(name) or getattr(sampling, f"sample_{name}") for name in TRIED}


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one object")
    as_json = parser.parse_args().json
    found = differences()
    if as_json:
        print(json.dumps(found))
        return
    print("| sampler | solver | sigma / alpha | flow sigma |\n|---|---|---|---|")
    for name, values in found.items():
        print(f"| {name} | {TRIED[name]} | {values['sigma']:.1g} | {values['flow']:.1g} |")


if __name__ == "__main__":
    main()
