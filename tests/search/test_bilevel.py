"""The bi-level strategies reproduce the paper and agree with each other."""

import numpy as np
import pytest

from hso import optimize
from hso.objectives import d_min
from hso.objectives.dm_nonuniform import ErrorBound
from hso.search import Bilevel, Box, Constraints, Problem, Published

PRINTED = [0.96, 0.71629, 0.37023, 0.03]
# Table 3 of the paper: NFE -> t_min*, t_max*.
TABLE_3 = {4: (0.03, 0.96), 6: (0.01000187, 0.9999368), 8: (0.01000035, 0.9998941), 10: (0.0102511, 0.9999527)}


@pytest.mark.parametrize("strategy", ["bilevel", "published"])
def test_the_schedule_printed_in_table_5_is_found(ddpm, strategy):
    times = optimize(ddpm, 4, solver="ddim", strategy=strategy).schedule.times
    assert times == pytest.approx(PRINTED, abs=1e-4)
    assert np.round(999 * times).tolist() == [959, 716, 370, 30]


@pytest.mark.parametrize("seed", [0, 66])
@pytest.mark.parametrize("nfe", TABLE_3)
def test_the_ends_of_table_3_are_found(ddpm, nfe, seed):
    psi = optimize(ddpm, nfe, solver="unipc", strategy="bilevel", seed=seed, terminal="t_min").psi
    t_min, t_max = TABLE_3[nfe]
    assert psi.t_min == pytest.approx(t_min, abs=3e-4)
    assert psi.t_max == pytest.approx(t_max, abs=3e-4)


def test_rho_cannot_be_identified(ddpm):
    results = [optimize(ddpm, 6, solver="unipc", strategy="bilevel", seed=seed, terminal="t_min") for seed in range(6)]
    fitness = [result.fitness for result in results]
    rho = [result.psi.rho for result in results]
    assert np.ptp(fitness) < 1e-6 * min(fitness)
    assert np.ptp(rho) > 3


def test_published_and_bilevel_reach_the_same_fitness(sd):
    """On a small budget; the benchmark strategies.py does it for all."""
    quick = {"population": 5, "generations": 8}
    published = optimize(sd, 4, solver="unipc", strategy=Published(**quick), terminal="t_min")
    bilevel = optimize(sd, 4, solver="unipc", strategy=Bilevel(**quick), terminal="t_min")
    assert bilevel.fitness == pytest.approx(published.fitness, rel=1e-6)
    assert published.schedule.times == pytest.approx(bilevel.schedule.times, abs=1e-4)


def test_beyond_nfe_4_the_unpenalized_optimum_breaks_its_own_spacing_rule(ddpm):
    for nfe in (6, 8, 10):
        assert not optimize(ddpm, nfe, solver="unipc", strategy="bilevel", terminal="t_min").feasible
        assert optimize(ddpm, nfe, solver="unipc", strategy="exact", terminal="t_min").feasible


def test_the_search_accepts_objectives_that_are_not_sums(sd):
    """Configuration B of Table 7, on a small population."""
    settings = Bilevel(population=2, generations=1, lower_iterations=30)
    wide = Box(t_min=(0.001, 0.03), t_max=(0.96, 1.0))
    b = optimize(
        sd, 4, objective="dm_nonuniform", strategy=settings, constraints=Constraints(box=wide), terminal="t_min"
    )
    assert b.feasible == bool(b.penalty == 0)
    assert np.all(np.diff(b.schedule.lambdas) > 0)
    problem = Problem(ErrorBound(sd), 4, "t_min", Constraints(wide, d_min(4)))
    start = problem.start(7.0, b.psi.t_min, b.psi.t_max)
    assert b.objective < float(ErrorBound(sd).value(start))
