"""The pictures of a comparison, as addresses that contain them: metrics against budgets, samples, schedules."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from hso.comparison.outcome import JudgedEntry, Outcome
from hso.comparison.report.plots import COLOURS, MARKERS, image_grid, new_figure, plain, plot_schedules
from hso.comparison.statistics.metrics import METRICS

# Number of schedules that are drawn; more could not be told apart.
DRAWN = len(COLOURS)
# Distance between the bars of neighbours, as a share of the axis; without it one would hide another.
ASIDE = 0.008


def curves(outcome: Outcome, metric: str) -> str:
    """A metric against the number of network calls, one panel for each solver, and the reference's figure."""
    solvers = list(dict.fromkeys(solver for solver, _ in outcome.cells))
    budgets = sorted({nfe for _, nfe in outcome.cells})
    figure = new_figure(4.2 * len(solvers) + 1.6, 3.6)
    step = ASIDE * max(budgets[-1] - budgets[0], 1)
    names = _drawn(outcome)
    for axes, solver in zip(figure.subplots(1, len(solvers), squeeze=False, sharey=True)[0], solvers, strict=True):
        for index, name in enumerate(names):
            rows = [row for row in outcome.rows if row.entry.solver == solver and name in row.names]
            places = [row.entry.nfe + step * (index - (len(names) - 1) / 2) for row in rows]
            points = [row.figures[metric] for row in rows]
            low, high = np.array([point.interval() for point in points]).reshape(-1, 2).T
            style = {"marker": MARKERS[index], "markersize": 5, "linewidth": 1.2}
            axes.plot(places, [point.value for point in points], label=plain(name), color=COLOURS[index], **style)
            axes.vlines(places, low, high, color=COLOURS[index], linewidth=1.2)
        if METRICS[metric].of_data:
            own = outcome.reference.figures[metric].value
            axes.axhline(own, color="0.4", linestyle="--", linewidth=1, label="reference")
        axes.set(title=plain(solver), xlabel="network calls", ylabel=METRICS[metric].title, xticks=budgets)
        axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1))
    return _address(figure)


def samples(outcome: Outcome) -> str:
    """A grid of images: the reference on top, and below it the best contestants of the first cell.

    The text is empty if the states are not images.
    """
    reference = {f"reference, {outcome.plan.reference.nfe}": outcome.pictures(outcome.reference)}
    shown = reference | {row.names[0]: outcome.pictures(row) for row in _leaders(outcome)}
    return _address(image_grid({"": shown})) if all(map(len, shown.values())) else ""


def schedules(outcome: Outcome) -> str:
    """Where the leaders of the first cell call the network."""
    solver, nfe = outcome.cells[0]
    leaders = {row.names[0]: row.entry.schedule for row in _leaders(outcome)}
    return _address(plot_schedules({f"{solver}, {nfe} network calls": leaders}))


def _drawn(outcome: Outcome) -> list[str]:
    """The first of the standings, without second names of the same schedules."""
    firsts = {row.names[0] for row in outcome.rows}
    return [each.name for each in outcome.standings(outcome.metrics[0]) if each.name in firsts][:DRAWN]


def _leaders(outcome: Outcome) -> list[JudgedEntry]:
    return outcome.cell(*outcome.cells[0], outcome.metrics[0])[:DRAWN]


def _address(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
