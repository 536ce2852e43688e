"""The one big table: every contestant on every subject, solver and budget; writes docs/compare.md.

    python -m benchmarks.compare_all --runs runs/compare_all        # goes on where it was stopped
    python -m benchmarks.compare_all --runs runs/compare_all --subjects gaussian,digits@3
    python -m benchmarks.compare_all --quick --runs runs/quick --out quick.md

What is written is what came out, losses included. Takes about an hour and a half on two cores, most of it
for the bundled model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.standings import Standing, mark, standings

from hso.comparison.outcome import Outcome
from hso.comparison.runs.judge import RESAMPLES
from hso.comparison.runs.run import compare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.statistics.intervals import CONFIDENCE
from hso.comparison.statistics.metrics import METRICS
from hso.comparison.subjects import SubjectSettings

SOLVERS, BUDGETS = ("ddim", "dpmpp_2m", "unipc"), (4, 5, 6, 8, 10)
# Digits per image and evaluation cost a thousand times what a Gaussian costs.
SUBJECTS = {
    "gaussian": (1000, 250),
    "mixture": (1000, 250),
    "digits-empirical": (1000, 250),
    "digits@1": (500, 50),
    "digits@3": (500, 50),
    "digits@7.5": (500, 50),
}
# The duel of the paper's Table 2, and what else there is to choose from.
PUBLISHED, DUEL_BUDGETS = "hso_exact", (4, 5)
RIVALS = ("dm_nonuniform_t", "dm_nonuniform_lambda", "dm_nonuniform_bilevel", "hso", "hso_exact_jump", "trailing")


class Options(NamedTuple):
    """How much of it.

    Attributes:
        runs: Folder of the runs, one for each subject.
        subjects: The subjects.
        processes: Local processes.
        resamples: Of the bootstrap.
        quick: A small part, to see that it works.
    """

    runs: Path
    subjects: tuple[str, ...]
    processes: int
    resamples: int
    quick: bool


def settings_of(subject: str, quick: bool) -> ComparisonSettings:
    """What is compared on a subject."""
    samples, batch = SUBJECTS[subject]
    if quick:
        names = ("trailing", "hso_exact", "dm_nonuniform_t")
        return ComparisonSettings(
            SubjectSettings(subject), ("ddim",), (4,), names, samples=50, batch=50, reference_nfe=10
        )
    return ComparisonSettings(SubjectSettings(subject), SOLVERS, BUDGETS, samples=samples, batch=batch)


def outcomes_of(options: Options) -> list[Outcome]:
    """All subjects, or what is left of them."""
    found = []
    for subject in options.subjects:
        folder = options.runs / subject
        folder.parent.mkdir(parents=True, exist_ok=True)
        outcome = compare(settings_of(subject, options.quick), folder, options.processes, options.resamples)
        if outcome is not None:
            found.append(outcome)
        print(f"{subject} done", file=sys.stderr, flush=True)
    return found


def document(outcomes: Sequence[Outcome]) -> str:
    """The page."""
    return "\n".join([*_head(outcomes), *_standings(outcomes), *_duel(outcomes), *_refused(outcomes)]) + "\n"


def _head(outcomes: Sequence[Outcome]) -> Iterable[str]:
    images = ", ".join(f"{outcome.subject} {outcome.images}" for outcome in outcomes)
    cells = len(outcomes[0].cells)
    yield from (
        "# Schedules compared",
        "",
        "Written by `python -m benchmarks.compare_all`, as found. Every schedule lands on the clean sample and starts from",
        f"the same noise. {len(outcomes)} models, {cells} cells of solver and budget on each. Images for each schedule:",
        f"{images}.",
        "All models are small and work on pixels; the noise schedule is Stable Diffusion's. Directions carry over better",
        "than digits do.",
        "",
        "The contestants are described in `hso.comparison.contestants`; `hso` is what the library gives by default. A",
        "*cell* is a model, a solver and a budget; *wins* counts the cells in which nothing is lower, *top* those in",
        f"which it is lowest or not told apart from the lowest by a {CONFIDENCE:.0%} interval of the difference. The",
        "*ratio* is to the best closed-form rule of each cell, chosen in hindsight: below 1 is better than every rule.",
        "Intervals say what other images would change, not what other models would; those of the ratio are corrected",
        "for the number of images, and those of the rank have the excess of a resample, so that both may lie to one",
        "side of the number before them.",
        "",
    )


def _standings(outcomes: Sequence[Outcome]) -> Iterable[str]:
    for metric in outcomes[0].metrics:
        yield from (
            f"## {METRICS[metric].title}",
            "",
            METRICS[metric].meaning,
            "",
            "| contestant | cells | mean rank | wins | top | ratio to the best rule |",
        )
        yield "|---|---|---|---|---|---|"
        overall = standings(outcomes, metric)
        yield from (_line(row) for row in overall)
        yield from ("", "Ratio to the best rule by model:", "")
        yield from _by_subject(outcomes, metric, [row.name for row in overall])


def _line(row: Standing) -> str:
    rank, ratio = ("{:.2f} ({:.2f} to {:.2f})".format(*triple) for triple in (row.rank, row.ratio))
    return f"| {row.name} | {row.cells} | {rank} | {row.wins} | {row.top} | {ratio} |"


def _by_subject(outcomes: Sequence[Outcome], metric: str, names: Sequence[str]) -> Iterable[str]:
    columns = [{row.name: row for row in standings([outcome], metric)} for outcome in outcomes]
    yield f"| contestant | {' | '.join(outcome.subject for outcome in outcomes)} |"
    yield "|---" * (len(outcomes) + 1) + "|"
    for name in names:
        ratios = [f"{column[name].ratio[0]:.2f}" if name in column else "-" for column in columns]
        yield f"| {name} | {' | '.join(ratios)} |"
    yield ""


def _duel(outcomes: Sequence[Outcome]) -> Iterable[str]:
    """HSO as published against its rivals, on models whose data are digits."""
    digits = [outcome for outcome in outcomes if outcome.subject.startswith("digits")]
    for metric in ("reference", "data") if digits else ():
        yield from (
            f"## DM-NonUniform and HSO: {METRICS[metric].title}",
            "",
            f"Beside each figure: whether a {CONFIDENCE:.0%} interval of the difference says that `{PUBLISHED}`, the",
            "paper's method, is better (+), worse (-) or neither (=).",
            "",
            f"| model | solver | NFE | {' | '.join((PUBLISHED, *RIVALS))} |",
            "|---" * (4 + len(RIVALS)) + "|",
        )
        for outcome in digits:
            yield from (_duel_line(outcome, *cell, metric) for cell in outcome.cells if cell[1] in DUEL_BUDGETS)
        yield ""


def _duel_line(outcome: Outcome, solver: str, nfe: int, metric: str) -> str:
    figures = {name: row.figures[metric] for row in outcome.cell(solver, nfe, metric) for name in row.names}
    ours, words = figures[PUBLISHED], [f"{figures[PUBLISHED].value:.3g}"]
    for theirs in (figures.get(name) for name in RIVALS):
        words.append("-" if theirs is None else f"{theirs.value:.3g} {mark(ours, theirs)}")
    return f"| {outcome.subject} | {solver} | {nfe} | {' | '.join(words)} |"


def _refused(outcomes: Sequence[Outcome]) -> Iterable[str]:
    reasons = dict.fromkeys((refusal.name, refusal.reason) for outcome in outcomes for refusal in outcome.plan.refused)
    if reasons:
        yield from ("## Refused", "", *(f"- {name}: {reason}" for name, reason in reasons))


def main() -> int:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/compare_all"))
    parser.add_argument("--out", type=Path, default=Path("docs/compare.md"))
    parser.add_argument("--subjects", default=",".join(SUBJECTS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    subjects = tuple(given.subjects.split(","))
    unknown = set(subjects) - set(SUBJECTS)
    if unknown:
        parser.error(f"--subjects: expected some of {', '.join(SUBJECTS)}, got {', '.join(sorted(unknown))}")
    options = Options(given.runs, subjects, given.processes, given.resamples, given.quick)
    given.out.write_text(document(outcomes_of(options)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
