"""Schedules that are run for real: rollouts, their true loss, and the search by them (:func:`hso.tune`)."""
