"""Measure the reference models of the objective "ensemble" and write their calibrations into the package.

    python scripts/reference_calibrations.py            # some minutes on two cores

Points are few, so that the files are small: 20 were no worse than 56 beyond noise (docs/calibration.md). Guided teachers
need some more.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from hso.calibrate import calibrate_images
from hso.comparison.subjects import SubjectSettings, load_subject
from hso.comparison.subjects.base import CALIBRATION_IMAGES
from hso.models.recording import Plan
from hso.objectives.ensemble import FOLDER

PATCHES = str(Path(__file__).parents[1] / "benchmarks" / "models" / "patches")
# Model, guidance and points by the name of the file.
MODELS = {
    "digits": ("digits", 1.0, 20),
    "digits_guided": ("digits", 3.0, 28),
    "patches": (PATCHES, 1.0, 20),
    "patches_guided": (PATCHES, 3.0, 28),
    "mixture": ("mixture", 1.0, 20),
}
IMAGES, BATCH = 64, 16


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, (model, guidance, points) in MODELS.items():
        subject = load_subject(SubjectSettings(model, guidance))
        plan = Plan(subject.noise, subject.prediction, points)
        made = calibrate_images(plan, subject.images(CALIBRATION_IMAGES, IMAGES, BATCH), guidance=guidance)
        # No interval is asked of a reference, so that the matrices without each group of images are left out.
        nothing = np.empty((0, *made.grams.shape), dtype=np.float32)
        small = dataclasses.replace(made, left_out=nothing, left_out_means=nothing)
        path = FOLDER / f"{name}.calibration"
        small.save(path)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB, teacher's error {made.convergence:.2%}", flush=True)


if __name__ == "__main__":
    main()
