"""Draws the pictures of the ComfyUI node pack's README, with the pack's own drawing.

python scripts/comfyui_pictures.py
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.comfyui_doubles import every_sampling  # noqa: E402

from hso.hosts.comfyui import Run, read_sampling, sigmas_of  # noqa: E402

PACK = ROOT / "integrations" / "comfyui"
RUNS = {
    "sdxl_8_steps": ("discrete, eps", Run(8, "dpmpp_2m")),
    "sdxl_8_steps_denoise_05": ("discrete, eps", Run(8, "dpmpp_2m", denoise=0.5)),
    "flux_6_steps": ("flux, mu 1.15", Run(6, "euler")),
}


def main() -> None:
    """Write one picture for each run."""
    spec = importlib.util.spec_from_file_location("picture", PACK / "picture.py")
    assert spec is not None
    assert spec.loader is not None
    picture = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(picture)
    samplings = every_sampling()
    for name, (kind, run) in RUNS.items():
        pixels = picture.draw(sigmas_of(read_sampling(samplings[kind]), run))
        Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(PACK / "images" / f"{name}.png")


if __name__ == "__main__":
    main()
