"""Runs: their settings, their plan and their work, which processes share and which can be stopped at any time."""
