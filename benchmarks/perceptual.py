"""Perceptual search: schedules that real runs find in the features of a classifier, in pixels and in bands.

    python -m benchmarks.perceptual --runs runs/perceptual                # less than a quarter of an hour on an idle core
    python -m benchmarks.perceptual --runs runs/large --nfe 4 --images 120 --tries 16 --samples 200

The model is the bundled one at guidance 3. All schedules are judged on fresh images by the Frechet distance to what 50
calls give, in the classifier's features, and by the root mean square error of paired images. Figures are without the excess
that comes from the finite number of images, and 95 % intervals are in brackets. + says that the schedule that was tuned in
the classifier's features is better by the interval of the difference, - that it is worse, = that neither is certain. Calls
count each image as one; calls and seconds include the calibration.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

from benchmarks.prepared import BANDS, Cost, Workshop, figure, judged, parser_of, row_of

MODEL, SOLVERS = "digits@3", ("ddim", "unipc")
OURS = "classifier"
FEATURES = (BANDS, "pixels", OURS)
HOST, CALIBRATED = "trailing", "calibrated"


def table(shop: Workshop, budgets: Sequence[int], samples: int) -> list[str]:
    """The table as Markdown."""
    lines = ["| solver | NFE | found in | Frechet distance | paired error | calls | seconds |", "|" + "---|" * 7]
    for solver in SOLVERS:
        made = {}
        for nfe, features in itertools.product(budgets, FEATURES):
            made[nfe, features] = shop.tuned(solver, nfe, features)
        for nfe in budgets:
            made[nfe, CALIBRATED] = shop.calibrated(solver, nfe)
        outcome = judged(
            shop, "perceptual", solver, budgets, [HOST, *(str(one.file) for one in made.values())], samples
        )
        for nfe in budgets:
            ours = row_of(outcome, made[nfe, OURS].file.name, nfe)
            for name in (HOST, CALIBRATED, *FEATURES):
                cost = Cost(0, 0.0) if name == HOST else made[nfe, name].cost
                row = row_of(outcome, name if name == HOST else made[nfe, name].file.name, nfe)
                figures = [figure(row, ours, metric) for metric in ("reference", "error")]
                lines.append(
                    f"| {solver} | {nfe} | {name} | {' | '.join(figures)} | {cost.calls} | {cost.seconds:.0f} |"
                )
    return lines


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--nfe", default="4,6", help="numbers of network calls of an image")
    chosen = parser.parse_args()
    shop = Workshop(MODEL, chosen.runs, chosen.points, chosen.images, chosen.tries)
    budgets = tuple(map(int, chosen.nfe.split(",")))
    print("\n".join(table(shop, budgets, chosen.samples)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
