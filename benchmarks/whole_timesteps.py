"""What whole timesteps cost a calibrated schedule: rounded, and after the descent of ``hso.search.whole_timesteps``.

    python -m benchmarks.whole_timesteps

The model is the exact network of a mixture of Gaussians on Stable Diffusion's noise schedule. Numbers are the objective's
excess over that of the best schedule among all times, as the search finds it: the median and the largest of four solvers.
An excess can be below 0, because that search finds a local optimum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import hso
from hso.models.mixture import GaussianMixture
from hso.objectives import Replay
from hso.search import Constraints, Problem
from hso.search.whole_timesteps import descend_on_timesteps
from hso.solvers import make_solver

CENTRES, DIMENSIONS, VARIANCE, IMAGES, POINTS = 6, 64, 0.02, 32, 60
SOLVERS, NODES, STARTS = ("ddim", "dpmpp_2m", "unipc:variant=bh1", "heun"), (4, 6, 10, 20), (None, 0.6)
HEAD = "| nodes | begins at | rounded, median | rounded, largest | descended, median | descended, largest |\n"
RULE = "|---|---|---|---|---|---|"


def calibration_of(noise: hso.NoiseSchedule) -> hso.Calibration:
    """A calibration of the mixture."""
    generator = np.random.default_rng(0)
    means = generator.standard_normal((CENTRES, DIMENSIONS))
    mixture = GaussianMixture(np.ones(CENTRES), means, np.full(CENTRES, VARIANCE))

    def network(x: Any, node: hso.solvers.Node) -> Any:
        return mixture.eps(x.reshape(len(x), -1), node).reshape(x.shape)

    noisy = generator.standard_normal((IMAGES, 1, 8, DIMENSIONS // 8))
    return hso.calibrate(network, noise, noisy, points=POINTS)


def excesses(calibration: hso.Calibration, noise: hso.NoiseSchedule, nodes: int, start: float | None) -> Iterator[Any]:
    """For each solver: the excess of the rounded schedule, and of the descended one."""
    for solver in map(make_solver, SOLVERS):
        free = hso.optimize(
            noise, solver.nfe(nodes), solver=solver, calibration=calibration, constraints=Constraints(start=start)
        )
        function = Replay(calibration).on(noise, solver, "clean", start)
        rounded = free.schedule.timesteps
        both = rounded, descend_on_timesteps(Problem(function, nodes, "clean", free.constraints), rounded)
        yield [float(function.value(noise.lambda_(noise.time_of_index(each)))) / free.objective - 1 for each in both]


def main() -> None:
    """Print a table."""
    noise = hso.NoiseSchedule.preset("sd1.5")
    calibration = calibration_of(noise)
    print(HEAD + RULE)
    for nodes in NODES:
        for start in STARTS:
            found = np.array(list(excesses(calibration, noise, nodes, start)))
            cells = [value for column in found.T for value in (np.median(column), column.max())]
            print(f"| {nodes} | {start or 1} | {' | '.join(f'{value:+.1%}' for value in cells)} |")


if __name__ == "__main__":
    main()
