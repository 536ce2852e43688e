"""Solvers: settings that, given a schedule, become a table of coefficients, and one loop that runs them."""

from collections.abc import Callable, Mapping
from functools import partial

from hso.errors import check_choice
from hso.solvers.base import Combination, Level, Solver, StepPlan
from hso.solvers.coefficients import Coefficients, coefficients
from hso.solvers.ddim import DDIM
from hso.solvers.deis import DEIS
from hso.solvers.dpmpp import DPMSolverPP
from hso.solvers.dpmpp_2s import DPMSolverPP2S
from hso.solvers.heun import Heun
from hso.solvers.loop import Node, nodes, sample
from hso.solvers.prediction import PREDICTIONS, to_data, to_noise
from hso.solvers.unipc import UniPC

# A new solver is one file and one line here.
SOLVERS: Mapping[str, Callable[[], Solver]] = {
    "ddim": DDIM,
    "unipc": UniPC,
    "dpmpp_2m": partial(DPMSolverPP, order=2),
    "dpmpp_3m": partial(DPMSolverPP, order=3),
    "dpmpp_2s": DPMSolverPP2S,
    "deis": DEIS,
    # Euler's method in sigma~ is DDIM with eta = 0, coefficient for coefficient.
    "euler": DDIM,
    "heun": Heun,
}


def make_solver(name: str) -> Solver:
    """The solver of this name, with its default settings.

    Raises:
        ArgumentError: If the name is unknown; the nearest is suggested.

    Example:
        >>> make_solver("dpmpp_3m")
        DPMSolverPP(order=3)
    """
    return SOLVERS[check_choice("solver", name, SOLVERS)]()


__all__ = [
    "DDIM",
    "DEIS",
    "PREDICTIONS",
    "SOLVERS",
    "Coefficients",
    "Combination",
    "DPMSolverPP",
    "DPMSolverPP2S",
    "Heun",
    "Level",
    "Node",
    "Solver",
    "StepPlan",
    "UniPC",
    "coefficients",
    "make_solver",
    "nodes",
    "sample",
    "to_data",
    "to_noise",
]
