"""The command line: parse, call, print. Nobody imports it."""

from hso.cli.app import main

__all__ = ["main"]
