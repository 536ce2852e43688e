"""``hso explore``: a page on this machine to look at schedules, to move their nodes, and to take them elsewhere."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from hso.cli import options, views
from hso.errors import ArgumentError, check_integer
from hso.models.calibration import Calibration
from hso.noise import NoiseSchedule, presets

EPILOG = """
[bold]Examples[/bold]

hso explore

hso explore --noise path/to/model --nfe 6 --solver unipc --calibration model.calibration

hso explore --run runs/mine

hso explore --export site/explore
"""
MOST_PORT = 65535


class Stopped(BaseException):
    """A signal ended the page. This is the usual end, so nothing is printed.

    Args:
        status: The exit code.
    """

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explore", epilog=EPILOG)(command)


def command(
    *,
    noise: Annotated[
        str | None, typer.Option(help="The first model: a preset, a scheduler_config.json, a model folder, or digits.")
    ] = None,
    nfe: Annotated[int, typer.Option(parser=options.integer, metavar="N", help="Number of network calls.")] = 5,
    solver: Annotated[str | None, typer.Option(metavar="NAME", help="The solver; by default each model's own.")] = None,
    calibration: Annotated[Path | None, typer.Option(metavar="FILE", help="A file of hso calibrate.")] = None,
    run: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of a comparison, to see its images.")] = None,
    port: Annotated[int, typer.Option(parser=options.integer, metavar="P", help="0 picks a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open no browser.")] = False,
    export: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the page with precomputed schedules, and serve nothing.")
    ] = None,
) -> None:
    """Look at schedules in a browser: move a node and see at once what the objective says about it.

    The page is served to this machine only, until Ctrl-C.
    """
    from hso.explore.answers import Explorer
    from hso.explore.server import Page
    from hso.explore.state import State

    if export is not None:
        _export(export, {"noise": noise, "solver": solver, "calibration": calibration, "run": run})
        return
    check_integer("port", port, 0, MOST_PORT)
    measured = None if calibration is None else Calibration.load(calibration)
    name, own = _model(noise, measured)
    first: dict[str, Any] = {"noise": name, "nfe": nfe, "calibrated": measured is not None}
    first |= {} if solver is None else {"solver": solver}
    explorer = Explorer(own, measured, run, first)
    # An option that is wrong is an error of the command, not of the page.
    explorer.view(State.read(first))
    with _ends_quietly(), Page(explorer, port) as page:
        views.say(f"{page.address}  (Ctrl-C ends it)")
        # Whoever reads the address from a pipe needs it now.
        sys.stdout.flush()
        if not no_browser:
            _open(page.address)
        page.serve_forever()


def _export(folder: Path, others: dict[str, Any]) -> None:
    """Write the page as files.

    Raises:
        ArgumentError: If an option was given that the files would ignore.
    """
    from hso.explore.static_export import write

    for name, value in others.items():
        if value is not None:
            raise ArgumentError(name, "none with --export, which has all presets and nothing else", value)
    views.note("computing the schedules of all presets; it takes about a minute")
    for path in write(folder):
        views.note(f"wrote {path}")


def _model(noise: str | None, calibration: Calibration | None) -> tuple[str, dict[str, NoiseSchedule]]:
    """The name of the first model, and its noise schedule if the page does not know it."""
    if noise is None and calibration is not None and calibration.noise_name not in (*presets(), options.BUNDLED):
        raise ArgumentError("noise", "the model of the calibration", noise, f"it was made for {calibration.noise_name}")
    name = noise or ("sd2.1" if calibration is None else calibration.noise_name)
    source = options.noise_schedule(name)
    known = name == options.BUNDLED or name in presets()
    return (name, {}) if known else (source.name, {source.name: source})


def _open(address: str) -> None:
    """Open a browser in another thread. A text browser blocks its thread, and this thread has to serve."""
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


@contextmanager
def _ends_quietly() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the page without a word, with the usual exit codes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        raise Stopped(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
