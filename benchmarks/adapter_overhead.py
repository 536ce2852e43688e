"""What an attached schedule costs: the same pipeline call with and without it, paired, in one run.

    python -m benchmarks.adapter_overhead              # a network of about 30 ms a step on one core
    python -m benchmarks.adapter_overhead --pairs 100

Each pair calls the plain pipeline and the attached one at equal steps, in alternating order, and gives one ratio. Prints
the median ratio with the quartiles, and what the adapter's own code takes. Exits with 1 if the median of all pairs is 1 %
or more. Times are processor seconds of the one thread, which other programs disturb least.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from typing import Any

import torch
from benchmarks import tiny_pipelines
from benchmarks.recording import made_for, make_scheduler

from hso.hosts.diffusers import attach, detach

NFE = 10
SCHEDULERS = ("DDIMScheduler", "UniPCMultistepScheduler", "EulerDiscreteScheduler")


def pipeline(name: str) -> Any:
    """Stable Diffusion with a network that is small but not trivial."""
    torch.manual_seed(0)
    pipe = tiny_pipelines.stable_diffusion(make_scheduler(name))
    pipe.unet = tiny_pipelines.diffusers.UNet2DConditionModel(
        block_out_channels=(64, 128),
        layers_per_block=2,
        sample_size=16,
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=16,
    )
    return pipe


def seconds(pipe: Any) -> float:
    """Processor seconds of one call."""
    call = tiny_pipelines.clip_call(height=32, width=32, output_type="latent")
    begin = time.process_time()
    pipe(**call, num_inference_steps=NFE)
    return time.process_time() - begin


def ratio(pipe: Any, schedule: Any, plain_first: bool) -> tuple[float, float]:
    """Seconds of the plain call, and of the attached one over it."""
    taken = {}
    for attached in (False, True) if plain_first else (True, False):
        if attached:
            attach(pipe, schedule)
        taken[attached] = seconds(pipe)
        detach(pipe)
    return taken[False], taken[True] / taken[False]


def own_seconds(name: str, repeats: int = 200) -> float:
    """What a whole loop takes longer with the schedule when the network costs nothing."""

    def loop() -> float:
        begin = time.process_time()
        scheduler.set_timesteps(NFE)
        for t in scheduler.timesteps:
            scheduler.step(noise, t, scheduler.scale_model_input(noise, t), return_dict=False)
        return time.process_time() - begin

    scheduler, noise = make_scheduler(name), torch.zeros(1, 4, 8, 8)
    plain = statistics.median(loop() for _ in range(repeats))
    attach(scheduler, made_for(scheduler, NFE))
    return statistics.median(loop() for _ in range(repeats)) - plain


def main() -> int:
    """Print one row for each scheduler."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=60)
    pairs = parser.parse_args().pairs
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    pooled: list[float] = []
    print(
        "| scheduler | plain call ms | overhead, median | quartiles | adapter alone, ms a call |\n|---|---|---|---|---|"
    )
    for name in SCHEDULERS:
        pipe = pipeline(name)
        schedule = made_for(pipe.scheduler, NFE)
        ratio(pipe, schedule, True)
        plain, ratios = zip(*(ratio(pipe, schedule, i % 2 == 0) for i in range(pairs)), strict=True)
        low, middle, high = (100 * (q - 1) for q in statistics.quantiles(ratios, n=4))
        print(
            f"| {name} | {1000 * statistics.median(plain):.0f} | {middle:+.2f} % | {low:+.2f} to {high:+.2f} % "
            f"| {1000 * own_seconds(name):.3f} |",
            flush=True,
        )
        pooled.extend(ratios)
    overhead = 100 * (statistics.median(pooled) - 1)
    print(f"\noverhead, median of all {len(pooled)} pairs: {overhead:+.2f} %")
    return int(overhead >= 1.0)


if __name__ == "__main__":
    sys.exit(main())
