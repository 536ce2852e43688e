"""Stable Diffusion 2.1 in few steps: its own schedule beside the optimized one.

    pip install 'hso[diffusers]' accelerate
    python examples/stable_diffusion.py --steps 6 --prompt "a lighthouse at dusk, oil painting"

Needs the weights of ``stabilityai/stable-diffusion-2-1-base`` (or of the folder or model in ``--model``). Writes
``plain.png`` and ``hso.png``, drawn from the same noise with the same solver and number of network calls.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, UniPCMultistepScheduler

from hso.hosts.diffusers import detach, recommend

MODEL = "stabilityai/stable-diffusion-2-1-base"


def load(model: str) -> Any:
    """The pipeline with UniPC, on a GPU if there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float16 if device == "cuda" else torch.float32
    pipe: Any = StableDiffusionPipeline.from_pretrained(model, torch_dtype=dtype)  # type: ignore[no-untyped-call]
    pipe.scheduler = UniPCMultistepScheduler.from_config(pipe.scheduler.config)  # type: ignore[no-untyped-call]
    return pipe.to(device)


def main() -> None:
    """Draw two images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--prompt", default="a lighthouse at dusk, oil painting")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pipe = load(options.model)

    def draw(name: str) -> None:
        generator = torch.Generator("cpu").manual_seed(options.seed)
        pipe(options.prompt, num_inference_steps=options.steps, generator=generator).images[0].save(name)

    draw("plain.png")
    schedule = recommend(pipe, options.steps)
    print(schedule)
    draw("hso.png")
    detach(pipe)


if __name__ == "__main__":
    main()
