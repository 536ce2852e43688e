"""Runs that share their work among processes, can be stopped, and go on."""
