"""Related methods on our models: Watson's objective among the measured ones, and PFDiff among the solvers.

    python -m benchmarks.related --runs runs/related                               # goes on where it was stopped
    python -m benchmarks.related --runs runs/related --subjects gaussian,mixture

The first table has the Frechet distance to what many calls give, of schedules that are measured on the model's own network,
of the host's default (trailing) and of the library's own; a star marks what is best or, by the interval of the difference,
not told apart from the best. The second has solvers at equal calls, with trailing nodes and with those of a calibration;
after PFDiff's distance + says that it is better than UniPC's by the interval of the difference, - that it is worse, = that
neither is certain. Last come geometric means.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from benchmarks.standings import mark

from hso.comparison.outcome import JudgedEntry, Outcome
from hso.comparison.runs.run import compare
from hso.comparison.runs.settings import ComparisonSettings
from hso.comparison.subjects import SubjectSettings

SUBJECTS = ("gaussian", "mixture", "digits-empirical", "digits@3")
BUDGETS, METRIC = (4, 6, 10), "reference"
SOLVERS = ("ddim", "unipc")
PFDIFF, RIVAL = "pfdiff", "unipc"
HOST, CALIBRATED = "trailing", "calibrated"
MEASURED = (HOST, "hso", "gits", "klub", "watson", "score_optimal", CALIBRATED)
# Images of a model that costs nothing, and of a trained one.
SAMPLES = {"digits@3": 120}
MANY = 500


def compared(subject: str, runs: Path, solvers: Sequence[str], schedules: Sequence[str]) -> Outcome:
    """A comparison with these solvers. All comparisons of a subject have the same images."""
    settings = ComparisonSettings(
        SubjectSettings(subject),
        tuple(solvers),
        BUDGETS,
        tuple(schedules),
        SAMPLES.get(subject, MANY),
        reference_nfe=60,
    )
    outcome = compare(settings, runs / f"{subject}-{'-'.join(solvers)}", 1)
    assert outcome is not None
    return outcome


def by_name(outcome: Outcome, solver: str, nfe: int) -> Mapping[str, JudgedEntry]:
    """The rows of a cell."""
    return {name: row for row in outcome.cell(solver, nfe, METRIC) for name in row.names}


def objectives(outcomes: Mapping[str, Outcome]) -> list[str]:
    """The table of schedules."""
    lines = [f"| model | solver | NFE | {' | '.join(MEASURED)} |", "|" + "---|" * (3 + len(MEASURED))]
    values: dict[str, list[list[float]]] = {solver: [] for solver in SOLVERS}
    for subject, outcome in outcomes.items():
        for solver, nfe in outcome.cells:
            rows = by_name(outcome, solver, nfe)
            stars = ["" if outcome.is_beaten(rows[name], METRIC) else "*" for name in MEASURED]
            values[solver].append([rows[name].figures[METRIC].value for name in MEASURED])
            shown = [f"{value:.3g}{star}" for value, star in zip(values[solver][-1], stars, strict=True)]
            lines.append(f"| {subject} | {solver} | {nfe} | {' | '.join(shown)} |")
    for solver, cells in values.items():
        lines.append(f"| mean | {solver} |  | {' | '.join(f'{value:.3g}' for value in _means(cells))} |")
    return lines


def solvers(outcomes: Mapping[str, Outcome], others: Mapping[str, Outcome]) -> list[str]:
    """The table of solvers at equal calls."""
    columns = [f"{solver}, {nodes}" for nodes in (HOST, CALIBRATED) for solver in (*SOLVERS, PFDIFF)]
    lines = [f"| model | NFE | {' | '.join(columns)} |", "|" + "---|" * (2 + len(columns))]
    values = []
    for subject, outcome in outcomes.items():
        for nfe in BUDGETS:
            shown, found = [], []
            for nodes in (HOST, CALIBRATED):
                figures = [by_name(outcome, solver, nfe)[nodes].figures[METRIC] for solver in SOLVERS]
                figures.append(by_name(others[subject], PFDIFF, nfe)[nodes].figures[METRIC])
                said = mark(figures[-1], figures[SOLVERS.index(RIVAL)])
                shown += [*(f"{one.value:.3g}" for one in figures[:-1]), f"{figures[-1].value:.3g} {said}"]
                found += [one.value for one in figures]
            values.append(found)
            lines.append(f"| {subject} | {nfe} | {' | '.join(shown)} |")
    return [*lines, f"| mean |  | {' | '.join(f'{value:.3g}' for value in _means(values))} |"]


def _means(rows: Sequence[Sequence[float]]) -> Sequence[float]:
    found: list[float] = np.exp(np.log(np.array(rows)).mean(axis=0)).tolist()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--subjects", default=",".join(SUBJECTS))
    chosen = parser.parse_args()
    names = chosen.subjects.split(",")
    others = {name: compared(name, chosen.runs, (PFDIFF,), (HOST, CALIBRATED)) for name in names}
    found = {name: compared(name, chosen.runs, SOLVERS, MEASURED) for name in names}
    print("\n".join([*objectives(found), "", *solvers(found, others)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
