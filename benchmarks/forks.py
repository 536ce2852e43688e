"""Commands that begin at once, in processes of their own: forks of this process, with all that it has imported."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable

from hso.cli import main

# A command that takes more seconds than this hangs.
LIMIT = 300.0


class Running:
    """A command that runs.

    Args:
        line: Its words.
        prepare: Called in its process, before it begins.
    """

    def __init__(self, line: list[str], prepare: Callable[[], object] = lambda: None) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it has ended
        self.pid = os.fork()
        self.code: int | None = None
        if self.pid == 0:
            self._become(line, prepare)

    def _become(self, line: list[str], prepare: Callable[[], object]) -> None:
        code = 130
        try:
            os.setsid()
            # A shell starts background jobs with interrupts ignored, and forks inherit that.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(self._said.fileno(), 2)
            # Those of this process may be no longer what they were, as under a test runner.
            sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
            prepare()
            code = main(line)
            sys.stderr.flush()
        finally:
            os._exit(code)

    def wait(self, seconds: float = LIMIT) -> bool:
        """Wait until it ends; false if it does not within so many seconds."""
        end = time.monotonic() + seconds
        while self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                return False
            else:
                time.sleep(0.002)
        return True

    def ended(self) -> tuple[int, str]:
        """Its exit code, and what it said on standard error. A command that hangs is killed."""
        hangs = not self.wait()
        if hangs:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace") + ("HANGS" if hangs else "")
        self._said.close()
        return (-signal.SIGKILL if self.code is None else self.code), said


def run(line: list[str], prepare: Callable[[], object] = lambda: None) -> tuple[int, str]:
    """Run a command to its end; its exit code, and what it said on standard error."""
    return Running(line, prepare).ended()


def interrupted(line: list[str], moment: float, how: int, group: bool = False) -> tuple[int, str]:
    """Run a command that gets a signal at a moment; its exit code, and what it said on standard error."""
    running = Running(line)
    if not running.wait(moment):
        (os.killpg if group else os.kill)(running.pid, how)
    return running.ended()
