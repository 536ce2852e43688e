"""Which schedule is best for a network of your own: any function of a state and a node of the sampling loop."""

import numpy as np

import hso
from hso.solvers import Node


def network(x: np.ndarray, node: Node) -> np.ndarray:
    """The perfect network of images whose pixels are independent, with a standard deviation of 0.5: E[x0 | x]."""
    return x * 0.25 * node.alpha / (0.25 * node.alpha**2 + node.sigma**2)


noise = hso.NoiseSchedule.preset("sd1.5")
x = np.random.default_rng(0).standard_normal((200, 8, 8))
outcome = hso.compare(
    network,
    noise,
    x,
    prediction="sample",
    solvers=["ddim", "unipc:order=2"],
    budgets=[4, 6],
    schedules=["trailing", "edm", "ays_sd15", "hso"],
    reference_nfe=50,
)
for solver, nfe in outcome.cells:
    for row in outcome.cell(solver, nfe, "error"):
        low, high = row.figures["error"].interval()
        mark = {"best": "*", "tied": "=", "": " "}[outcome.verdict(row, "error")]
        print(f"{solver:14} {nfe} calls {mark} {low:.4f} to {high:.4f}  {row.label}")
# outcome.write("report") writes report/report.html, comparison.json and comparison.csv
