"""optimize() and the solvers know the same names."""

from hso.optimize import DEFAULT_TERMINAL
from hso.solvers import SOLVERS


def test_every_solver_has_a_default_terminal():
    assert set(DEFAULT_TERMINAL) == set(SOLVERS)
