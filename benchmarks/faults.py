"""Disturb the long commands, start them again, and compare with runs that nobody disturbed.

    python -m benchmarks.faults                     # 200 faults: every fault on every command, at random moments
    python -m benchmarks.faults --kills 50          # 50 kills of calibrate and of tune, each run killed again and again
    python -m benchmarks.faults --starts 100        # 100 synchronized starts of two comparisons in one folder

After a fault the command is checked: it says one line or nothing, and no traceback; what it wrote is whole; and the same
command then ends with the results of a run that was not disturbed, bit by bit. Exits with 1 if not.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.forks import Running, interrupted, run

from hso.cli import main

ONE_REFUSED = "ran one and refused the other"
NOBODY = 65534
# What differs from run to run.
TIMES = ("seconds",)


class Command(NamedTuple):
    """A long command.

    Attributes:
        words: Its words, without the output.
        output: The option of its output.
        name: Name of the output, a file or a folder.
    """

    words: tuple[str, ...]
    output: str
    name: str

    def line(self, folder: Path, *more: str) -> list[str]:
        """The words of the command that writes into a folder."""
        return [*self.words, self.output, str(folder / self.name), *more]

    def results(self, folder: Path) -> dict[str, bytes]:
        """What the command found: all its files, without times and pictures of the screen."""
        root = folder / self.name
        paths = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): _content(path) for path in paths if path.suffix in KEPT}


# The report has the versions, and pictures of text; its numbers are those of the other files.
KEPT = (".json", ".csv", ".npz", ".md", ".calibration")
_SMALL = ("--solver", "ddim,dpmpp_2m", "--nfe", "3,4", "--reference-nfe", "20", "--resamples", "20", "--batch", "20")
COMMANDS: Mapping[str, Command] = {
    "table": Command(("table", "--models", "ddpm,sd2.1,sd3", "--nfe", "4,5"), "-o", "table"),
    "compare": Command(
        ("compare", "--model", "gaussian", *_SMALL, "--samples", "80", "--schedules", "trailing,hso"), "-o", "run"
    ),
    "calibrate": Command(
        ("calibrate", "--model", "mixture", "--images", "16", "--points", "12", "--batch", "2"), "-o", "m.calibration"
    ),
    "tune": Command(
        ("tune", "--model", "gaussian", "--nfe", "3", "--images", "24", "--batch", "4", "--budget", "4000"),
        "-o",
        "t.json",
    ),
    "demo": Command(("demo", "--samples", "50", "--nfe", "4"), "--out", "demo"),
}


def _content(path: Path) -> bytes:
    if path.suffix != ".json":
        return path.read_bytes()
    return json.dumps(_untimed(json.loads(path.read_text())), sort_keys=True).encode()


def _untimed(value: object) -> object:
    if isinstance(value, dict):
        return {name: _untimed(each) for name, each in value.items() if name not in TIMES}
    return [_untimed(each) for each in value] if isinstance(value, list) else value


class Trial(NamedTuple):
    """A command that is to be disturbed.

    Attributes:
        command: The command.
        folder: Its folder.
        seconds: How long it takes if it is not disturbed.
        rng: Draws the moment.
    """

    command: Command
    folder: Path
    seconds: float
    rng: random.Random

    def moment(self) -> float:
        """A random moment of a run."""
        return self.rng.uniform(0.0, self.seconds)


Problems = list[str]
Fault = Callable[[Trial], Problems]


def signalled(how: int, codes: tuple[int, ...], group: bool = False, processes: int = 1) -> Fault:
    """A signal at a random moment."""

    def fault(trial: Trial) -> Problems:
        several = ["--processes", str(processes)] if trial.command.words[0] == "compare" else []
        line = trial.command.line(trial.folder, *several)
        return _checked(*interrupted(line, trial.moment(), how, group), (0, *codes))

    return fault


def killed_worker(trial: Trial) -> Problems:
    """One of the processes of a comparison is killed; for other commands the command itself."""
    if trial.command.words[0] != "compare":
        return signalled(signal.SIGKILL, (-signal.SIGKILL,))(trial)
    import psutil

    running = Running(trial.command.line(trial.folder, "--processes", "3"))
    workers: list[psutil.Process] = []
    # What looks at a process, or kills it, may find that it has just ended.
    while not workers and not running.wait(0.02):
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(running.pid).children()
            workers = [each for each in children if "spawn_main" in " ".join(each.cmdline())]
    if not running.wait(trial.moment()) and workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            trial.rng.choice(workers).kill()
    return _checked(*running.ended(), (0, 2))


def full_disk(trial: Trial) -> Problems:
    """From a random moment on nothing can be written any more."""
    left, sync = itertools.count(trial.rng.randrange(1, 12), -1), os.fsync

    def full(handle: int) -> None:
        if next(left) <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    code, said = run(trial.command.line(trial.folder), lambda: setattr(os, "fsync", full))
    return _checked(code, said, (0, 2), "No space left on device")


def cut_off(trial: Trial) -> Problems:
    """The system refuses to write more than a few bytes into a file, in the middle of it."""
    import resource

    limit = trial.rng.choice([200, 500, 1500, 5000])
    limits = resource.RLIMIT_FSIZE, (limit, limit)
    code, said = run(trial.command.line(trial.folder), lambda: resource.setrlimit(*limits))
    return _checked(code, said, (0, 2), "File too large")


def _become_nobody() -> None:
    if os.getuid() == 0:
        os.setuid(NOBODY)


def read_only(trial: Trial) -> Problems:
    """Its folder can be read only. The superuser writes everywhere, and so becomes somebody else."""
    trial.folder.chmod(0o555)
    try:
        code, said = run(trial.command.line(trial.folder), _become_nobody)
    finally:
        trial.folder.chmod(0o755)
    return _checked(code, said, (2,), "Permission denied")


def two_writers(trial: Trial) -> Problems:
    """The same command twice at once."""
    both = [Running(trial.command.line(trial.folder)) for _ in range(2)]
    return [problem for each in both for problem in _checked(*each.ended(), (0, 2))]


def clock_jumps(trial: Trial) -> Problems:
    """The clock jumps a day forth and back, at every look at it."""
    days, now = itertools.cycle([0, 86400, -86400]), time.time
    code, said = run(trial.command.line(trial.folder), lambda: setattr(time, "time", lambda: now() + next(days)))
    return _checked(code, said, (0,))


def _checked(code: int, said: str, codes: tuple[int, ...], reason: str = "") -> Problems:
    """What is wrong with how a command ended."""
    found = [] if code in codes else [f"code {code} is none of {codes}: {said[-300:]}"]
    if "Traceback" in said or "HANGS" in said or "(a bug" in said:
        found.append(f"says {said[-800:]}")
    errors = [line for line in said.splitlines() if line.startswith("hso: error: ")]
    if code in (1, 2) and (len(errors) != 1 or reason not in errors[0]):
        found.append(f"says {said!r} and not {reason!r} in one line")
    return found


FAULTS: Mapping[str, Fault] = {
    "SIGINT": signalled(signal.SIGINT, (130,)),
    "SIGINT to all processes": signalled(signal.SIGINT, (130,), group=True, processes=2),
    "SIGTERM": signalled(signal.SIGTERM, (143,)),
    "SIGKILL": signalled(signal.SIGKILL, (-signal.SIGKILL,)),
    "killed worker": killed_worker,
    "full disk": full_disk,
    "file cut off": cut_off,
    "read-only folder": read_only,
    "two writers": two_writers,
    "clock jumps": clock_jumps,
}


def whole(command: Command, folder: Path) -> tuple[dict[str, bytes], float]:
    """The results of a run that nobody disturbs, and how long it takes."""
    # In this process, so that forks find imported whatever the command imports on its way. The second time it takes as long
    # as a fork.
    for _ in range(2):
        began = time.monotonic()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            main(command.line(folder))
        seconds, expected = time.monotonic() - began, command.results(folder)
        _remove(folder / command.name)
    return expected, seconds


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def after(command: Command, folder: Path, expected: Mapping[str, bytes]) -> Problems:
    """What is wrong after a fault: with the files that are there, and with the command that goes on."""
    found = [f"{path} is not whole" for path in _broken(folder)]
    code, said = run(command.line(folder))
    if code:
        return [*found, f"does not go on: {said[-300:]}"]
    if (results := command.results(folder)) != expected:
        different = [name for name in {*results, *expected} if results.get(name) != expected.get(name)]
        found.append(f"the results differ: {', '.join(sorted(different)[:3])}")
    parts = [path.name for path in folder.iterdir() if path.name.endswith(".part")]
    return found + [f"{name} is left" for name in parts]


def _broken(folder: Path) -> list[str]:
    """Files with a name of their own that are not whole."""
    broken = []
    for path in folder.rglob("*.json"):
        try:
            json.loads(path.read_text())
        except ValueError:
            broken.append(path.name)
    return broken


def disturb(names: list[str], faults: list[str], rounds: int, seed: int) -> int:
    """Every fault on every command, so many times; prints a line for each pair, and returns how many went wrong."""
    rng, wrong, count = random.Random(seed), 0, 0
    for name in names:
        command = COMMANDS[name]
        with tempfile.TemporaryDirectory() as folder:
            expected, seconds = whole(command, Path(folder))
        for fault in faults:
            found: Problems = []
            for _ in range(rounds):
                with tempfile.TemporaryDirectory() as folder:
                    found += FAULTS[fault](Trial(command, Path(folder), seconds, rng))
                    found += after(command, Path(folder), expected)
                count += 1
            wrong += bool(found)
            print(f"{name}, {fault}, {rounds} times: {'; '.join(found) if found else 'sound'}", flush=True)
    print(f"{count} faults, seed {seed}: {wrong} of {len(names) * len(faults)} pairs went wrong")
    return wrong


def kill_again_and_again(name: str, kills: int, seed: int) -> int:
    """Kill runs of a command at random moments until so many kills are done; returns how many runs ended differently."""
    command, rng, done, runs, wrong = COMMANDS[name], random.Random(seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        expected, seconds = whole(command, Path(folder))
    while done < kills:
        with tempfile.TemporaryDirectory() as folder:
            code = -signal.SIGKILL
            while code and done < kills:
                code, _ = interrupted(command.line(Path(folder)), rng.uniform(0, seconds), signal.SIGKILL)
                done += code == -signal.SIGKILL
            found = after(command, Path(folder), expected) if code else _same(command, Path(folder), expected)
        runs, wrong = runs + 1, wrong + bool(found)
        if found:
            print(f"{name}: {'; '.join(found)}", flush=True)
    print(f"{name}: {done} kills of {runs} runs, seed {seed}: {runs - wrong} ended like an undisturbed one")
    return wrong


def _same(command: Command, folder: Path, expected: Mapping[str, bytes]) -> Problems:
    return [] if command.results(folder) == expected else ["the results differ"]


def start_together(starts: int) -> int:
    """Start two comparisons with different seeds at once in one folder; returns how often other things happened."""
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        whole(COMMANDS["compare"], Path(folder))
    for _ in range(starts):
        with tempfile.TemporaryDirectory() as folder:
            ends[_ended_together(Path(folder))] += 1
    print(f"{starts} synchronized starts: " + ", ".join(f"{count} {end}" for end, count in ends.items()))
    return starts - ends[ONE_REFUSED]


def _ended_together(folder: Path) -> str:
    # Both wait until the other end of the pipe is closed, which both learn at the same moment.
    read, write = os.pipe()

    def wait() -> None:
        os.close(write)
        os.read(read, 1)

    command = COMMANDS["compare"]
    both = [Running(command.line(folder, "--samples", "20", "--seed", seed), wait) for seed in ("0", "1")]
    os.close(write)
    ended = [each.ended() for each in both]
    os.close(read)
    refused = [said for code, said in ended if code == 2]
    if sorted(code for code, _ in ended) == [0, 2] and "holds a run with seed" in refused[0]:
        return ONE_REFUSED
    return "both ran" if not any(code for code, _ in ended) else f"other ends {ended}"


def disturbed() -> int:
    """Disturb, kill or start together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=COMMANDS)
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=FAULTS)
    parser.add_argument("--rounds", type=int, default=4, help="how often each fault comes to each command")
    parser.add_argument("--kills", type=int, help="instead: kills of calibrate and of tune")
    parser.add_argument("--starts", type=int, help="instead: synchronized starts")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.starts is not None:
        return int(start_together(options.starts) > 0)
    if options.kills is not None:
        return int(sum(kill_again_and_again(name, options.kills, options.seed) for name in ("calibrate", "tune")) > 0)
    return int(disturb(options.commands, options.faults, options.rounds, options.seed) > 0)


if __name__ == "__main__":
    sys.exit(disturbed())
