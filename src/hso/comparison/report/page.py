"""The report of a comparison, as one HTML file that contains its pictures.

It says what was done and what was found, and explains the words that it uses.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from html import escape
from importlib import metadata

from hso.comparison.contestants import KINDS
from hso.comparison.outcome import JudgedEntry, Outcome, Standing
from hso.comparison.report.pictures import DRAWN, curves, samples, schedules
from hso.comparison.runs.plan import REFERENCE_RULE
from hso.comparison.runs.settings import plain_settings
from hso.comparison.statistics.intervals import CONFIDENCE
from hso.comparison.statistics.metrics import METRICS
from hso.version import VERSION

PACKAGES = ("numpy", "scipy", "torch", "diffusers")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left }
td.best { font-weight: bold } td.tied { background: #e6f2e6 } td small { color: #777; font-weight: normal }
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
        "<h2>What is measured</h2>",
        _meanings(outcome),
        "<h2>What came out</h2>",
        _caution(outcome),
        _winners(outcome),
        _overall(outcome),
        "<p>In the pictures the marks are the figures, and the bars are their intervals.</p>",
        *(_image(f"{METRICS[m].title} against network calls", curves(outcome, m)) for m in outcome.metrics),
        "<h2>Samples</h2>",
        _pictures(outcome),
        "<h2>What the schedules are</h2>",
        _contestants(outcome),
        "<h2>All figures</h2>",
        _legend(),
        *_tables(outcome),
        "<h2>How it was made</h2>",
        _settings(outcome),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _introduction(outcome: Outcome) -> str:
    asked, known = outcome.settings.samples, "" if "data" not in outcome.metrics else ", and with the data"
    images = f"{outcome.images} images" if outcome.images == asked else f"the first {outcome.images} of {asked} images"
    return (
        "<p>A diffusion or flow model makes an image from noise by calling its network at a few noise levels. A "
        f"<em>sampling schedule</em> says at which. Here {len(_names(outcome))} schedules are compared on one model, "
        f"<b>{escape(outcome.subject)}</b>. With every schedule, solver and number of network calls, {images} were made, "
        "always from the same noise. They are compared with those of a <em>reference</em>: the same model from the same "
        f"noise with {outcome.plan.reference.nfe} calls ({outcome.plan.reference.solver}, {REFERENCE_RULE}){known}.</p>"
        "<p>Other noise would give somewhat different figures. One schedule is called better than another only if a "
        f"{CONFIDENCE:.0%} interval of the <em>difference</em> of their figures, from the same images, excludes zero.</p>"
    )


def _meanings(outcome: Outcome) -> str:
    entries = [
        f"<dt>{METRICS[name].title} ({METRICS[name].direction} is better)</dt><dd>{escape(METRICS[name].meaning)}</dd>"
        for name in outcome.metrics
    ]
    return f"<dl>{''.join(entries)}</dl>"


def _caution(outcome: Outcome) -> str:
    return f"<p><b>Caution:</b> {escape(outcome.caution)}.</p>" if outcome.caution else ""


def _winners(outcome: Outcome) -> str:
    """The best of every cell by the first metric."""
    metric, rows = outcome.metrics[0], []
    for solver, nfe in outcome.cells:
        best, *others = outcome.cell(solver, nfe, metric)
        tied = [escape(row.label) for row in others if not outcome.is_beaten(row, metric)]
        words = [escape(best.label), _figure(best, metric), ", ".join(tied) or "none"]
        rows.append([f"{escape(solver)}, {nfe}", *words, f"{len(others) - len(tied)} of {len(others)}"])
    heads = ("solver, calls", "best", METRICS[metric].title, "not told apart from it", "certainly worse")
    return f"<p>By {METRICS[metric].title}:</p>{_table(heads, rows)}"


def _overall(outcome: Outcome) -> str:
    """The leaders over all cells by the first metric."""
    metric = outcome.metrics[0]
    if len(outcome.cells) == 1:
        return ""

    def words(each: Standing) -> list[str]:
        return [escape(each.name), f"{each.rank:.2f}", f"{each.unbeaten} of {each.cells}"]

    heads = ("schedule", "mean rank", "best, or not told apart from the best")
    rows = [words(each) for each in outcome.standings(metric)[:DRAWN]]
    return f"<p>Over all solvers and budgets, the first {len(rows)} by mean rank:</p>{_table(heads, rows)}"


def _pictures(outcome: Outcome) -> str:
    solver, nfe = outcome.cells[0]
    drawn = samples(outcome)
    shown = _image("samples", drawn) if drawn else "<p>These samples are no images that can be shown.</p>"
    return (
        f"<p>With {escape(solver)} and {nfe} network calls. Images in a column start from the same noise. The first row is "
        "the reference; the others are the schedules with the best figures, the best first. The last picture shows where "
        "these schedules call the network: step by step in lambda, the logarithm of signal over noise, and in time, from "
        f"noise (1) to data (0).</p>{shown}{_image('schedules', schedules(outcome))}"
    )


def _contestants(outcome: Outcome) -> str:
    taken, items = _names(outcome), []
    for kind, names in KINDS.items():
        if here := [name for name in names if name in taken]:
            items.append(f"<dt>{escape(', '.join(here))}</dt><dd>{escape(kind)}</dd>")
    listed = {name for names in KINDS.values() for name in names}
    if others := [name for name in taken if name not in listed]:
        items.append(f"<dt>{escape(', '.join(others))}</dt><dd>given as files</dd>")
    refused = [f"<li>{escape(r.name)}, {r.nfe} calls: {escape(r.reason)}</li>" for r in outcome.plan.refused]
    without = f"<p>These have no schedule here:</p><ul>{''.join(refused)}</ul>" if refused else ""
    return f"<dl>{''.join(items)}</dl>{_preparation(outcome)}{without}"


def _preparation(outcome: Outcome) -> str:
    """What it took to find the schedules that needed the network."""
    calls: dict[str, int] = {}
    for row in outcome.rows:
        for name, number in row.entry.preparation.items():
            calls[name] = max(number, calls.get(name, 0))
    words = ", ".join(f"{escape(name)} {number:,}" for name, number in calls.items())
    text = "Network calls that it took to find a schedule, where an image counts as one call"
    return f"<p>{text}: {words}. The others took none.</p>" if words else ""


def _legend() -> str:
    return (
        f"<p>The figures are from these images. The intervals, in small print, are {CONFIDENCE:.0%} intervals for what "
        "infinitely many images would give; they come from a bootstrap over groups of images (over subsets of images for "
        "KID, precision and recall). Few images make every Frechet distance too large, so a figure can lie above its "
        "interval. The best of a table is bold; green ones are not told apart from the best. Intervals of two schedules "
        "may overlap although their difference is certain, because all start from the same noise.</p>"
    )


def _tables(outcome: Outcome) -> Iterable[str]:
    heads = ("schedule", *(METRICS[metric].title for metric in outcome.metrics), "where the network is called (t)")
    own = ["the reference", *(_figure(outcome.reference, m) if METRICS[m].of_data else "" for m in outcome.metrics), ""]
    for solver, nfe in outcome.cells:
        body = [
            [escape(row.label), *(_cell(outcome, row, metric) for metric in outcome.metrics), _steps(row)]
            for row in outcome.cell(solver, nfe, outcome.metrics[0])
        ]
        title = f"<summary>{escape(solver)}, {nfe} network calls</summary>"
        yield f"<details open>{title}{_table(heads, [*body, own])}</details>"


def _cell(outcome: Outcome, row: JudgedEntry, metric: str) -> str:
    return f'<td class="{outcome.verdict(row, metric)}">{_figure(row, metric)}</td>'


def _figure(row: JudgedEntry, metric: str) -> str:
    low, high = row.figures[metric].interval()
    return f"{row.figures[metric].value:.4g} <small>{low:.3g} to {high:.3g}</small>"


def _steps(row: JudgedEntry) -> str:
    return " ".join(f"{t:.3f}" for t in row.entry.schedule.times)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        "<tr>" + "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _settings(outcome: Outcome) -> str:
    settings = outcome.settings
    pairs = {
        **{name: value for name, value in plain_settings(settings.subject).items() if value is not None},
        **plain_settings(settings, "subject"),
        "versions": [f"hso {VERSION}", f"Python {platform.python_version()}", *_versions()],
    }
    if "@" in settings.subject.model:
        del pairs["guidance"]  # the number in the model's name is the guidance
    return _table(("setting", "value"), [[name, escape(_words(value))] for name, value in pairs.items()])


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _versions() -> Iterable[str]:
    for name in PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _names(outcome: Outcome) -> list[str]:
    return list(dict.fromkeys(name for row in outcome.rows for name in row.names))


def _image(alternative: str, address: str) -> str:
    return f'<img alt="{escape(alternative)}" src="{address}">'
