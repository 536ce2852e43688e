"""Peak memory of every command, at its defaults and at the worst arguments that it accepts, and how it grows with images.

    python -m benchmarks.memory
    python -m benchmarks.memory --only optimize show    # these commands only

Each command runs in a process of its own; the peak is what the system says of it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
MANY = '{"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": %d}'
_GAUSSIAN = "compare --model gaussian --solver ddim --nfe 4 --schedules trailing,hso --reference-nfe 10 -o run"
_MIXTURE = "calibrate --model mixture --points 16 -o m.calibration"
# The files that the lines name are made by `prepare`.
LINES = (
    ("presets", "presets"),
    ("optimize", "optimize --noise sd2.1 --nfe 5"),
    ("optimize, most nodes", "optimize --noise sd2.1 --nfe 1000"),
    ("optimize, most nodes of the largest model", "optimize --noise many.json --nfe 3000"),
    ("optimize, least d_min", "optimize --noise sd2.1 --nfe 5 --d-min 1e-320"),
    ("optimize, largest training grid", "optimize --noise large.json --nfe 1000 --strategy exact:grid=training"),
    ("optimize, bilevel, most nodes", "optimize --noise sd2.1 --nfe 1000 --strategy bilevel:generations=3"),
    ("optimize, calibration", "optimize --noise sd1.5 --nfe 5 --calibration in.calibration"),
    (
        "optimize, calibration, all solvers",
        "optimize --noise sd1.5 --nfe 5 --calibration in.calibration --solver auto",
    ),
    ("presets, longest configuration", "presets --check model"),
    ("rule, most nodes", "rule trailing --noise sd2.1 --nfe 1000"),
    ("show, longest schedule", "show in.json"),
    ("show, longest text", "show text"),
    ("lint, longest text", "lint text --host comfyui"),
    ("convert, longest schedule", "convert in.json --to python"),
    ("table", "table --models sd2.1,sd3,edm-cifar10 -o table"),
    ("table, most nodes", "table --models sd2.1 --nfe 999,1000 -o table"),
    ("compare, 500 images", f"{_GAUSSIAN} --samples 500"),
    ("compare, 5,000 images", f"{_GAUSSIAN} --samples 5000"),
    ("compare, 50,000 images", f"{_GAUSSIAN} --samples 50000 --batch 500"),
    ("calibrate, 64 images", f"{_MIXTURE} --images 64"),
    ("calibrate, 1,024 images", f"{_MIXTURE} --images 1024"),
    ("tune", "tune --model gaussian --nfe 3 --images 48 --budget 9000 -o t.json"),
    ("tune, features", "tune --model digits@3 --nfe 3 --images 48 --budget 9000 --features own -o t.json"),
    ("demo", "demo --nfe 4"),
)


def prepare(folder: Path) -> None:
    """Make the files that the lines name."""
    import hso

    (folder / "many.json").write_text(MANY % 100_000)
    (folder / "large.json").write_text(MANY % 5000)
    hso.optimize(hso.NoiseSchedule.preset("sd2.1"), 1000).schedule.save(folder / "in.json")
    (folder / "model" / "scheduler").mkdir(parents=True)
    (folder / "model" / "model_index.json").write_text('{"_class_name": "StableDiffusion3Pipeline"}')
    (folder / "model" / "scheduler" / "scheduler_config.json").write_text(MANY % 100_000)
    (folder / "text").write_text("1," * (31 * 2**20))
    line = [sys.executable, "-m", "hso", *_MIXTURE.split()[:-1], "in.calibration", "--images", "16"]
    subprocess.run(line, cwd=folder, env=ENVIRONMENT, capture_output=True, check=True)


def measured(line: str, folder: Path) -> tuple[int, float, float]:
    """Exit code, peak memory in MB and seconds of a command."""
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "hso", *line.split()],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3), time.monotonic() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", help="commands")
    parser.add_argument("--prepare", type=Path, help="instead: make the files that the commands read in this folder")
    options = parser.parse_args()
    if options.prepare is not None:
        prepare(options.prepare)
        return
    print("| what | command | exit code | peak MB |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        # The peak of a process counts from its fork on, so this one must stay small.
        subprocess.run([sys.executable, "-m", "benchmarks.memory", "--prepare", name], check=True)
        for what, line in LINES:
            if options.only is None or line.split()[0] in options.only:
                code, peak, _ = measured(line, Path(name))
                print(f"| {what} | `hso {line}` | {code} | {peak:,.0f} |", flush=True)
                for place in ("run", "table", "demo"):
                    subprocess.run(["rm", "-rf", place], cwd=name, check=True)


if __name__ == "__main__":
    main()
