"""A comparison of few schedules as pictures and a table: what ``hso demo`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hso.comparison.outcome import JudgedEntry, Outcome
from hso.comparison.report.files import to_json
from hso.comparison.report.plots import image_grid, plot_schedules, save_figure
from hso.comparison.runs.plan import REFERENCE_RULE
from hso.comparison.statistics.metrics import METRICS
from hso.files import make_folder, write_atomic
from hso.noise import NoiseSchedule
from hso.schedule import SamplingSchedule

COLUMNS = 10
# A difference of a third of the whole range from black to white is shown as white.
GAIN = 3
LEGEND = (
    "Bold is the best of its solver and number of calls; = is not told apart from it by a 95% interval of the difference. "
    "Every schedule starts from the same noise and is asked for the same labels. table.json has the intervals."
)
Images = np.ndarray[Any, np.dtype[np.uint8]]


class Showcase:
    """The pictures and the table of an outcome.

    Args:
        outcome: The outcome.
        names: How to call the contestants, in the order of the rows.
        noise: The model's noise schedule.
    """

    def __init__(self, outcome: Outcome, names: Mapping[str, str], noise: NoiseSchedule) -> None:
        self.outcome, self.names, self.noise = outcome, names, noise
        self.heads = ("solver", "calls", "schedule", "timesteps", *(METRICS[name].title for name in outcome.metrics))

    def write(self, folder: Path) -> list[Path]:
        """Write everything, and return what a person would look at.

        Raises:
            FileError: If a file cannot be written.
            MissingExtraError: If matplotlib is not installed.
        """
        make_folder(folder / "schedules")
        for row in self.outcome.rows:
            for name in self._named(row):
                file = f"{row.entry.solver}-{row.entry.nfe}-{name.lower()}.json".replace(":", "-")
                row.entry.schedule.save(folder / "schedules" / file)
        lines = [self.heads, tuple("---" for _ in self.heads), *self.table(("**{}**", "{} =", "{}"))]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        write_atomic(folder / "table.md", f"{self.title}.\n\n{table}\n{LEGEND}\n".encode())
        write_atomic(folder / "table.json", (json.dumps(to_json(self.outcome), indent=2) + "\n").encode())
        save_figure(self._schedules(), folder / "schedules.png")
        drawn = {"closeup.png": self._closeup(), "grid.png": self._grid(), "differences.png": self._differences()}
        for name, figure in drawn.items():
            save_figure(figure, folder / name)
        return [folder / name for name in (*drawn, "schedules.png", "table.md")]

    @property
    def title(self) -> str:
        """What was done."""
        settings = self.outcome.settings
        guidance = f"guidance {settings.subject.guidance:g}, seed {settings.subject.seed}"
        return f"{self.outcome.images} images for each schedule, {guidance}"

    def table(self, marks: tuple[str, str, str] = ("{} *", "{} =", "{}")) -> list[tuple[str, ...]]:
        """The rows as text, under ``heads``; the marks are for the best, those not told apart from it, and the others."""
        style = dict(zip(("best", "tied", ""), marks, strict=True))
        reference = self.outcome.reference
        own = [self._figure(reference, metric) if METRICS[metric].of_data else "-" for metric in self.outcome.metrics]
        rows = [(reference.entry.solver, str(reference.entry.nfe), "reference", REFERENCE_RULE, *own)]
        for row in self.outcome.rows:
            figures = [
                style[self.outcome.verdict(row, metric)].format(self._figure(row, metric))
                for metric in self.outcome.metrics
            ]
            start = (row.entry.solver, str(row.entry.nfe), " = ".join(self._named(row)))
            rows.append((*start, " ".join(map(str, row.entry.schedule.timesteps)), *figures))
        return rows

    @staticmethod
    def _figure(row: JudgedEntry, metric: str) -> str:
        return f"{row.figures[metric].value:.3g}"

    def _named(self, row: JudgedEntry) -> list[str]:
        return [self.names[name] for name in row.names]

    def _schedules(self) -> Any:
        """One panel for each number of calls. Solvers with the same schedule are named together."""
        panels: dict[str, dict[str, SamplingSchedule]] = {}
        for nfe in dict.fromkeys(row.entry.nfe for row in self.outcome.rows):
            users: dict[tuple[str, SamplingSchedule], list[str]] = {}
            for name in self.names.values():
                for row in self.outcome.rows:
                    if row.entry.nfe == nfe and name in self._named(row):
                        users.setdefault((name, row.entry.schedule), []).append(row.entry.solver)
            panels[f"{nfe} network calls"] = {
                f"{name} ({', '.join(solvers)})": schedule for (name, schedule), solvers in users.items()
            }
        return plot_schedules(panels, self.noise)

    def _grid(self) -> Any:
        """A block for each solver, in it the reference and a row for each number of calls and schedule."""
        title = f"The same noise and labels in every row, {self._guidance}"
        return self._drawn(self._images(), title)

    def _differences(self) -> Any:
        """The grid of what differs from the reference."""
        blocks = {solver: _from_first(rows) for solver, rows in self._images().items()}
        return self._drawn(blocks, f"Differences from the reference, times {GAIN}, {self._guidance}")

    def _closeup(self) -> Any:
        """Images of the last solver at the middle number of calls, and beside them the differences from the reference."""
        solver, _ = self.outcome.cells[-1]
        budgets = [nfe for each, nfe in self.outcome.cells if each == solver]
        nfe = budgets[len(budgets) // 2]
        rows = self._images([(solver, nfe)])[solver]
        title = f"{solver}, {nfe} network calls, {self._guidance}"
        return image_grid(
            {"images": rows, f"differences from the reference, times {GAIN}": _from_first(rows)}, title, COLUMNS
        )

    @property
    def _guidance(self) -> str:
        return f"guidance {self.outcome.settings.subject.guidance:g}"

    def _images(self, cells: list[tuple[str, int]] | None = None) -> dict[str, dict[str, Images]]:
        """The images by solver: first the reference's, then those of each number of calls and schedule."""
        cells = self.outcome.cells if cells is None else cells
        first = f"reference, {self.outcome.reference.entry.nfe} calls"
        blocks = {solver: {first: self.outcome.pictures(self.outcome.reference)} for solver, _ in cells}
        for row in self.outcome.rows:
            if (row.entry.solver, row.entry.nfe) in cells:
                for name in self._named(row):
                    blocks[row.entry.solver][f"{row.entry.nfe} calls, {name}"] = self.outcome.pictures(row)
        return blocks

    def _drawn(self, blocks: dict[str, dict[str, Images]], title: str) -> Any:
        count = len(next(iter(blocks.values())))
        return image_grid(blocks, title, COLUMNS, groups=range(1, count, len(self.names)))


def _from_first(rows: dict[str, Images]) -> dict[str, Images]:
    """What differs from the first row."""
    reference = next(iter(rows.values())).astype(int)
    return {name: np.minimum(GAIN * abs(images - reference), 255).astype(np.uint8) for name, images in rows.items()}
