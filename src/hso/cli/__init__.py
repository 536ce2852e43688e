"""The command line: parse, call, print. Nobody imports it."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; see :func:`hso.cli.app.main`."""
    try:
        # It takes a moment to import the packages, and an interrupt may come then too.
        from hso.cli import app
    except KeyboardInterrupt:
        print("hso: error: interrupted", file=sys.stderr)
        return 130
    return app.main(arguments)


__all__ = ["main"]
