"""Kill a comparison at random moments, start it again each time, and compare with one that was never killed.

    python -m benchmarks.kill_and_resume               # 20 kills, two processes

Every kill is a SIGKILL to the whole process group, without warning. Prints a line for each kill, and whether all
statistics are the same to the last bit. Exits with 1 if they are not.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
COMMAND = (
    *("--model", "gaussian", "--solver", "ddim,dpmpp_2m", "--nfe", "3,4,5", "--samples", "1000", "--batch", "50"),
    *("--schedules", "trailing,uniform_lambda,hso_exact", "--reference-nfe", "40", "--resamples", "20"),
)


def words(folder: Path, processes: int = 1) -> list[str]:
    """The command line of a run."""
    return [sys.executable, "-m", "hso.evaluation", *COMMAND, "-o", str(folder), "--processes", str(processes)]


def whole_run(folder: Path) -> None:
    """A run that nobody disturbs."""
    subprocess.run(words(folder), env=ENVIRONMENT, capture_output=True, check=True)


def launched(folder: Path, processes: int) -> subprocess.CompletedProcess[str]:
    """The same run under the launcher that ``accelerate launch`` uses for several processes."""
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        str(processes),
        "-m",
        "hso.evaluation",
    ]
    command = [*launcher, *COMMAND, "-o", str(folder)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def killed_run(folder: Path, kills: int, rng: random.Random, processes: int = 1, quiet: bool = True) -> int:
    """Run to the end through at most so many kills at random moments; how many there were.

    A moment is a number of finished batches, drawn anew for each kill, and a random delay after it.
    """
    done = 0
    while True:
        process = subprocess.Popen(
            words(folder, processes),
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if done == kills or not _reaches(process, folder, finished(folder) + rng.randrange(1, 15)):
            if process.wait() != 0:
                raise RuntimeError(f"the run ended with {process.returncode}")
            return done
        time.sleep(rng.uniform(0, 0.02))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        done += 1
        if not quiet:
            print(f"kill {done}: {finished(folder)} batches finished", flush=True)


def finished(folder: Path) -> int:
    """Number of finished batches."""
    return sum(1 for _ in (folder / "sums").rglob("*.npz"))


def statistics(folder: Path) -> dict[str, bytes]:
    """All sums and the results, to the last bit."""
    paths = [*(folder / "sums").rglob("*.npz"), folder / "comparison.csv"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(paths)}


def _reaches(process: subprocess.Popen[bytes], folder: Path, batches: int) -> bool:
    """Wait until so many batches are finished; false if the run ends before."""
    while finished(folder) < batches:
        if process.poll() is not None:
            return False
        time.sleep(0.005)
    return True


def main() -> int:
    """Run and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        whole_run(whole)
        kills = killed_run(killed, options.kills, random.Random(options.seed), options.processes, quiet=False)
        same = statistics(whole) == statistics(killed)
        print(f"{kills} kills, {finished(killed)} batches: statistics {'identical' if same else 'DIFFER'}")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
