"""A comparison as data: JSON and CSV, and the words that explain its columns."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hso.comparison.outcome import Outcome, Row
from hso.comparison.report.page import html_report
from hso.files import write_atomic
from hso.version import VERSION

COLUMNS = ("solver", "nfe", "schedules", "terminal", "times")


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Settings, refusals and all rows, numbers as they are.

    A figure is its value from all images, the value corrected for their number, an interval, and whether the interval of
    the difference says that the best of the same solver and budget is better.
    """
    return {
        "hso": VERSION,
        "subject": outcome.subject,
        "images": outcome.images,
        "caution": outcome.caution or None,
        "settings": json.loads(json.dumps(dataclasses.asdict(outcome.settings), default=str)),
        "reference": _figures(outcome, outcome.reference),
        "refused": [refusal._asdict() for refusal in outcome.plan.refused],
        "rows": [{**_described(row), "figures": _figures(outcome, row)} for row in outcome.rows],
    }


def to_csv(outcome: Outcome) -> str:
    """One line for each row."""
    rows = [{**_described(row), **_flat(_figures(outcome, row))} for row in outcome.rows]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {**row, "schedules": " ".join(row["schedules"]), "times": " ".join(map(str, row["times"]))} for row in rows
    )
    return buffer.getvalue()


def write(outcome: Outcome) -> list[Path]:
    """Write comparison.json, comparison.csv and report.html into the run's folder.

    Raises:
        FileError: If one cannot be written.
        MissingExtraError: If matplotlib is not installed.
    """
    contents = {
        "comparison.json": json.dumps(to_json(outcome), indent=2) + "\n",
        "comparison.csv": to_csv(outcome),
        "report.html": html_report(outcome),
    }
    for name, content in contents.items():
        write_atomic(outcome.store.folder / name, content.encode())
    return [outcome.store.folder / name for name in contents]


def _described(row: Row) -> dict[str, Any]:
    schedule = row.entry.schedule
    terminal = "clean" if schedule.ends_clean else schedule.terminal
    values = (row.entry.solver, row.entry.nfe, list(row.names), terminal, schedule.times.tolist())
    return dict(zip(COLUMNS, values, strict=True))


def _figures(outcome: Outcome, row: Row) -> dict[str, Any]:
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
