"""All commands, and how an error looks to the user: one line, and exit code 2.

Typer's boxes and Rich's tracebacks are off. Only a command that needs a heavy package imports it.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from hso.cli import calibrate, compare, convert, demo, explore, lint, optimize, presets, rule, show, table, tune
from hso.errors import ArgumentError, HSOError, printable
from hso.version import VERSION

UNFORESEEN, BAD_INPUT, INTERRUPTED, TERMINATED = 1, 2, 130, 143
# The base class of all usage errors of Typer. Older versions of Typer use the one of Click, and newer versions have a
# copy of Click inside.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
# A user can set this environment variable to see the traceback of an unexpected error.
TRACEBACK = "HSO_TRACEBACK"
# Arguments of the library that options with other names set.
OTHER_NAMES = {"start": ("strength", "start-sigma"), "nodes": ("per-expert",), "noise": ("models",), "x": ("images",)}

app = typer.Typer(
    name="hso",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
# A new command is one file and one entry here.
COMMANDS = (optimize, calibrate, tune, rule, presets, show, convert, lint, table, demo, compare, explore)
for module in COMMANDS:
    module.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"hso {VERSION}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Which N noise levels should a diffusion sampler evaluate the network at?"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 is success, 2 is bad input (one line on standard error says what), 130 is an interrupt, 143 is an end by SIGTERM, and
    1 is anything else.

    Args:
        arguments: The words after the program's name; by default the arguments of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    _make_streams_safe()
    came: list[type[BaseException]] = []
    try:
        # Typer turns some interrupts into this exit code and others into Abort, so both are handled.
        with _ends_in_order(came):
            status = app(words or ["--help"], prog_name="hso", standalone_mode=False)
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except explore.Stopped as end:
        return end.status
    except (Exception, KeyboardInterrupt, _Terminated) as error:
        # An interrupted library may raise an error of its own, for example that it cannot load weights. The signal is
        # the real cause.
        text, status = _explain(came[0]() if came else error, words)
        print("hso: error:", printable(" ".join(text.split())), file=sys.stderr)
    return status or 0


class _Terminated(BaseException):
    """SIGTERM came."""


# What ends a command from outside, what is said of it, and the exit code.
ENDS: Mapping[type[BaseException], tuple[str, int]] = {
    KeyboardInterrupt: ("interrupted", INTERRUPTED),
    typer.Abort: ("interrupted", INTERRUPTED),
    _Terminated: ("terminated", TERMINATED),
    MemoryError: ("there is not enough memory for this; ask for less at once", UNFORESEEN),
}


# For each signal, the exception that the command raises, and the handler that Python itself installs.
SIGNALS: Mapping[signal.Signals, tuple[type[BaseException], Any]] = {
    signal.SIGINT: (KeyboardInterrupt, signal.default_int_handler),
    signal.SIGTERM: (_Terminated, signal.SIG_DFL),
}


@contextmanager
def _ends_in_order(came: list[type[BaseException]]) -> Iterator[None]:
    """Let SIGTERM end the command as an interrupt does, so that temporary files are removed and helpers are ended.

    What the signals raise is written down in ``came``.
    """

    def end(number: int, _: object) -> None:
        came.append(SIGNALS[signal.Signals(number)][0])
        raise came[-1]

    # Only the main thread may choose, and a program that has chosen before keeps its choice.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = {number: usual for number, (_, usual) in SIGNALS.items() if signal.getsignal(number) == usual}
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, usual in ours.items():
            signal.signal(number, usual)


def _make_streams_safe() -> None:
    """Let the output be lost where the caller closed it, and escape what the encoding of a stream does not have."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _explain(error: BaseException, words: Sequence[str]) -> tuple[str, int]:
    """The text for an error, and the exit code."""
    if isinstance(error, HSOError):
        return _as_typed(error, words), BAD_INPUT
    if isinstance(error, UsageError):
        return _usage(error, words), BAD_INPUT
    for kind, (text, status) in ENDS.items():
        if isinstance(error, kind):
            return text, status
    if isinstance(error, OSError) and error.strerror:
        return _named(error), UNFORESEEN
    if os.environ.get(TRACEBACK):
        raise error
    return f"unexpected {type(error).__name__}: {error} (a bug; {TRACEBACK}=1 shows where)", UNFORESEEN


def _named(error: OSError) -> str:
    """The text of an error of the operating system, with the file, if there is one."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    try:
        os.getcwd()
    except OSError:
        return f"the working directory: {error.strerror}; was it deleted?"
    return str(error.strerror)


def _as_typed(error: HSOError, words: Sequence[str]) -> str:
    """The text of an error. It names an argument as it is typed in the command line: ``--nfe`` instead of ``nfe``."""
    if isinstance(error, ArgumentError):
        typed = [word.partition("=")[0] for word in words]
        for name in (error.argument, *OTHER_NAMES.get(error.argument, ())):
            option = "--" + name.replace("_", "-")
            if option in typed:
                return option + str(error).removeprefix(error.argument)
    return str(error)


def _usage(error: Exception, words: Sequence[str]) -> str:
    text = getattr(error, "format_message", error.__str__)().rstrip(".")
    context = getattr(error, "ctx", None)
    command = f"hso {words[0]}" if context is None else context.command_path
    return f"{text} (try: {command} --help)"


def _reader_left() -> int:
    """Handle a closed pipe: nobody reads the output any more, and the flush at exit must not raise another error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
