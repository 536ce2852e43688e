"""A comparison as one HTML file that needs nothing beside it: what was done, what came out, and what the words mean."""

from __future__ import annotations

import base64
import io
import platform
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import metadata
from typing import Any

import numpy as np

from hso.evaluation.outcome import Outcome, Row
from hso.evaluation.plan import REFERENCE
from hso.evaluation.plots import COLOURS, MARKERS, new_figure, plot_schedules
from hso.evaluation.statistics import CONFIDENCE
from hso.version import VERSION

MEANINGS = {
    "reference": "Frechet distance between the schedule's samples and those of the reference, which takes many steps from "
    "the same noise: what the schedule costs, for someone who wants what the model gives with many steps.",
    "data": "Frechet distance between the schedule's samples and the data. Under guidance the model's own distribution is "
    "far from the data, and the reference's own value, given above the tables, is no lower bound.",
    "error": "Root mean square difference from the reference's samples, image by image from the same noise.",
}
TITLES = {"reference": "Frechet to reference", "data": "Frechet to data", "error": "RMS error"}
PACKAGES = ("numpy", "scipy", "torch", "diffusers")
# Schedules that are drawn: more cannot be told apart.
DRAWN = len(COLOURS)
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left }
td.best { font-weight: bold } td.tied { background: #e6f2e6 } td small { color: #777 }
img { max-width: 100% } dt { font-weight: bold } summary { cursor: pointer; font-weight: bold }
"""


def html_report(outcome: Outcome) -> str:
    """The report.

    Raises:
        MissingExtraError: If matplotlib is not installed.
    """
    title = f"Sampling schedules for {outcome.subject}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _introduction(outcome),
        "<h2>What came out</h2>",
        _summary(outcome),
        *(f'<img alt="{TITLES[m]} against evaluations" src="{_png(_curves(outcome, m))}">' for m in outcome.metrics),
        "<h2>Samples</h2>",
        _pictures(outcome),
        "<h2>All schedules</h2>",
        _meanings(outcome),
        *_tables(outcome),
        _refusals(outcome),
        "<h2>How it was made</h2>",
        _settings(outcome),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def verdict(outcome: Outcome, row: Row, metric: str) -> str:
    """What may be said of a row: "best", "tied" (not told apart from the best) or nothing."""
    if outcome.best(row.entry.solver, row.entry.nfe, metric) is row:
        return "best"
    return "" if outcome.is_beaten(row, metric) else "tied"


def label(row: Row) -> str:
    """The contestants of a row."""
    return " = ".join(row.names)


def cells(outcome: Outcome) -> list[tuple[str, int]]:
    """The solvers and budgets, in order."""
    return list(dict.fromkeys((row.entry.solver, row.entry.nfe) for row in outcome.rows))


def ranking(outcome: Outcome, metric: str) -> list[str]:
    """All contestants, those served most often first, then by their mean rank."""
    ranks: dict[str, list[int]] = {}
    for solver, nfe in cells(outcome):
        for rank, row in enumerate(outcome.cell(solver, nfe, metric)):
            for name in row.names:
                ranks.setdefault(name, []).append(rank)
    return sorted(ranks, key=lambda name: (-len(ranks[name]), float(np.mean(ranks[name]))))


def _introduction(outcome: Outcome) -> str:
    settings = outcome.settings
    return (
        "<p>A diffusion or flow model is sampled by calling its network at a few noise levels; a <em>sampling "
        "schedule</em> says which. This report compares schedules on one model. With each schedule and solver were drawn "
        f"{outcome.images} images (of {settings.samples} that were asked for), always from the same initial noise, "
        f"and the images were compared with those of a reference of {outcome.plan.reference.nfe} network evaluations"
        " and with the data, where they are known.</p>"
        "<p>The figures come from a finite number of images. A schedule is called better than another only if a "
        f"{CONFIDENCE:.0%} bootstrap interval of their <em>difference</em>, over the same images, excludes zero.</p>"
    )


def _summary(outcome: Outcome) -> str:
    metric = outcome.metrics[0]
    rows = []
    for solver, nfe in cells(outcome):
        ranked = outcome.cell(solver, nfe, metric)
        tied = [label(row) for row in ranked[1:] if not outcome.is_beaten(row, metric)]
        rows.append([f"{solver}, {nfe}", label(ranked[0]), ", ".join(tied) or "none"])
    heads = ("solver, evaluations", f"least {TITLES[metric]}", "not told apart from it")
    return _table(heads, [[escape(cell) for cell in row] for row in rows])


def _meanings(outcome: Outcome) -> str:
    terms = "".join(f"<dt>{TITLES[name]}</dt><dd>{escape(MEANINGS[name])}</dd>" for name in outcome.metrics)
    own = ", ".join(f"{TITLES[m]} {outcome.reference.figures[m].value:.4g}" for m in outcome.metrics if m == "data")
    return (
        f"<dl>{terms}<dt>small print in each cell</dt><dd>{CONFIDENCE:.0%} interval of the value that infinitely many"
        " images would give. The number before it is corrected for the number of images in the same way; with few images"
        " the correction is large and can pass below zero. Intervals of two schedules may overlap although their"
        " difference is certain.</dd><dt>bold; green</dt><dd>the least of its solver and budget; not told apart from the"
        " least</dd></dl>" + (f"<p>The reference itself: {own}.</p>" if own else "")
    )


def _tables(outcome: Outcome) -> Iterable[str]:
    for solver, nfe in cells(outcome):
        ranked = outcome.cell(solver, nfe, outcome.metrics[0])
        body = [
            [escape(label(row)), *(_cell(outcome, row, metric) for metric in outcome.metrics), _steps(row)]
            for row in ranked
        ]
        heads = ("schedule", *(TITLES[metric] for metric in outcome.metrics), "where the network is called (t)")
        yield f"<details open><summary>{solver}, {nfe} evaluations</summary>{_table(heads, body)}</details>"


def _cell(outcome: Outcome, row: Row, metric: str) -> str:
    measured = row.figures[metric]
    low, high = measured.interval()
    text = f"{measured.corrected:.4g} <small>{low:.3g} to {high:.3g}</small>"
    return f'<td class="{verdict(outcome, row, metric)}">{text}</td>'


def _steps(row: Row) -> str:
    return " ".join(f"{t:.3f}" for t in row.entry.schedule.times)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        "<tr>" + "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _refusals(outcome: Outcome) -> str:
    if not outcome.plan.refused:
        return ""
    items = "".join(f"<li>{escape(r.name)}, {r.nfe} evaluations: {escape(r.reason)}</li>" for r in outcome.plan.refused)
    return f"<h2>Schedules that do not exist here</h2><ul>{items}</ul>"


def _settings(outcome: Outcome) -> str:
    settings = outcome.settings
    versions = [f"hso {VERSION}", f"Python {platform.python_version()}", *_versions()]
    pairs = {
        **{name: value for name, value in vars(settings.subject).items() if value is not None},
        **{name: value for name, value in vars(settings).items() if name != "subject"},
        "versions": ", ".join(versions),
    }
    return _table(("setting", "value"), [[escape(str(name)), escape(str(value))] for name, value in pairs.items()])


def _versions() -> Iterable[str]:
    for name in PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _drawn(outcome: Outcome, metric: str) -> list[str]:
    """The first of the ranking, without second names of the same schedules."""
    firsts = {row.names[0] for row in outcome.rows}
    return [name for name in ranking(outcome, metric) if name in firsts][:DRAWN]


def _curves(outcome: Outcome, metric: str) -> Any:
    """A metric against the budget, one panel for each solver."""
    solvers = list(dict.fromkeys(solver for solver, _ in cells(outcome)))
    figure = new_figure(4.2 * len(solvers), 3.6)
    for axes, solver in zip(figure.subplots(1, len(solvers), squeeze=False, sharey=True)[0], solvers, strict=True):
        for index, name in enumerate(_drawn(outcome, metric)):
            rows = [row for row in outcome.rows if row.entry.solver == solver and name in row.names]
            points = [row.figures[metric] for row in rows]
            bounds = np.array([point.interval() for point in points]).reshape(-1, 2)
            middle = np.array([point.corrected for point in points])
            style = {"label": name, "color": COLOURS[index], "marker": MARKERS[index]}
            axes.errorbar([row.entry.nfe for row in rows], middle, np.abs(bounds.T - middle), **style)
        axes.set(title=solver, xlabel="network evaluations", ylabel=TITLES[metric])
        axes.set_xticks(sorted({nfe for _, nfe in cells(outcome)}))
        axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    return figure


def _pictures(outcome: Outcome) -> str:
    """The first images of the leaders with the smallest budget, and their schedules."""
    solver, nfe = cells(outcome)[0]
    rows = outcome.cell(solver, nfe, outcome.metrics[0])[:DRAWN]
    first = outcome.settings.batches()[0]
    shown = {f"{REFERENCE}, {outcome.plan.reference.nfe}": outcome.store.pictures(outcome.plan.reference.key, first)}
    shown |= {row.names[0]: outcome.store.pictures(row.entry.key, first) for row in rows}
    levels = plot_schedules({f"{solver}, {nfe} evaluations": {row.names[0]: row.entry.schedule for row in rows}})
    grid = _png(_grid(shown, f"{solver}, {nfe} evaluations: the same noise in every column"))
    return f'<img alt="samples" src="{grid}"><img alt="schedules" src="{_png(levels)}">'


def _grid(shown: Mapping[str, Any], title: str) -> Any:
    """Rows of images, grey or in colour, by name."""
    figure = new_figure(9, 0.95 * len(shown) + 0.4)
    figure.suptitle(title, fontsize=11)
    for axes, (name, images) in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown.items(), strict=True):
        axes.imshow(np.concatenate(list(images), axis=1), cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        axes.spines[:].set_visible(False)
    return figure


def _png(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
