"""The paper's Table 6 with our rows: what preparing a schedule costs, and how good it is.

    python -m benchmarks.preparation --runs runs/perceptual         # uses what benchmarks.perceptual prepared there

The model is the bundled one at guidance 3, with 4 network calls. Each row was prepared by itself: calls count each image
as one, and seconds are wall time of one process. The distances are Frechet distances in the classifier's features, on
images that no schedule was made with: to what 50 calls give, and to the data. They are without the excess that comes from
the finite number of images, and 95 % intervals are in brackets. + says that the schedule that was tuned in the classifier's
features is better by the interval of the difference, - that it is worse, = that neither is certain. The paper's own rows,
which are other models, are in ``benchmarks.paper.table6``.
"""

from __future__ import annotations

import sys

from benchmarks.perceptual import HOST, MODEL, OURS
from benchmarks.prepared import BANDS, Made, Workshop, figure, judged, parser_of, row_of

SOLVERS, NFE = ("unipc", "ddim"), 4
# What each row is, and the contestant that prepares it.
CONTESTANTS = {
    "the host's default": HOST,
    "DM-NonUniform, local search": "dm_nonuniform_t",
    "HSO, published search": "hso_published",
    "HSO, bilevel": "hso_bilevel",
    "HSO, exact": "hso_exact",
    "GITS": "gits",
    "Watson": "watson",
    "OSS": "oss",
}
DEFAULT = "hso"


def rows(shop: Workshop, solver: str) -> dict[str, Made]:
    """What is prepared, by title."""
    # The solver does not change these, and each of DDIM's nodes is a call.
    made = {title: shop.of_contestant(name, "ddim", NFE) for title, name in CONTESTANTS.items()}
    made["HSO, the default here"] = shop.of_contestant(DEFAULT, solver, NFE)
    made["calibrated"] = shop.calibrated(solver, NFE)
    made["tuned in bands"] = shop.tuned(solver, NFE, BANDS)
    made["tuned in the classifier's features"] = shop.tuned(solver, NFE, OURS)
    return made


def table(shop: Workshop, samples: int) -> list[str]:
    """The table as Markdown."""
    lines = ["| solver | method | calls | seconds | distance to 50 calls | to the data |", "|" + "---|" * 6]
    for solver in SOLVERS:
        made = rows(shop, solver)
        outcome = judged(shop, "preparation", solver, (NFE,), [str(one.file) for one in made.values()], samples)
        ours = row_of(outcome, list(made.values())[-1].file.name, NFE)
        for title, (file, cost) in made.items():
            row = row_of(outcome, file.name, NFE)
            figures = " | ".join(figure(row, ours, metric) for metric in ("reference", "data"))
            lines.append(f"| {solver} | {title} | {cost.calls} | {cost.seconds:.3g} | {figures} |")
    return lines


def main() -> int:
    parser = parser_of(__doc__)
    chosen = parser.parse_args()
    shop = Workshop(MODEL, chosen.runs, chosen.points, chosen.images, chosen.tries)
    print("\n".join(table(shop, chosen.samples)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
