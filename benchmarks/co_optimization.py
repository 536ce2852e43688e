"""What the choice of the solver and learned coefficients add to calibrated knots, at equal network calls and without runs.

For each model and number of calls there is one calibration. Against "unipc" (its calibrated knots) stand

- *terminal*: the terminal, too, is chosen by the calibration (`terminal="auto"`),
- *auto*: the best of `hso.solvers.AUTO` with its own knots, by the calibration alone (`solver="auto"`),
- *auto, terminal*: both are chosen,
- *hindsight*: the best of these solvers and terminals with their calibrated knots, by the figures of this table,
- *learned unipc* and *learned ddim*: knots and coefficients (`strategy="learned"`) from these bases,
- *learned auto*: the base, too, is chosen by the calibration.

A cell of the table is the Frechet distance to the teacher, in the model's features, on images that no calibration saw,
divided by that of "unipc", with the 95 % interval of a jackknife over images. Last come geometric means.

    python -m benchmarks.co_optimization --columns terminal auto "auto, terminal" hindsight    # faster: nothing is learned
    python -m benchmarks.co_optimization --models mixture digits@3 benchmarks/models/patches@1 --nfe 4 6 10 --judged 300
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from benchmarks.replay_study import calibration_of, subject_of
from benchmarks.told_time import Fresh, Made, figures, ratios

import hso
from hso.noise.base import Array
from hso.optimize import Result, solvers_for
from hso.schedule import CLEAN, TERMINALS
from hso.solvers import label_of

BASE, BASES = "unipc", ("unipc", "ddim")
CHOICES = ("terminal", "auto", "auto, terminal", "hindsight")
COLUMNS = (*CHOICES, *(f"learned {base}" for base in BASES), "learned auto")


def found(
    noise: hso.NoiseSchedule, nfe: int, calibration: hso.Calibration, learns: bool
) -> Iterator[tuple[str, Result]]:
    """Every schedule that is run, by name."""
    for solver in solvers_for("auto", nfe):
        for terminal in TERMINALS:
            made = hso.optimize(noise, nfe, solver=solver, calibration=calibration, terminal=terminal)
            yield _named(label_of(solver), terminal), made
    if not learns:
        return
    learned = {
        base: hso.optimize(noise, nfe, solver=base, strategy="learned", calibration=calibration)
        for base in map(label_of, solvers_for("auto", nfe))
    }
    yield from ((f"learned {base}", learned[base]) for base in BASES)
    yield "learned auto", min(learned.values(), key=lambda result: result.objective)


def _named(solver: str, terminal: str) -> str:
    return solver if terminal == CLEAN else f"{solver} to {terminal}"


def cell(
    runs: Fresh, nfe: int, calibration: hso.Calibration, columns: Sequence[str]
) -> Mapping[str, tuple[str, Array, Array]]:
    """For each column what was chosen, the ratio, and its interval."""
    made = dict(found(runs.subject.noise, nfe, calibration, not set(columns).issubset(CHOICES)))
    rows = {name: runs.rows(Made(one.solver, one.schedule)) for name, one in made.items()}
    plain = [name for name in made if not name.startswith("learned")]
    clean = [name for name in plain if made[name].schedule.ends_clean]
    pools = {"terminal": [_named(BASE, terminal) for terminal in TERMINALS], "auto": clean, "auto, terminal": plain}
    chosen = {column: min(pool, key=lambda name: made[name].objective) for column, pool in pools.items()}
    chosen["hindsight"] = min(plain, key=lambda name: figures(rows[name], runs.teacher)[0])
    result = {}
    for column in columns:
        name = chosen.get(column, column)
        middle, ends = ratios(rows[name], rows[BASE], runs.teacher)
        result[column] = name if column in CHOICES else "", middle[0], ends[:, 0]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["mixture", "digits@3", "benchmarks/models/patches@1"])
    parser.add_argument("--nfe", nargs="+", type=int, default=[4, 6, 10])
    parser.add_argument("--judged", type=int, default=300, help="images that no calibration saw")
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=COLUMNS, metavar="NAME")
    options = parser.parse_args()
    print("| model | NFE | " + " | ".join(options.columns) + " |\n|" + "---|" * (2 + len(options.columns)))
    every = []
    for model in options.models:
        runs, calibration = Fresh(subject_of(model, 0), options.judged), calibration_of(model, 56, 64)
        for nfe in options.nfe:
            row = cell(runs, nfe, calibration, options.columns)
            shown = [f"{m:.2f} ({a:.2f} to {b:.2f}) {name}".strip() for name, m, (a, b) in row.values()]
            print(f"| {model} | {nfe} | " + " | ".join(shown) + " |", flush=True)
            every.append([middle for _, middle, _ in row.values()])
    means = np.exp(np.log(every).mean(axis=0))
    print("| geometric mean | | " + " | ".join(f"{one:.2f}" for one in means) + " |")


if __name__ == "__main__":
    main()
