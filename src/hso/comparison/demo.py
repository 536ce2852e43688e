"""The main job, done on a small model: a comparison with few contestants, and pictures of its samples.

For each solver and number of network calls there are six schedules: what diffusers uses by default, its spacing
"trailing", DM-NonUniform as its authors set it for models of pixels, what this library gives by default, what it gives with
a calibration of the model, and the same with learned coefficients of the solver.
"""

from __future__ import annotations

import os

from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.subjects import SubjectSettings
from hso.schedule import CLEAN

# The contestants, and how the demo's pictures and tables call them.
NAMES = {
    "host_default": "default",
    "trailing": "trailing",
    "dm_nonuniform_lambda": "DM-NonUniform",
    "hso": "HSO",
    "calibrated": "calibrated",
    "learned": "learned",
}
SOLVERS, REFERENCE_NFE = ("ddim", "unipc"), 24
# The network's time for an image falls up to this batch; two of them keep two cores busy.
BATCH = 50


def demo_settings(
    budgets: tuple[int, ...] = (4, 5, 6, 8, 10),
    samples: int = 100,
    guidance: float = 3.0,
    terminal: str = CLEAN,
    seed: int = 0,
    model: str = "digits",
) -> ComparisonSettings:
    """The demo as a comparison.

    Args:
        budgets: Numbers of network calls.
        samples: Number of images for each schedule; the classes take turns.
        guidance: Scale of classifier-free guidance; 1 is none.
        terminal: Where all land: "clean" or "t_min".
        seed: Seed of the initial noise.
        model: "digits", or the folder of another pipeline of images.

    Raises:
        ArgumentError: If a value is unusable.
    """
    subject = SubjectSettings(model, guidance, seed)
    return ComparisonSettings(
        subject, SOLVERS, budgets, tuple(NAMES), samples, terminal, reference_nfe=REFERENCE_NFE, batch=BATCH
    )


def processes_for(settings: ComparisonSettings) -> int:
    """Number of processes that this machine's cores and the batches are enough for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, len(settings.batches()))
