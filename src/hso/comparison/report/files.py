"""A comparison as data: JSON and CSV, and the words that explain its columns."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hso.comparison.outcome import JudgedEntry, Outcome
from hso.comparison.report.page import html_report
from hso.comparison.report.plots import new_figure
from hso.comparison.runs.settings import plain_settings
from hso.files import make_folder, write_inside
from hso.version import VERSION

COLUMNS = ("solver", "nfe", "schedules", "terminal", "times", "preparation")


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Settings, what was refused, and all rows, with the numbers as they are.

    A figure has its value from all images, the value corrected for their number, an interval, and whether the interval of
    the difference says that the best schedule of the same cell is better. A row's preparation is the number of network
    calls that it took to find the schedule, for each contestant that made some.
    """
    return {
        "hso": VERSION,
        "subject": outcome.subject,
        "images": outcome.images,
        "caution": outcome.caution or None,
        "settings": {**plain_settings(outcome.settings), "subject": plain_settings(outcome.settings.subject)},
        "reference": _figures(outcome, outcome.reference),
        "refused": [each._asdict() for each in outcome.plan.refused],
        "rows": [{**_described(row), "figures": _figures(outcome, row)} for row in outcome.rows],
    }


def to_csv(outcome: Outcome) -> str:
    """One line for each row."""
    rows = [{**_described(row), **_flat(_figures(outcome, row))} for row in outcome.rows]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {
            **row,
            "schedules": " ".join(row["schedules"]),
            "times": " ".join(map(str, row["times"])),
            "preparation": " ".join(f"{name}={calls}" for name, calls in row["preparation"].items()),
        }
        for row in rows
    )
    return buffer.getvalue()


def check_ready() -> None:
    """Find out, before the work, whether a report can be drawn after it.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    new_figure(1, 1)


def write(outcome: Outcome, folder: Path) -> list[Path]:
    """Write comparison.json, comparison.csv and report.html into a folder, which is made if it is missing.

    Raises:
        FileError: If one cannot be written.
        MissingExtraError: If matplotlib is not installed.
    """
    contents = {
        "comparison.json": json.dumps(to_json(outcome), indent=2) + "\n",
        "comparison.csv": to_csv(outcome),
        "report.html": html_report(outcome),
    }
    make_folder(folder)
    for name, content in contents.items():
        write_inside(folder / name, content.encode())
    return [folder / name for name in contents]


def _described(row: JudgedEntry) -> dict[str, Any]:
    schedule = row.entry.schedule
    terminal = "clean" if schedule.ends_clean else schedule.terminal
    entry = row.entry
    values = (entry.solver, entry.nfe, list(row.names), terminal, schedule.times.tolist(), dict(entry.preparation))
    return dict(zip(COLUMNS, values, strict=True))


def _figures(outcome: Outcome, row: JudgedEntry) -> dict[str, Any]:
    found = {}
    for metric, measured in row.figures.items():
        low, high = measured.interval()
        beaten = row is not outcome.reference and outcome.is_beaten(row, metric)
        found[metric] = {
            "value": measured.value,
            "corrected": measured.corrected,
            "low": low,
            "high": high,
            "beaten": beaten,
        }
    return found


def _flat(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{metric}_{name}": value for metric, figure in figures.items() for name, value in figure.items()}
