"""A comparison as one HTML file that needs nothing beside it: what was done, what came out, and what the words mean."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from html import escape
from importlib import metadata

from hso.comparison.contestants import KINDS
from hso.comparison.outcome import Outcome, Row, Standing
from hso.comparison.report.pictures import DRAWN, curves, samples, schedules
from hso.comparison.runs.plan import REFERENCE_RULE, REFERENCE_SOLVER
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
        "<p>In the pictures marks are the figures, and bars their intervals.</p>",
        *(_image(f"{METRICS[m].title} against evaluations", curves(outcome, m)) for m in outcome.metrics),
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


def verdict(outcome: Outcome, row: Row, metric: str) -> str:
    """What may be said of a row: "best", "tied" (not told apart from the best) or nothing."""
    if outcome.best(row.entry.solver, row.entry.nfe, metric) is row:
        return "best"
    return "" if outcome.is_beaten(row, metric) else "tied"


def _introduction(outcome: Outcome) -> str:
    asked, known = outcome.settings.samples, "" if "data" not in outcome.metrics else ", and with the data"
    images = f"{outcome.images} images" if outcome.images == asked else f"the first {outcome.images} of {asked} images"
    return (
        "<p>A diffusion or flow model makes an image from noise by calling its network at a few noise levels. A "
        f"<em>sampling schedule</em> says at which. Here {len(_names(outcome))} schedules are compared on one model, "
        f"<b>{escape(outcome.subject)}</b>. With every schedule, solver and number of network evaluations, {images} were "
        "made, always from the same noises. They are compared with those of a <em>reference</em>: the same model from the "
        f"same noises with {outcome.plan.reference.nfe} evaluations ({REFERENCE_SOLVER}, {REFERENCE_RULE}){known}.</p>"
        "<p>Other noises would give somewhat other figures. One schedule is called better than another only if a "
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
        beaten = f"{len(others) - len(tied)} of {len(others)}"
        rows.append([f"{solver}, {nfe}", escape(best.label), _figure(best, metric), ", ".join(tied) or "none", beaten])
    heads = ("solver, evaluations", "best", METRICS[metric].title, "not told apart from it", "certainly worse")
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
    return (
        f"<p>With {solver} and {nfe} evaluations. Images in a column start from the same noise; the first row is the "
        "reference, the others are the schedules with the best figures, the best first. Below, where these schedules call "
        "the network: step by step in lambda, the logarithm of signal over noise, and in time, from noise (1) to data (0)."
        f"</p>{_image('samples', samples(outcome))}{_image('schedules', schedules(outcome))}"
    )


def _contestants(outcome: Outcome) -> str:
    taken, items = _names(outcome), []
    for kind, names in KINDS.items():
        if here := [name for name in names if name in taken]:
            items.append(f"<dt>{escape(', '.join(here))}</dt><dd>{escape(kind)}</dd>")
    listed = {name for names in KINDS.values() for name in names}
    if others := [name for name in taken if name not in listed]:
        items.append(f"<dt>{escape(', '.join(others))}</dt><dd>given as files</dd>")
    refused = [f"<li>{escape(r.name)}, {r.nfe} evaluations: {escape(r.reason)}</li>" for r in outcome.plan.refused]
    without = f"<p>These have no schedule here:</p><ul>{''.join(refused)}</ul>" if refused else ""
    return f"<dl>{''.join(items)}</dl>{without}"


def _legend() -> str:
    return (
        f"<p>The figures are from these images; the intervals, in small print, are {CONFIDENCE:.0%} intervals for what "
        "infinitely many would give, by a bootstrap over groups of images (over subsets of them for KID, precision and "
        "recall). Few images make every Frechet distance too large, which is why a figure can lie above its interval. Bold "
        "is the best of its table; green is not told apart from the best. Intervals of two schedules may overlap although "
        "their difference is certain, since all start from the same noises.</p>"
    )


def _tables(outcome: Outcome) -> Iterable[str]:
    heads = ("schedule", *(METRICS[metric].title for metric in outcome.metrics), "where the network is called (t)")
    own = ["the reference", *(_figure(outcome.reference, m) if METRICS[m].of_data else "" for m in outcome.metrics), ""]
    for solver, nfe in outcome.cells:
        body = [
            [escape(row.label), *(_cell(outcome, row, metric) for metric in outcome.metrics), _steps(row)]
            for row in outcome.cell(solver, nfe, outcome.metrics[0])
        ]
        yield f"<details open><summary>{solver}, {nfe} evaluations</summary>{_table(heads, [*body, own])}</details>"


def _cell(outcome: Outcome, row: Row, metric: str) -> str:
    return f'<td class="{verdict(outcome, row, metric)}">{_figure(row, metric)}</td>'


def _figure(row: Row, metric: str) -> str:
    low, high = row.figures[metric].interval()
    return f"{row.figures[metric].value:.4g} <small>{low:.3g} to {high:.3g}</small>"


def _steps(row: Row) -> str:
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
        **{name: value for name, value in vars(settings.subject).items() if value is not None},
        **{name: value for name, value in vars(settings).items() if name != "subject"},
        "versions": (f"hso {VERSION}", f"Python {platform.python_version()}", *_versions()),
    }
    if "@" in settings.subject.model:
        del pairs["guidance"]  # the number in the model's name is the guidance
    return _table(("setting", "value"), [[name, escape(_words(value))] for name, value in pairs.items()])


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


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
