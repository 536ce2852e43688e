r"""Orders of convergence, measured in float64 against the exact ODE solution of Gaussian data.

Two things are measured, since they differ. The *local* order is that of one step in the middle when all it uses is exact;
the method's name promises p + 1. The *global* order is that of a whole run. A multistep method starts with one step of
order 1, whose local error is of order 2, and UniPC ends with one as well: whatever its name, a run is of order 2 at most.
"""

import numpy as np
import pytest

from hso.models.gaussian import GaussianModel
from hso.schedule import SamplingSchedule
from hso.solvers import DDIM, DEIS, DPMSolverPP, DPMSolverPP2S, Heun, UniPC, nodes, sample

MODEL = GaussianModel(mean=np.array([0.4, -0.7, 1.1]), variance=np.array([0.3, 1.7, 0.8]))
X = np.array([0.9, -1.2, 0.3])


def slope(steps, errors):
    return np.polyfit(np.log(steps), np.log(errors), 1)[0]


def error_of_run(solver, noise, nfe):
    knots = np.linspace(-1.5, 1.5, nfe + 1)
    schedule = SamplingSchedule.from_knots(noise, knots, "t_min")
    found = sample(solver, MODEL.x0, noise, schedule, X, prediction="sample")
    return np.abs(found - MODEL.solve(X, knots[0], knots[-1], noise)).max()


def error_of_middle_step(solver, noise, h, corrected):
    """Error of the step from node 8 to node 9 of 20, given exact states and data; predicted or corrected."""
    knots = -0.8 + h * np.arange(-8, 13)
    schedule = SamplingSchedule.from_knots(noise, knots, "t_min")
    states = [MODEL.solve(X, knots[0], knot, noise) for knot in knots]
    terms = [solver.term(MODEL.x0(x, node), x, node) for x, node in zip(states, nodes(noise, schedule), strict=False)]
    plan = solver.plan(noise, schedule)
    made, known = (plan[9].anchor, terms[9::-1]) if corrected else (plan[8].update, terms[8::-1])
    return np.abs(made.of(states[8], known) - states[9]).max()


@pytest.mark.parametrize(
    ("solver", "expected"),
    [
        (DDIM(), 1),
        (DPMSolverPP(2), 2),
        (DPMSolverPP(3), 2),
        (DPMSolverPP2S(), 2),
        (Heun(), 2),
        (DEIS(1), 1),
        (DEIS(2), 2),
        (DEIS(3), 2),
        (UniPC(1, corrector=False), 1),
        (UniPC(1), 2),
        (UniPC(2, corrector=False), 2),
        (UniPC(2), 2),
        (UniPC(2, variant="bh1"), 2),
        (UniPC(3, corrector=False), 2),
        (UniPC(3), 2),
        (UniPC(3, variant="bh1"), 2),
    ],
    ids=repr,
)
def test_global_order(linear, solver, expected):
    sizes = np.array([80, 160, 320])
    errors = [error_of_run(solver, linear, int(nfe)) for nfe in sizes]
    assert slope(1 / sizes, errors) == pytest.approx(expected, abs=0.25)


@pytest.mark.parametrize(
    ("solver", "corrected", "expected"),
    [
        (DDIM(), False, 2),
        (DPMSolverPP(2), False, 3),
        # 3M weighs the curvature of the data by half of what it should be.
        (DPMSolverPP(3), False, 3),
        (DEIS(2), False, 3),
        (DEIS(3), False, 4),
        (UniPC(1), False, 2),
        (UniPC(1), True, 3),
        (UniPC(2), False, 3),
        (UniPC(2), True, 4),
        (UniPC(3), False, 4),
        (UniPC(3), True, 5),
        (UniPC(3, variant="bh1"), True, 5),
    ],
    ids=repr,
)
def test_local_order(linear, solver, corrected, expected):
    steps = np.array([0.05, 0.025, 0.0125])
    errors = [error_of_middle_step(solver, linear, h, corrected) for h in steps]
    assert slope(steps, errors) == pytest.approx(expected, abs=0.25)


@pytest.mark.parametrize("nfe", [5, 10])
def test_unipc_beats_ddim_by_far_at_few_steps(linear, nfe):
    assert error_of_run(UniPC(), linear, nfe) < 0.1 * error_of_run(DDIM(), linear, nfe)
