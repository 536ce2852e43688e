"""Installs the library when the program starts, if it is not there."""

import launch

if not launch.is_installed("hso"):
    launch.run_pip("install hso", "hso for the schedule type HSO")
