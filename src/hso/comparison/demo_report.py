"""The demo's outcome as files: a picture grid, a plot of the schedules, a table, and the schedules themselves."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hso.comparison.demo import REFERENCE, Outcome, Row, Settings
from hso.comparison.report.plots import image_grid, plot_schedules, save_figure
from hso.files import make_folder, write_atomic
from hso.schedule import SamplingSchedule
from hso.version import VERSION

COLUMNS = ("solver", "NFE", "schedule", "timesteps", "lands on", "MEP", "least gap", "accuracy", "Frechet", "error")
LEGEND = (
    "least gap: in t, between neighbouring knots. accuracy: share that the bundled classifier takes for the digit asked "
    "for. Frechet: squared distance to the data in its features. error: RMS difference from the reference, from the same "
    "noise. MEP is of the knots alone, without the step to the clean sample: rows with other ends do not compare by it."
)


def prepare(folder: Path) -> None:
    """Make the folders, so that a demo that cannot be kept fails before it runs.

    Raises:
        FileError: If they cannot be made.
    """
    for path in (folder, folder / "schedules"):
        make_folder(path)


def table(outcome: Outcome) -> list[tuple[str, ...]]:
    """The rows as text, under ``COLUMNS``."""
    return [
        (
            row.solver,
            str(row.schedule.nfe),
            row.name,
            "uniform in lambda" if row.name == REFERENCE else " ".join(map(str, row.schedule.timesteps)),
            _terminal(row.schedule),
            f"{figures.mep:.3f}",
            f"{figures.least_gap:.3f}",
            f"{figures.accuracy:.3f}",
            f"{figures.frechet:.2f}",
            f"{figures.error:.4f}",
        )
        for row, figures in zip(outcome.rows, outcome.figures, strict=True)
    ]


def to_json(outcome: Outcome, settings: Settings) -> dict[str, Any]:
    """The settings and the rows, with figures as numbers."""
    rows = [
        {
            "solver": row.solver,
            "nfe": row.schedule.nfe,
            "schedule": row.name,
            "timesteps": row.schedule.timesteps.tolist(),
            "terminal": _terminal(row.schedule),
            **figures._asdict(),
        }
        for row, figures in zip(outcome.rows, outcome.figures, strict=True)
    ]
    return {"hso": VERSION, "noise": outcome.noise.name, **dataclasses.asdict(settings), "rows": rows}


def write(outcome: Outcome, settings: Settings, folder: Path) -> list[Path]:
    """Write everything, and return what a person would look at.

    Raises:
        FileError: If a file cannot be written.
        MissingExtraError: If matplotlib is not installed.
    """
    lines = [COLUMNS, tuple("---" for _ in COLUMNS), *table(outcome)]
    markdown = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    heading = f"{settings.samples} samples in each row, guidance {settings.guidance:g}, seed {settings.seed}."
    write_atomic(folder / "table.md", f"{heading}\n\n{markdown}\n{LEGEND}\n".encode())
    write_atomic(folder / "table.json", (json.dumps(to_json(outcome, settings), indent=2) + "\n").encode())
    for row in outcome.rows:
        name = f"{row.solver}-{row.schedule.nfe}-{row.name.partition(' ')[0].lower()}.json"
        row.schedule.save(folder / "schedules" / name)
    save_figure(_schedules(outcome), folder / "schedules.png")
    save_figure(_grid(outcome, settings), folder / "grid.png")
    return [folder / name for name in ("grid.png", "schedules.png", "table.md")]


def _terminal(schedule: SamplingSchedule) -> str:
    return "clean" if schedule.ends_clean else f"t={schedule.terminal_time:.3g}"


def _schedules(outcome: Outcome) -> Any:
    compared = outcome.rows[1:]
    panels = {
        f"{nfe} evaluations": _by_name([row for row in compared if row.schedule.nfe == nfe])
        for nfe in dict.fromkeys(row.schedule.nfe for row in compared)
    }
    return plot_schedules(panels, outcome.noise)


def _by_name(rows: Sequence[Row]) -> dict[str, SamplingSchedule]:
    """Schedules by name; solvers that share one are named together."""
    users: dict[tuple[str, SamplingSchedule], list[str]] = {}
    for row in sorted(rows, key=lambda row: not row.name.startswith("default")):
        users.setdefault((row.name, row.schedule), []).append(row.solver)
    return {f"{name}\n{', '.join(solvers)}": schedule for (name, schedule), solvers in users.items()}


def _grid(outcome: Outcome, settings: Settings) -> Any:
    blocks: dict[str, dict[str, Any]] = {}
    reference = outcome.images[0]
    for row, images in zip(outcome.rows[1:], outcome.images[1:], strict=True):
        label = f"{row.schedule.nfe} evaluations, {row.name.partition(' ')[0]}"
        first = {f"{REFERENCE}, {outcome.rows[0].schedule.nfe} evaluations": reference}
        blocks.setdefault(row.solver, first)[label] = images
    count = len(next(iter(blocks.values())))
    title = f"The same noise and the same digits in every row, guidance {settings.guidance:g}"
    return image_grid(blocks, title, columns=10, groups=range(1, count, 3))
