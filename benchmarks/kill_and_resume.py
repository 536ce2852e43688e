"""Kill a comparison at random moments, start it again each time, and compare with one that was never killed.

    python -m benchmarks.kill_and_resume               # 20 kills, two processes
    python -m benchmarks.kill_and_resume --launched    # the same under accelerate launch

Every kill is a SIGKILL without warning, to the whole process group, or to one of the processes that ``accelerate launch``
started. Prints a line for each kill, and whether all statistics are the same to the last bit. Exits with 1 if they are not.
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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
COMMAND = (
    *("--model", "gaussian", "--solver", "ddim,dpmpp_2m", "--nfe", "3,4,5", "--samples", "1000", "--batch", "50"),
    *("--schedules", "trailing,uniform_lambda,hso_exact", "--reference-nfe", "40", "--resamples", "20"),
)


class Run(NamedTuple):
    """A run.

    Attributes:
        folder: Where it is kept.
        command: What is compared.
        processes: Number of processes.
    """

    folder: Path
    command: Sequence[str] = COMMAND
    processes: int = 1

    @property
    def words(self) -> list[str]:
        """The command line."""
        local = ["--processes", str(self.processes)]
        return [sys.executable, "-m", "hso", "compare", *self.command, "-o", str(self.folder), *local]

    @property
    def launched_words(self) -> list[str]:
        """The same under ``accelerate launch``, whose ``--multi_gpu`` needs no GPU; what each process prints is kept."""
        launcher = (
            f"-m accelerate.commands.launch --multi_gpu --num_processes {self.processes} --tee 3 --log_dir".split()
        )
        program = ["-m", "hso", "compare", *self.command, "-o", str(self.folder)]
        return [sys.executable, *launcher, str(self.logs), *program]

    @property
    def logs(self) -> Path:
        """What launched processes print."""
        return self.folder.with_name(f"{self.folder.name}-logs")

    def finished(self) -> int:
        """Number of finished batches."""
        return sum(1 for _ in (self.folder / "sums").rglob("*.npz"))

    def statistics(self) -> dict[str, bytes]:
        """All sums and the results, to the last bit."""
        paths = [*(self.folder / "sums").rglob("*.npz"), self.folder / "comparison.csv"]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in sorted(paths)}


def whole_run(run: Run) -> None:
    """Let nobody disturb it."""
    subprocess.run(run.words, env=ENVIRONMENT, capture_output=True, check=True)


def killed_run(run: Run, kills: int, rng: random.Random, how: Killing | None = None, quiet: bool = True) -> int:
    """Run to the end through at most so many kills at random moments; how many there were.

    A moment is a number of finished batches, drawn anew for each kill, and a random delay after it.
    """
    done, way = 0, how or Killing(run.words, _kill_all)
    while True:
        process = subprocess.Popen(
            way.words,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if done == kills or not _reaches(process, run, run.finished() + rng.randrange(1, 15)):
            if process.wait() != 0:
                raise RuntimeError(f"the run ended with {process.returncode}")
            return done
        time.sleep(rng.uniform(0, 0.02))
        way.kill(process, rng)
        process.wait()
        done += 1
        if not quiet:
            print(f"kill {done}: {run.finished()} batches finished", flush=True)


class Killing(NamedTuple):
    """A way to run and to be killed.

    Attributes:
        words: The command line.
        kill: Kills a process that runs it, or one that it started.
    """

    words: list[str]
    kill: Callable[[subprocess.Popen[bytes], random.Random], None]

    @classmethod
    def one_of_several(cls, run: Run) -> Killing:
        """Under ``accelerate launch``, of whose processes one is killed: it then ends the others."""
        return cls(run.launched_words, _kill_one)


def _kill_all(process: subprocess.Popen[bytes], rng: random.Random) -> None:
    os.killpg(process.pid, signal.SIGKILL)


def _kill_one(process: subprocess.Popen[bytes], rng: random.Random) -> None:
    import psutil

    if workers := psutil.Process(process.pid).children():
        rng.choice(workers).kill()


def _reaches(process: subprocess.Popen[bytes], run: Run, batches: int) -> bool:
    """Wait until so many batches are finished; false if the run ends before."""
    while run.finished() < batches:
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
    parser.add_argument("--launched", action="store_true", help="under accelerate launch")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Run(Path(folder, "whole")), Run(Path(folder, "killed"), processes=options.processes)
        whole_run(whole)
        how = Killing.one_of_several(killed) if options.launched else None
        kills = killed_run(killed, options.kills, random.Random(options.seed), how, quiet=False)
        same = whole.statistics() == killed.statistics()
        print(f"{kills} kills, {killed.finished()} batches: statistics {'identical' if same else 'DIFFER'}")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
